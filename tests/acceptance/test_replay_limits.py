"""Recordings replayed into the whole service raise exactly what their limits imply, at the exact rows.

What is expected is worked out from the CSV and the town file alone (tests/naive/naive_replay.py).
"""

import sys
from pathlib import Path

import psycopg
import pytest
from whole_service import ROOT, WholeService, wait_for

sys.path.append(str(ROOT / "tests" / "naive"))
import naive_replay

DATA = ROOT.parent / "shared" / "data"
VOLTAGE = DATA / "load" / "transformer_iot" / "CurrentVoltage.csv"
OIL = DATA / "load" / "transformer_iot" / "Overview.csv"
FILTERS = DATA / "dust" / "filter_clogging" / "Train_Data_runs_01-20.csv"
MAPPINGS = ROOT / "simulators" / "mappings"
TRANSFORMER_TOWN, FILTER_TOWN = MAPPINGS / "transformer.town.toml", MAPPINGS / "filter_clogging.town.toml"
RUNS = (1, 2, 3)
SIGNALS = {
    "VL1": "voltage_a", "VL2": "voltage_b", "VL3": "voltage_c", "IL1": "current_a", "IL2": "current_b",
    "IL3": "current_c", "VL12": "voltage_ab", "VL23": "voltage_bc", "VL31": "voltage_ca", "INUT": "current_n",
}  # fmt: skip
OIL_SIGNALS = {
    "OTI": "oil_temperature", "WTI": "winding_temperature_alarm", "OLI": "oil_level",
    "OTI_A": "oil_temperature_alarm", "OTI_T": "oil_temperature_trip", "MOG_A": "magnetic_oil_gauge_alarm",
}  # fmt: skip
# The recordings are old: these keys make their rows live (docs/simulators.md).
LIVE = "[ingest]\nhistorical_after_s = 31_622_400\ntoo_old_days = 400\n[retention]\nraw_days = 400\n"
PATIENCE_S = 180

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the evaluation data are not there")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = WholeService(
        tmp_path_factory.mktemp("replay"),
        town=TRANSFORMER_TOWN.read_text("utf-8"), hook="http://127.0.0.1:9/", config=LIVE,
    )  # fmt: skip
    try:
        running.fengsui("registry", "import", str(FILTER_TOWN))
        yield running
    finally:
        running.close()


def replay(service, file, mapping, *words):
    """Replay as fast as it goes, ending now; wait until every reading is accounted for."""
    before = accounted(service)
    said = service.fengsui(
        "replay", str(file), "--mapping", mapping, "--speed", "inf", "--at", "now",
        "--host", service.nats.host, "--port", str(service.nats.port), *words,
    )  # fmt: skip
    sent = int(said.split(" readings acknowledged")[0].split(", ")[-1])
    wait_for(lambda: accounted(service) >= before + sent, PATIENCE_S, lambda: service.log("pipeline"))
    return sent


def accounted(service):
    return service.one("SELECT coalesce(sum(stored + duplicate + rejected), 0)::bigint FROM ledger")


