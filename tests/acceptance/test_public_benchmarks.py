"""The public parts of NAB and SKAB: the floors that docs/detection.md promises."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from service.cli import application
from service.scoring import skab

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "nab").exists(), reason="the evaluation data do not stand at ../shared/data"
    ),
]


def figures(*words):
    result = CliRunner().invoke(application(), ["score", *map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_nab_public_files_score_above_the_floors():
    found = figures("nab", DATA / "nab")
    standard, low_fp, low_fn = found["ours"]
    assert (found["files"], found["rows"], standard["windows"]) == (21, 93_771, 29)
    assert standard["optimised"] > 75
    assert standard["lofo"] > 68
    assert standard["lo1"] > 68
    assert standard["fixed"] > 70
    assert low_fp["optimised"] > 60
    assert low_fn["optimised"] > 75
    assert found["blind_clock"][0]["fixed"] < 20


def test_skab_public_files_score_above_the_floors():
    found = figures("skab", DATA / "skab")["ours"]
    assert found["f1"] > 0.83
    assert found["far"] < 14
    both = figures("skab", DATA / "skab", "--set", "share=0.7")["ours"]
    assert both["f1"] > 0.80
    assert both["far"] < 22


@pytest.mark.parametrize(
    ("period", "f1", "far", "mar", "scores", "missed", "false_alarms"),
    [
        (15, 0.5212, 48.6754, 49.7953, (45.2305, -3.3344, 62.5066), 2, 596),
        (60, 0.554, 42.7901, 47.3823, (65.1321, 51.9854, 74.7939), 4, 141),
        (240, 0.728, 8.719, 38.4177, (20.4668, 17.8316, 22.4681), 50, 28),
    ],
)
def test_published_figures_of_clocks_come_out(period, f1, far, mar, scores, missed, false_alarms):
    corpus = [run for run in skab.load(DATA / "skab") if run.anomaly is not None]
    found = skab.report(corpus, [skab.blind_clock(len(run), period) for run in corpus])
    assert (found.f1, found.far, found.mar) == pytest.approx((f1, far, mar), abs=6e-5)
    np.testing.assert_allclose([change.score for change in found.changes], scores, atol=6e-5)
    assert {(change.missed, change.false_alarms) for change in found.changes} == {(missed, false_alarms)}
