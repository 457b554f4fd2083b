"""The open columns: rows and ready-made blocks in one order of arrival, and what a message that fails leaves behind."""

from array import array

import numpy as np
from fakes.foreign import FAR, NOW

from core.batch import Quality
from ingest.columns import ABSENT, Columns, Message
from ingest.open_catalog import OpenCatalog

MS = NOW // 10**6


def open_columns(n):
    everything = OpenCatalog()
    series = everything.catalog.devices["g", "d"].series
    keys = [series[name] for name in "abc"]
    return Columns([Message("t", b"x", NOW + k * 1000) for k in range(n)]), everything.catalog, keys


def block(columns, keys, ms, values):
    columns.value += values
    columns.block(array("i", keys), array("q", ms))


def closed(columns, catalog):
    rows = columns.close(catalog, NOW, FAR)
    t = (rows.t - NOW) // 1000
    return rows, list(zip(rows.series.tolist(), t.tolist(), rows.value.tolist(), strict=True))


def test_rows_and_blocks_keep_the_order_in_which_they_came():
    columns, catalog, (a, b, c) = open_columns(3)
    columns.open()
    columns.add(a, MS, 1.0)
    columns.open()
    block(columns, [b, c], [MS + 1, MS + 2], [2.0, 3.0])
    columns.open()
    columns.add(c, ABSENT, 4.0)
    assert closed(columns, catalog)[1] == [(a, 0, 1), (b, 1000, 2), (c, 2000, 3), (c, 2, 4)]


def test_a_message_that_is_forgotten_takes_its_block_along_and_no_other():
    columns, catalog, (a, b, c) = open_columns(3)
    columns.open()
    block(columns, [a, b], [MS, MS], [1.0, 2.0])
    columns.mark(1, Quality.BAD)
    columns.open()
    columns.add(c, MS, 3.0)
    block(columns, [a, b], [MS + 1, MS + 1], [4.0, 5.0])
    columns.add(c, MS + 2, 6.0)
    columns.mark(2, Quality.UNCERTAIN)
    columns.undo()
    columns.open()
    columns.add(c, MS + 3, 7.0)
    rows, found = closed(columns, catalog)
    assert found == [(a, 0, 1), (b, 0, 2), (c, 3000, 7)]
    assert rows.quality.tolist() == [Quality.GOOD, Quality.BAD, Quality.GOOD]
    assert (rows.series.dtype, rows.t.dtype) == (np.int32, np.int64)


def test_values_of_a_forgotten_message_without_its_block_are_forgotten_too():
    """A column of another length is found after others were taken."""
    columns, catalog, (a, _b, c) = open_columns(2)
    columns.open()
    columns.add(a, MS, 1.0)
    columns.open()
    columns.value += [2.0, 3.0]
    columns.undo()
    columns.add(c, MS, 4.0)
    assert closed(columns, catalog)[1] == [(a, 0, 1), (c, 0, 4)]


def test_nothing_at_all():
    columns, catalog, _ = open_columns(0)
    rows, found = closed(columns, catalog)
    assert (found, len(rows)) == ([], 0)
