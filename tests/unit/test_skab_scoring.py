"""The SKAB protocol: vectors worked out by hand."""

import numpy as np
import pytest

from service.scoring import skab

STANDARD, LOW_FP, LOW_FN = skab.PROFILES


def run(n_scored, *, anomaly=(), changepoints=(), step_s=1, name="valve1/0.csv"):
    n = 400 + n_scored
    truth, points = np.zeros(n, bool), np.zeros(n, bool)
    truth[[400 + i for i in anomaly]] = True
    points[[400 + i for i in changepoints]] = True
    t_s = np.arange(n) * step_s
    return skab.Run(name, tuple(map(str, t_s)), t_s, ("a",), np.zeros((n, 1)), truth, points)


def flagged(n_scored, *rows):
    flag = np.zeros(400 + n_scored, bool)
    flag[[400 + i for i in rows]] = True
    return flag


def test_rows_are_pooled_over_files_and_training_rows_are_left_out():
    corpus = [run(10, anomaly=range(5, 10)), run(10, anomaly=range(2))]
    flags = [flagged(10, 4, 5, 6, 7), flagged(10, 0, 1, 2)]
    flags[0][:400] = True
    found = skab.confusion(corpus, flags)
    assert (found.tp, found.fp, found.fn, found.tn) == (5, 2, 2, 11)
    assert found.f1 == pytest.approx(5 / 7)
    assert found.far == pytest.approx(100 * 2 / 13)
    assert found.mar == pytest.approx(100 * 2 / 7)


def test_a_change_point_is_a_turn_and_a_flag_from_the_start_is_one():
    assert skab.change_points(np.array([True, True, False, False, True])).tolist() == [0, 2, 4]


def test_a_window_that_reaches_into_the_next_cuts_its_start():
    assert skab.windows(np.array([100, 130, 300])) == [(100, 160), (160, 190), (300, 360)]


@pytest.mark.parametrize("profile", skab.PROFILES, ids=lambda p: p.name)
def test_a_hit_is_worth_all_at_once_and_a_false_alarm_at_the_end(profile):
    assert skab.hit_value(0.0, profile) == pytest.approx(profile.a_tp)
    assert skab.hit_value(1.0, profile) == pytest.approx(profile.a_fp)
    assert skab.hit_value(0.5, profile) == pytest.approx((profile.a_tp + profile.a_fp) / 2, abs=2e-3)


def test_perfect_change_points_score_a_hundred_and_none_scores_nothing():
    one = run(300, changepoints=(50, 200))
    perfect = skab.score_changes([one], [flagged(300, *range(50, 200))], STANDARD)
    assert (perfect.score, perfect.missed, perfect.false_alarms) == (pytest.approx(100.0), 0, 0)
    nothing = skab.score_changes([one], [flagged(300)], LOW_FN)
    assert (nothing.score, nothing.missed) == (0.0, 2)


def test_the_first_turn_in_a_window_counts_later_ones_cost_nothing_and_others_cost():
    one = run(300, changepoints=(100,))
    found = skab.score_changes([one], [flagged(300, 10, 110, 120)], STANDARD)
    # Turns at 10, 11 outside; 110, 111, 120, 121 in the window of 60 s.
    assert found.false_alarms == 2
    raw = skab.hit_value(10 / 60, STANDARD) - 2 * 0.11
    assert found.score == pytest.approx(100 * (raw + 1) / 2)


def test_gaps_in_time_count_as_time():
    one = run(100, changepoints=(10,), step_s=10)
    assert skab.score_changes([one], [flagged(100, *range(16, 100))], STANDARD).missed == 0
    assert skab.score_changes([one], [flagged(100, *range(17, 100))], STANDARD).missed == 1


def test_the_clock_reads_nothing_and_toggles_after_the_training_rows():
    assert skab.change_points(skab.blind_clock(1000)).tolist() == [640, 880]
