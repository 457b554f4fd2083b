"""docs/wire.md §3; expectations are written by hand."""

import json

import pytest

from core.reject import Reason
from ingest.columns import Message
from ingest.decode import Decoder
from tests.fakes.gateways import NOW, NOW_MS, catalog

TOPIC = "v1/gateway/telemetry"


def read(body, current=None):
    decoder = Decoder([(TOPIC, "thingsboard")], current or catalog())
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    result = decoder.decode([Message(TOPIC, payload, NOW)], NOW)
    taken = list(zip(result.series.tolist(), (result.t - NOW).tolist(), result.value.tolist(), strict=True))
    return taken, [(reject.gateway, reject.reason) for reject in result.rejects]


def test_several_devices_with_several_entries():
    body = {
        "dust1": [
            {"ts": NOW_MS, "values": {"hopper_temperature": 41.5, "fan_running": True}},
            {"ts": NOW_MS + 1000, "values": {"hopper_temperature": 42}},
        ],
        "meter1": [{"ts": NOW_MS, "values": {"pressure_drop": 7}}],
    }
    assert read(body) == ([(1, 0, 41.5), (3, 0, 1.0), (1, 10**9, 42.0), (8, 0, 7.0)], [])


def test_an_entry_without_values_holds_them_directly_and_happened_now():
    assert read({"dust1": [{"hopper_temperature": 41.5}]}) == ([(1, 0, 41.5)], [])
    assert read({"dust1": [{"values": {"hopper_temperature": 41.5}}]}) == ([(1, 0, 41.5)], [])


@pytest.mark.parametrize("body", [{}, {"dust1": []}, {"dust1": [{"ts": NOW_MS, "values": {}}]}])
def test_a_message_without_readings_is_no_error(body):
    assert read(body) == ([], [])


@pytest.mark.parametrize(
    ("body", "gateway", "reason"),
    [
        (b"{", 0, Reason.BAD_JSON),
        (b'{"\xff": []}', 0, Reason.NOT_UTF8),
        ([], 0, Reason.BAD_SHAPE),
        ({"nobody": [{"ts": NOW_MS, "values": {"a": 1, "b": 2}}]}, 0, Reason.UNKNOWN_DEVICE),
        ({"dust1": {"ts": NOW_MS}}, 1, Reason.BAD_SHAPE),
        ({"meter1": [7]}, 2, Reason.BAD_SHAPE),
        ({"dust1": [{"ts": NOW_MS, "values": 3}]}, 1, Reason.BAD_SHAPE),
        ({"dust1": [{"ts": "x", "values": {"pressure_drop": 1}}]}, 1, Reason.BAD_TIME),
        ({"dust1": [{"ts": NOW_MS, "values": {"nobody": 1}}]}, 1, Reason.UNKNOWN_SERIES),
        ({"dust1": [{"ts": NOW_MS, "values": {"pressure_drop": "1"}}]}, 1, Reason.NOT_A_NUMBER),
        ({"dust1": [{"ts": NOW_MS, "values": {"hopper_temperature": 1000}}]}, 1, Reason.OUT_OF_RANGE),
    ],
)
def test_a_bad_piece_is_one_reject(body, gateway, reason):
    assert read(body) == ([], [(gateway, reason)])


def test_good_readings_beside_bad_ones_are_taken():
    body = {
        "nobody": [{"values": {"a": 1}}],
        "dust1": [3, {"ts": NOW_MS, "values": {"pressure_drop": 1, "fan_running": "on"}}],
    }
    taken, rejected = read(body)
    assert taken == [(2, 0, 1.0)]
    assert rejected == [(0, Reason.UNKNOWN_DEVICE), (1, Reason.BAD_SHAPE), (1, Reason.NOT_A_NUMBER)]
