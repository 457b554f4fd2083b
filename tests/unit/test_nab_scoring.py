"""The NAB protocol: vectors worked out by hand, and a scorer written row by row from its statement."""

import math

import numpy as np
import pytest

from service.scoring import nab
from service.scoring.reports import reports

STANDARD, LOW_FP, LOW_FN = nab.PROFILES


def series(n, *windows, name="folder/file.csv"):
    return nab.Series(name, tuple(map(str, range(n))), np.zeros(n), windows)


def flags(n, *rows):
    score = np.zeros(n)
    score[list(rows)] = 1.0
    return score


def sigma(y):
    return -1.0 if y > 3 else 2 / (1 + math.exp(5 * y)) - 1


def naive_raw(one, score, threshold, profile):
    """Raw score of one file, straight from the statement of the protocol."""
    n = len(score)
    p = min(math.floor(0.15 * n), 750)
    flagged = [i for i in range(p, n) if score[i] >= threshold]
    raw = 0.0
    for left, right in one.windows:
        if right < p:
            continue
        width = right - left + 1
        values = [
            profile.a_tp * sigma(-(right - i + 1) / width) / sigma(-1) for i in flagged if left <= i <= right
        ]
        raw += max(values) if values else -profile.a_fn
    for i in flagged:
        if any(left <= i <= right for left, right in one.windows):
            continue
        ended = [(left, right) for left, right in one.windows if right < i]
        if ended:
            left, right = ended[-1]
            raw += profile.a_fp * sigma((i - right) / (right - left))
        else:
            raw -= profile.a_fp
    return raw


def naive_best(corpus, scores, profile):
    raw = {
        threshold: sum(
            naive_raw(one, score, threshold, profile) for one, score in zip(corpus, scores, strict=True)
        )
        for threshold in sorted({1.1, *np.concatenate(scores).tolist()}, reverse=True)
    }
    best = max(raw.values())
    n_windows = sum(len(one.windows) for one in corpus)
    null = -profile.a_fn * n_windows
    threshold = next(t for t, value in raw.items() if value == best)
    return threshold, 100 * (best - null) / (profile.a_tp * n_windows - null)


def test_the_first_row_of_a_window_earns_all_and_the_last_a_little():
    value, inside = nab.row_values(series(100, (40, 59)), STANDARD)
    assert value[40] == pytest.approx(1.0)
    assert value[59] == pytest.approx((2 / (1 + math.exp(-5 / 20)) - 1) / 0.986614298, rel=1e-6)
    assert value[39] == -0.11
    assert (inside[40:60] == 0).all()
    assert inside[39] == inside[60] == -1


def test_a_flag_after_a_window_costs_more_the_later_it_is():
    value, _ = nab.row_values(series(200, (40, 59)), STANDARD)
    assert value[60] == pytest.approx(0.11 * sigma(1 / 19))
    assert value[59 + 57] == pytest.approx(0.11 * sigma(3.0))
    assert value[59 + 58] == -0.11
    assert (np.diff(value[60:118]) <= 0).all()


def test_silence_scores_nothing_and_perfection_a_hundred():
    one = series(100, (40, 59))
    assert nab.evaluate([one], [flags(100)], STANDARD, threshold=0.5).fixed == 0.0
    assert nab.evaluate([one], [flags(100, 40)], STANDARD, threshold=0.5).fixed == pytest.approx(100.0)


def test_rows_of_the_probation_count_for_nothing():
    one = series(100, (40, 59))
    assert one.probation == 15
    result = nab.evaluate([one], [flags(100, 0, 14, 40)], STANDARD, threshold=0.5)
    assert result.fixed == pytest.approx(100.0)
    assert nab.evaluate([one], [flags(100, 15, 40)], STANDARD, threshold=0.5).fixed == pytest.approx(
        100 - 5.5
    )
    assert series(20_000).probation == 750