def transitions(service, gateway):
    """{(device, signal): [(cause, ms since the first sample of the gateway, level, value), …]} from the tables."""
    first = service.one(
        "SELECT extract(epoch FROM min(r.time)) * 1000 FROM readings r JOIN registry_series s ON s.id = r.series_id "
        "JOIN registry_device d ON d.id = s.device_id JOIN registry_gateway g ON g.id = d.gateway_id "
        "WHERE g.code = %s", gateway,
    )  # fmt: skip
    found = {}
    for device, signal, cause, t_ns, level, value in service.rows(
        "SELECT d.code, s.signal, t.cause, t.t_ns, t.level, t.value FROM transition t "
        "JOIN alert a ON a.id = t.alert JOIN registry_series s ON s.id = a.subject "
        "JOIN registry_device d ON d.id = s.device_id JOIN registry_gateway g ON g.id = d.gateway_id "
        "WHERE a.rule = 'LIMIT' AND g.code = %s ORDER BY a.raised_ns, t.alert, t.seq", gateway,
    ):  # fmt: skip
        found.setdefault((device, signal), []).append((cause, t_ns // 1_000_000 - round(first), level, value))
    return found


def implied(edges, first_ms):
    """What the edges of one series make of its one alert; the level of a line is the highest so far."""
    highest, present, lines = 0, False, []
    for t_ms, level, value in edges:
        higher = level > highest
        highest = max(highest, level)
        if level and not present:
            lines.append(("raise" if lines else "open", t_ms - first_ms, highest, value))
        elif level and higher:
            lines.append(("level", t_ms - first_ms, highest, value))
        elif not level:
            lines.append(("clear", t_ms - first_ms, highest, value))
        present = level > 0
    return lines


def expected_of_transformer(*files):
    limits = naive_replay.limits(TRANSFORMER_TOWN, "tr-1")
    samples = {}
    for path, columns in files:
        samples |= naive_replay.transformer_samples(path, columns)
    first_ms = min(rows[0][0] for rows in samples.values())
    lines = {
        ("tr-1", signal): implied(naive_replay.edges(rows, *limits[signal]), first_ms)
        for signal, rows in samples.items()
    }
    return {key: found for key, found in lines.items() if found}


def expected_of_filters(runs):
    lines = {}
    first_ms = naive_replay.filter_samples(FILTERS, runs[0])[0][0]
    for run in runs:
        device = f"filter-{run:02d}"
        limits = naive_replay.limits(FILTER_TOWN, device)["differential_pressure"]
        edges = naive_replay.edges(naive_replay.filter_samples(FILTERS, run), *limits)
        lines[device, "differential_pressure"] = implied(edges, first_ms)
    return lines


def test_the_first_filter_runs_raise_what_their_limits_imply(service):
    replay(service, FILTERS, "filter_clogging", "--runs", "1-3")
    expected = expected_of_filters(RUNS)
    assert transitions(service, "replay-filter") == expected
    # Every run ends red, and was told of before.
    for lines in expected.values():
        causes = [line[0] for line in lines]
        assert causes[0] == "open"
        assert lines[-1][2] == 4
        assert lines[0][1] < lines[-1][1]


def test_the_transformer_raises_what_its_limits_imply(service):
    replay(service, VOLTAGE, "transformer_voltage")
    replay(service, OIL, "transformer_oil")
    expected = expected_of_transformer((VOLTAGE, SIGNALS), (OIL, OIL_SIGNALS))
    found = transitions(service, "replay-transformer")
    assert found == expected
    assert {signal for _, signal in expected} >= {
        "voltage_a",
        "current_a",
        "winding_temperature_alarm",
        "oil_level",
    }
    assert sum(map(len, expected.values())) > 50


def test_nothing_was_lost_on_the_way(service):
    received, stored, duplicate, rejected = service.rows(
        "SELECT sum(received)::bigint, sum(stored)::bigint, sum(duplicate)::bigint, sum(rejected)::bigint FROM ledger"
    )[0]
    assert received == stored + duplicate + rejected
    assert rejected == 0
    assert stored == service.one("SELECT count(*) FROM readings")
    assert service.one("SELECT count(*) FROM findings") == 0


def test_the_same_recording_again_at_its_own_time_is_only_duplicates(service):
    """At its own time the file is old: nothing of it may be told, whatever the limits say."""
    before = service.one("SELECT count(*) FROM transition")
    with psycopg.connect(service.dsn) as connection:
        stored = connection.execute("SELECT sum(stored)::bigint FROM ledger").fetchone()[0]
    service.fengsui(
        "replay", str(FILTERS), "--mapping", "filter_clogging", "--speed", "inf", "--runs", "1",
        "--host", service.nats.host, "--port", str(service.nats.port),
    )  # fmt: skip
    wait_for(lambda: service.one("SELECT sum(rejected)::bigint FROM ledger") > 0, PATIENCE_S)
    assert service.one("SELECT sum(stored)::bigint FROM ledger") == stored
    assert service.one("SELECT count(*) FROM transition") == before
    assert {reason for (reason,) in service.rows("SELECT DISTINCT reason FROM rejects")} == {"too_old"}
