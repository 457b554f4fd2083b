"""Columns in PostgreSQL's binary forms, ledgers of units, names of partitions."""

import numpy as np
import pytest

from core.batch import Batch
from core.reject import Reason, Reject
from core.time import DAY, SECOND
from storage.binary import copy_buffers, pg_time, plain
from storage.ledger import Tally, tally
from storage.partitions import BEFORE, end_of, name_of, starts_of
from storage.samples import first_among


def test_a_copy_stream_is_laid_out_as_the_manual_says():
    """Signature, flags, extension; per row: number of fields, then length and bytes of each; -1."""
    stream = b"".join(copy_buffers([np.array([1, -2], np.int16), np.array([0.5, 0.25])]))
    assert stream == bytes.fromhex(
        "5047434f50590aff0d0a00" "00000000" "00000000"
        "0002" "00000002" "0001" "00000008" "3fe0000000000000"
        "0002" "00000002" "fffe" "00000008" "3fd0000000000000"
        "ffff"
    )  # fmt: skip


def test_postgresql_counts_microseconds_since_2000():
    assert pg_time(np.array([946_684_800 * SECOND + 1000, 946_684_799 * SECOND])).tolist() == [1, -1_000_000]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("铝镁粉尘", "铝镁粉尘"), ("a\x00b", "a␀b"), ("\ud800x", "?x"), ("\ud800\x00", "?␀")],
)
def test_text_that_postgresql_would_refuse_is_made_plain(text, expected):
    assert plain(text) == expected


def test_the_first_of_equal_rows_is_the_one_that_was_stored():
    series = np.array([1, 1, 1, 2, 2], np.int32)
    t = np.array([5, 5, 6, 5, 7], np.int64)
    stored = first_among(series, t, np.array([2, 1], np.int32), np.array([5, 5], np.int64))
    assert stored.tolist() == [True, False, False, True, False]
    assert first_among(series, t, series[:0], t[:0]).tolist() == [False] * 5


def test_a_tally_adds_up_per_gateway():
    batch = Batch.of(np.array([1, 1, 2, 3]), np.arange(4), np.zeros(4))
    counted = tally(
        batch,
        np.array([False, True, False, False]),
        np.array([0, 7, 7, 9], np.int32),
        received={7: 5, 9: 2, 0: 1},
        duplicates={7: 2},
        rejects=[Reject(9, "t", b"", 0, Reason.BAD_JSON), Reject(0, "t", b"", 0, Reason.BAD_JSON)],
    )
    rows = zip(*(getattr(counted, name).tolist() for name in Tally.__slots__), strict=True)
    assert list(rows) == [(0, 1, 0, 0, 1), (7, 5, 2, 3, 0), (9, 2, 1, 0, 1)]
    assert counted.per_gateway(counted.stored) == {7: 2, 9: 1}


def test_an_empty_unit_has_an_empty_tally():
    batch = Batch.empty()
    nothing = tally(batch, np.zeros(0, bool), np.array([0], np.int32), received={}, duplicates={}, rejects=())
    assert len(nothing.gateway) == 0


@pytest.mark.parametrize(
    ("table", "date", "name", "end"),
    [
        ("sample", "2026-11-21", "sample_20261121", "2026-11-22"),
        ("sample", "2015-01-01", "sample_20150101", "2015-01-02"),
        ("sample", "2014-12-31", "sample_before", "2015-01-01"),
        ("sample", "1970-01-01", "sample_before", "2015-01-01"),
        ("sample", "1950-07-01", "sample_before", "2015-01-01"),
        ("rollup_1h", "2026-11-21", "rollup_1h_20261103", "2026-12-03"),
    ],
)
def test_a_partition_is_named_by_its_first_day(table, date, name, end):
    t = np.array([int(np.datetime64(date, "D").astype(int)) * DAY + DAY - 1])
    assert name_of(table, int(starts_of(table, t)[0])) == name
    assert end_of(table, name) == int(np.datetime64(end, "D").astype(int))


@pytest.mark.parametrize("table", ["sample", "rollup_1m", "rollup_1h", "reject"])
def test_partitions_touch_and_never_overlap(table):
    days = np.arange(16_000, 21_000)
    starts = starts_of(table, days * DAY)
    ends = {int(start): end_of(table, name_of(table, int(start))) for start in np.unique(starts)}
    order = [start for start in sorted(ends) if start != BEFORE]
    assert [ends[BEFORE], *(ends[start] for start in order[:-1])] == order
    assert all(ends[int(start)] > day for start, day in zip(starts, days, strict=True))