def test_only_the_earliest_flag_of_a_window_earns_and_every_flag_outside_costs():
    one = series(400, (200, 239))
    many = nab.evaluate([one], [flags(400, 210, 220, 230)], STANDARD, threshold=0.5)
    assert many.fixed == pytest.approx(nab.evaluate([one], [flags(400, 210)], STANDARD, threshold=0.5).fixed)
    wrong = nab.evaluate([one], [flags(400, 100, 101, 210)], LOW_FP, threshold=0.5)
    assert wrong.fixed == pytest.approx(many.fixed - 2 * 0.22 / 2 * 100)
    assert (wrong.caught, wrong.flags, wrong.false_flags) == (1, 3, 2)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("profile", nab.PROFILES, ids=lambda p: p.name)
def test_the_sweep_equals_a_scorer_that_looks_at_every_row_and_threshold(seed, profile):
    rng = np.random.default_rng(seed)
    corpus, scores = [], []
    for f in range(4):
        n = int(rng.integers(60, 160))
        edges = np.sort(rng.choice(np.arange(5, n), 2 * int(rng.integers(0, 4)), replace=False)).reshape(
            -1, 2
        )
        corpus.append(series(n, *[(int(a), int(b)) for a, b in edges if b > a], name=f"f{f % 2}/{f}.csv"))
        scores.append(np.round(rng.random(n) ** 4, 1 + seed % 2))
    if not any(one.windows for one in corpus):
        pytest.skip("no window drawn")
    result = nab.evaluate(corpus, scores, profile, threshold=0.5)
    threshold, best = naive_best(corpus, scores, profile)
    assert result.optimised == pytest.approx(best)
    assert result.threshold == threshold
    n_windows = sum(len(one.windows) for one in corpus)
    fixed = sum(naive_raw(one, score, 0.5, profile) for one, score in zip(corpus, scores, strict=True))
    assert result.fixed == pytest.approx(nab.normalise(fixed, n_windows, profile))


def test_leaving_a_folder_out_takes_the_threshold_from_the_others():
    corpus = [series(100, (50, 69), name="a/1.csv"), series(100, (50, 69), name="b/1.csv")]
    scores = [np.zeros(100), np.zeros(100)]
    # Folder a is best at 0.9, folder b at 0.4; each is scored at the other's.
    scores[0][[50, 30]] = 0.9, 0.4
    scores[1][50] = 0.4
    result = nab.evaluate(corpus, scores, STANDARD, threshold=0.5)
    assert result.lofo == pytest.approx(100 * (1 - 0.11 - 1 + 2) / 4)
    assert result.folders == {"a": pytest.approx(100 * (1 - 0.11 + 1) / 2), "b": 0.0}


def test_the_blind_clock_flags_nineteen_rows_of_any_file():
    assert np.flatnonzero(nab.blind_clock(1000)).tolist() == list(range(50, 1000, 50))


def test_an_event_is_reported_once_at_its_peak():
    score = np.array([0, 0.5, 0.7, 0.9, 0.8, 0.85, 0.3, 0.0])
    assert reports(score).tolist() == [0, 0, 0, 0, 0.9, 0, 0, 0]


def test_an_event_that_gets_worse_is_reported_again_and_one_that_stays_is_not():
    again = np.array([0.7, 0.6, 0.8, 0.5, 0.9, 0.5, 0.0])
    assert reports(again).tolist() == [0, 0.7, 0, 0, 0, 0.9, 0]
    stays = np.tile([0.8, 0.7], 200)
    assert np.flatnonzero(reports(stays)).tolist() == [1, 153, 305]


def test_a_report_waits_at_most_two_rows_and_looks_at_nothing_later():
    rising = np.linspace(0.6, 3, 30)
    whole = reports(rising)
    assert np.flatnonzero(whole)[0] == 2
    for cut in range(1, 30):
        np.testing.assert_array_equal(reports(rising[:cut]), whole[:cut])


def test_reports_of_warming_up_are_none():
    assert not reports(np.array([np.nan, np.nan, 0.1])).any()
