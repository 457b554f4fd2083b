"""However samples arrive, are cut into batches, come late, are repeated, and whenever the process restarts: the sums
of all that was let go and of what is still open are the sums of what was stored."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.batch import LATE, Batch
from core.time import HOUR, MINUTE, SECOND
from storage.rollup import Cascade, join

T0 = 1_780_000_000 * SECOND // HOUR * HOUR
samples = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.integers(-4000, 8000),
        st.integers(-5, 5),
        st.sampled_from([0, 1, 2, 2 | int(LATE)]),
    ),
    max_size=25,
)
steps = st.lists(
    st.tuples(samples, st.integers(0, 400), st.booleans(), st.integers(0, 3)), min_size=1, max_size=15
)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_no_sample_is_lost_or_counted_twice(steps):
    cascade, stored, out, now = Cascade(), [], [], T0
    for seq, (rows, pause_s, restarts, there) in enumerate(steps):
        now += pause_s * SECOND
        batch = as_batch(rows)
        was_there = np.arange(len(batch)) % 4 == there
        cascade.step(seq, batch, was_there, now)
        stored.append(batch.take(~was_there))
        if restarts:
            out += cascade.take()
            fresh = Cascade()
            fresh.restore(cascade.snapshot())
            cascade = fresh
    # Far enough away, the clock lets everything go.
    for seq in range(3):
        cascade.step(len(steps) + seq, as_batch([]), np.zeros(0, bool), T0 + (10 + seq) * HOUR)
    out += cascade.take()
    assert naive(stored, MINUTE) == as_dict(join([waiting.minutes for waiting in out]))
    assert naive(stored, HOUR) == as_dict(join([waiting.hours for waiting in out]))


def as_batch(rows):
    series, at_s, value, quality = zip(*rows, strict=True) if rows else ((),) * 4
    return Batch.of(
        np.array(series, np.int32), T0 + np.array(at_s, np.int64) * SECOND,
        np.where(np.array(value, float) == 5, np.nan, np.array(value, float)), np.array(quality, np.uint8),
    )  # fmt: skip


def naive(batches, period):
    sums = {}
    for batch in batches:
        for series, t, value, quality in zip(
            *(column.tolist() for column in (batch.series, batch.t, batch.value, batch.quality)), strict=True
        ):
            if value == value and quality & 3:
                sums.setdefault((series, t // period * period), []).append(value)
    return {key: (len(values), sum(values), min(values), max(values)) for key, values in sums.items()}


def as_dict(parts):
    columns = [column.tolist() for column in parts]
    return {(s, p): (n, total, low, high) for s, p, n, total, low, high in zip(*columns, strict=True)}
