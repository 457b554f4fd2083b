"""Recordings replayed into the whole service raise exactly what their limits imply, at the exact rows.

What is expected is worked out from the CSV and the town file alone (tests/naive/naive_replay.py).
"""

import sys

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
        "--host", service.broker.host, "--port", str(service.broker.port), *words,
    )  # fmt: skip
    sent = int(said.split(" readings acknowledged")[0].split(", ")[-1])
    wait_for(lambda: accounted(service) >= before + sent, PATIENCE_S, lambda: service.log("pipeline"))
    return sent


def accounted(service):
    return service.one("SELECT coalesce(sum(stored + duplicate + rejected), 0)::bigint FROM ledger")


def transitions(service, gateway):
    """{(device, signal): [(cause, ms since the series' first sample, level, value), …]} from the tables."""
    found = {}
    for device, signal, cause, t_ns, first_ms, level, value in service.rows(
        "SELECT d.code, s.signal, t.cause, t.t_ns, extract(epoch FROM first.time) * 1000, t.level, t.value "
        "FROM transition t JOIN alert a ON a.id = t.alert JOIN registry_series s ON s.id = a.subject "
        "JOIN registry_device d ON d.id = s.device_id JOIN registry_gateway g ON g.id = d.gateway_id "
        "JOIN (SELECT series_id, min(time) AS time FROM readings GROUP BY 1) first ON first.series_id = s.id "
        "WHERE a.rule = 'LIMIT' AND g.code = %s ORDER BY a.raised_ns, t.alert, t.seq", gateway,
    ):  # fmt: skip
        line = cause, t_ns // 1_000_000 - round(first_ms), level, value
        found.setdefault((device, signal), []).append(line)
    return found


def implied(samples, limits):
    """What the samples of one series make of its one alert; the level of a line is the highest so far."""
    highest, present, lines = 0, False, []
    for t_ms, level, value in naive_replay.edges(samples, *limits):
        after_ms = t_ms - samples[0][0]
        higher = level > highest
        highest = max(highest, level)
        if level and not present:
            lines.append(("raise" if lines else "open", after_ms, highest, value))
        elif level and higher:
            lines.append(("level", after_ms, highest, value))
        elif not level:
            lines.append(("clear", after_ms, highest, value))
        present = level > 0
    return lines


def expected_of_transformer():
    limits = naive_replay.limits(TRANSFORMER_TOWN, "tr-1")
    samples = naive_replay.transformer_samples(VOLTAGE, SIGNALS)
    samples |= naive_replay.transformer_samples(OIL, OIL_SIGNALS)
    lines = {("tr-1", signal): implied(rows, limits[signal]) for signal, rows in samples.items()}
    return {key: found for key, found in lines.items() if found}


def expected_of_filters():
    lines = {}
    for run in RUNS:
        device = f"filter-{run:02d}"
        limits = naive_replay.limits(FILTER_TOWN, device)["differential_pressure"]
        samples = naive_replay.filter_samples(FILTERS, run)
        lines[device, "differential_pressure"] = implied(samples, limits)
    return lines


def test_the_first_filter_runs_raise_what_their_limits_imply(service):
    replay(service, FILTERS, "filter_clogging", "--runs", "1-3")
    expected = expected_of_filters()
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
    expected = expected_of_transformer()
    assert transitions(service, "replay-transformer") == expected
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


def test_a_recording_at_its_own_time_is_too_old_to_be_taken(service):
    """Nothing of it may be told, whatever the limits say."""
    before = service.one("SELECT count(*) FROM transition")
    stored = service.one("SELECT sum(stored)::bigint FROM ledger")
    service.fengsui(
        "replay", str(FILTERS), "--mapping", "filter_clogging", "--speed", "inf", "--runs", "1",
        "--host", service.broker.host, "--port", str(service.broker.port),
    )  # fmt: skip
    wait_for(lambda: service.one("SELECT sum(rejected)::bigint FROM ledger") > 0, PATIENCE_S)
    assert service.one("SELECT sum(stored)::bigint FROM ledger") == stored
    assert service.one("SELECT count(*) FROM transition") == before
    assert {reason for (reason,) in service.rows("SELECT DISTINCT reason FROM rejects")} == {"too_old"}
