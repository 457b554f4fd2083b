"""Recordings that nobody here made, replayed through the whole service: alerts at exactly the rows that imply them.

What is expected comes from tests/naive/naive_replay.py, which reads the CSV and the limits by itself.
"""

import json

import pytest
from acceptance.whole_service import ROOT, WholeService, wait_for
from fakes.webhook import FakeWebhook
from naive.naive_replay import edges, filter_samples, limits, transformer_samples

DATA = ROOT.parent / "shared" / "data"
TRANSFORMER = DATA / "load" / "transformer_iot" / "CurrentVoltage.csv"
FILTERS = DATA / "dust" / "filter_clogging" / "Train_Data_runs_01-20.csv"
MAPPINGS = ROOT / "simulators" / "mappings"
# Recorded years ago and judged as if it were now: nothing is historical, nothing too old.
CONFIG = "[ingest]\nhistorical_after_s = 3000000000.0\ntoo_old_days = 36500\n"
MS_NS = 10**6
COLUMNS = {
    "VL1": "voltage_a", "VL2": "voltage_b", "VL3": "voltage_c",
    "IL1": "current_a", "IL2": "current_b", "IL3": "current_c",
    "VL12": "voltage_ab", "VL23": "voltage_bc", "VL31": "voltage_ca", "INUT": "current_n",
}  # fmt: skip


def replayed(folder, file, mapping, town, *words):
    """Replay into a fresh service; return {(device, signal): [(t_ms, level present from then on), …]} of its history."""
    if not file.exists():
        pytest.skip(f"needs {file.name} of the evaluation data")
    with FakeWebhook() as hook:
        service = WholeService(folder, town=(MAPPINGS / town).read_text(), hook=hook.url, config=CONFIG)
        try:
            service.fengsui("replay", str(file), "--mapping", mapping, "--speed", "inf", *words)
            wait_for(lambda: drained(service), 120, lambda: service.log("pipeline"), pause_s=0.3)
            return history(service)
        finally:
            service.close()


def drained(service):
    """Everything that the broker has was committed, twice in a row."""
    status = json.loads(service.ask("pipeline", "/status")[1])
    now = (status["seq"], status["messages_committed"])
    before, service.seen = getattr(service, "seen", None), now
    return before == now and now[1] > 0 and status["waiting_messages"] == 0


def history(service):
    found = {}
    rows = service.rows(
        """SELECT d.code, s.signal, t.t_ns, t.cause, t.level, a.id, t.seq FROM transition t
        JOIN alert a ON a.id = t.alert JOIN registry_series s ON s.id = a.subject
        JOIN registry_device d ON d.id = s.device_id WHERE NOT a.data_quality ORDER BY t.t_ns, a.id, t.seq"""
    )
    for device, signal, t_ns, cause, level, *_ in rows:
        found.setdefault((device, signal), []).append((t_ns // MS_NS, cause, level))
    return found


def raised(changes):
    """Turn changes of the level present into an alert's history: came, rose above all before, went."""
    told, level, highest = [], 0, 0
    for t_ms, now, _value in changes:
        if now and (not level or now > highest):
            told.append((t_ms, "up"))
        elif not now:
            told.append((t_ms, "clear"))
        level, highest = now, max(highest, now)
    return told


def shown(transitions):
    causes = {"open": "up", "raise": "up", "level": "up", "clear": "clear"}
    return [(t_ms, causes[cause]) for t_ms, cause, _level in transitions if cause in causes]


@pytest.mark.slow
def test_the_transformers_year_raises_what_its_limits_imply_at_the_exact_rows(tmp_path):
    found = replayed(tmp_path, TRANSFORMER, "transformer_voltage", "transformer.town.toml")
    judged = limits(MAPPINGS / "transformer.town.toml", "tr-1")
    for signal, samples in transformer_samples(TRANSFORMER, COLUMNS).items():
        expected = raised(edges(samples, *judged[signal]))
        assert shown(found.get(("tr-1", signal), [])) == expected, signal
    assert sum(len(one) for one in found.values()) > 100


@pytest.mark.slow
def test_filters_that_clog_raise_yellow_orange_and_red_at_the_exact_rows(tmp_path):
    found = replayed(tmp_path, FILTERS, "filter_clogging", "filter_clogging.town.toml", "--runs", "1-3")
    for run in (1, 2, 3):
        period_s, steps = limits(MAPPINGS / "filter_clogging.town.toml", f"filter-{run:02d}")[
            "differential_pressure"
        ]
        expected = raised(edges(filter_samples(FILTERS, run), period_s, steps))
        assert shown(found[f"filter-{run:02d}", "differential_pressure"]) == expected
        assert expected, f"run {run} ends in failure: it must raise"
