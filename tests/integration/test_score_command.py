"""`fengsui score` on small folders laid out as the benchmarks."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from service.cli import application

runner = CliRunner()


def nab_folder(root, *, labels=True, n=700):
    rng = np.random.default_rng(0)
    for folder, at in (("one", 500), ("two", 600)):
        values = rng.normal(size=n)
        values[at : at + 10] += 12
        stamps = [f"2020-01-{1 + i // 288:02d} {i % 288 // 12:02d}:{i % 12 * 5:02d}:00" for i in range(n)]
        path = root / "data" / folder / "a.csv"
        path.parent.mkdir(parents=True)
        path.write_text(
            "timestamp,value\n"
            + "".join(f"{t},{v!r}\n" for t, v in zip(stamps, values.tolist(), strict=True))
        )
        if labels:
            known = root / "labels" / "combined_windows.json"
            known.parent.mkdir(exist_ok=True)
            windows = json.loads(known.read_text()) if known.exists() else {}
            windows[f"{folder}/a.csv"] = [[stamps[at - 30] + ".000000", stamps[at + 30] + ".000000"]]
            known.write_text(json.dumps(windows))
    return root


def skab_folder(root, *, labels=True, n=700):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 3))
    x[550:620, 1] += 9
    header = ["datetime", "a", "b", "c", *(["anomaly", "changepoint"] if labels else [])]
    rows = [";".join(header)]
    for i in range(n):
        stamp = f"2020-03-09 10:{i // 60:02d}:{i % 60:02d}"
        truth = [f"{float(550 <= i < 620)}", f"{float(i in (550, 620))}"] if labels else []
        rows.append(";".join([stamp, *map(repr, x[i].tolist()), *truth]))
    path = root / "data" / "valve9" / "0.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\r\n".join(rows) + "\r\n")
    return root


def call(*words):
    result = runner.invoke(application(), ["score", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result


def column(path, name):
    with path.open(encoding="utf-8", newline="") as handle:
        return [float(row[name]) for row in csv.DictReader(handle)]


def test_nab_finds_the_two_spikes_and_writes_what_it_scored(tmp_path):
    folder = nab_folder(tmp_path / "nab")
    found = json.loads(
        call("nab", folder, "--json", "--out", tmp_path / "out", "--plot", tmp_path / "plots").stdout
    )
    standard = found["ours"][0]
    assert (found["files"], standard["windows"], standard["caught"]) == (2, 2, 2)
    assert standard["optimised"] > 70
    assert found["blind_clock"][0]["fixed"] < standard["lofo"]
    for name, at in (("one", 500), ("two", 600)):
        scores = column(tmp_path / "out" / name / "a.csv", "anomaly_score")
        assert len(scores) == 700
        assert at <= int(np.argmax(scores)) < at + 20
        assert 0.0 <= min(scores) <= max(scores) < 1.0
    assert (tmp_path / "plots" / "two" / "a.png").stat().st_size > 5000


def test_nab_without_labels_writes_the_same_scores_as_with_them(tmp_path):
    call("nab", nab_folder(tmp_path / "with"), "--json", "--out", tmp_path / "a")
    told = call("nab", nab_folder(tmp_path / "without", labels=False), "--out", tmp_path / "b").stdout
    assert "nothing to score" in told
    for name in ("one", "two"):
        assert (tmp_path / "a" / name / "a.csv").read_text() == (tmp_path / "b" / name / "a.csv").read_text()


def test_nab_prints_a_table_with_the_clock_and_the_peers(tmp_path):
    text = call("nab", nab_folder(tmp_path / "nab")).stdout
    for word in ("LOFO", "blind clock", "ARTime*", "this detector", "KNN CAD"):
        assert word in text


def test_nab_shows_one_profile_and_refuses_an_unknown_one(tmp_path):
    folder = nab_folder(tmp_path / "nab")
    found = json.loads(call("nab", folder, "--json", "--profile", "reward_low_FP_rate").stdout)
    assert [result["profile"] for result in found["ours"]] == ["reward_low_FP_rate"]
    assert runner.invoke(application(), ["score", "nab", str(folder), "--profile", "best"]).exit_code == 2


def test_the_rest_of_a_file_does_not_change_the_scores_before_it(tmp_path):
    call("nab", nab_folder(tmp_path / "whole", labels=False), "--out", tmp_path / "a")
    part = nab_folder(tmp_path / "part", labels=False)
    for path in (part / "data").rglob("*.csv"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:551]))
    call("nab", part, "--out", tmp_path / "b")
    for name in ("one", "two"):
        whole = column(tmp_path / "a" / name / "a.csv", "anomaly_score")
        assert column(tmp_path / "b" / name / "a.csv", "anomaly_score") == whole[:550]


def test_skab_finds_the_shift_and_writes_what_it_said(tmp_path):
    folder = skab_folder(tmp_path / "skab")
    found = json.loads(
        call("skab", folder, "--json", "--out", tmp_path / "out", "--plot", tmp_path / "plots").stdout
    )
    assert found["ours"]["f1"] > 0.7
    flags = column(tmp_path / "out" / "valve9" / "0.csv", "anomaly")
    assert len(flags) == 700
    assert not any(flags[:400])
    assert sum(flags[550:620]) > 60
    assert (tmp_path / "plots" / "valve9" / "0.png").exists()


def test_skab_without_labels_only_writes(tmp_path):
    told = call("skab", skab_folder(tmp_path / "skab", labels=False), "--out", tmp_path / "out").stdout
    assert "nothing to score" in told
    assert sum(column(tmp_path / "out" / "valve9" / "0.csv", "anomaly")) > 60


def test_skab_prints_change_points_with_their_false_alarms(tmp_path):
    text = call("skab", skab_folder(tmp_path / "skab"), "--set", "share=0.7").stdout
    for word in ("FAR %", "false", "Conv-AE*", "the clock"):
        assert word in text


@pytest.mark.parametrize("what", ["empty", "column", "number", "window"])
def test_a_folder_that_cannot_be_read_is_refused_with_the_reason(tmp_path, what):
    from core.errors import SourceError

    folder = tmp_path / "nab"
    folder.mkdir()
    wanted = {
        "empty": "no data/",
        "column": "no column 'value'",
        "number": "no number",
        "window": "is not there",
    }
    if what != "empty":
        nab_folder(folder)
        path = folder / "data" / "one" / "a.csv"
        text = path.read_text()
        if what == "column":
            path.write_text(text.replace("timestamp,value", "timestamp,reading"))
        elif what == "number":
            path.write_text(text + "2021-01-01 00:00:00,much\n")
        else:
            labels = folder / "labels" / "combined_windows.json"
            labels.write_text(labels.read_text().replace("2020-01-02", "2022-01-02"))
    result = runner.invoke(application(), ["score", "nab", str(folder)])
    assert isinstance(result.exception, SourceError)
    assert wanted[what] in str(result.exception)


def test_a_parameter_can_be_tried_and_a_wrong_one_is_refused(tmp_path):
    folder = nab_folder(tmp_path / "nab")
    plain = json.loads(call("nab", folder, "--json").stdout)
    assert json.loads(call("nab", folder, "--json", "--set", "window=24").stdout) == plain
    assert json.loads(call("nab", folder, "--json", "--set", "window=8", "--set", "lags=10").stdout) != plain
    for wrong in ("windows=8", "window=many", "window=9"):
        assert runner.invoke(application(), ["score", "nab", str(folder), "--set", wrong]).exit_code == 2
