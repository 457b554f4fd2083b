"""Messages as public documentation and public code print them, and what a person reads in them.

Each is short and written out here, with where it is from; what is expected was written from the raw text by hand, not
from our decoder's output.  Values by (device, signal); a `?` behind a signal: its reading is not good.
"""

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingest.columns import Message
from ingest.decode import Decoder
from ingest.formats.contract import Refusal
from ingest.formats.when import as_instant
from ingest.guess import feed_for
from ingest.instant import nanoseconds
from ingest.open_catalog import OpenCatalog
from service.decoding import Captured, NoFormatError, Reading, Wish

NOW = 1_795_222_800_000_000_000  # 2026-11-21 09:00:00 in China
CHINA = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class Case:
    """What a message shows, the message, and what a person reads in it.

    time : local, of all its readings; "" = they have none, so it is that of arrival
    """

    shows: str
    topic: str
    raw: str
    values: dict = field(default_factory=dict)
    time: str = ""
    refused: tuple = ()
    device: str = ""


def ns(text):
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=CHINA)
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def read(raw, topic, **wish):
    """Return ({(device, signal): value}, times, reasons); a signal that comes twice is listed twice."""
    payload = raw if isinstance(raw, bytes) else raw.encode()
    result = Reading(Wish(**wish)).read(Captured("it", topic, payload), NOW)
    values = {
        (row["device"], row["signal"] + ("" if row["quality"] == "good" else "?")): row["value"]
        for row in result["rows"]
    }
    assert len(values) == len(result["rows"]), "two readings under one name"
    return values, {row["t_ns"] for row in result["rows"]}, [reject["reason"] for reject in result["rejects"]]


def check(case, **wish):
    values, times, reasons = read(case.raw, case.topic, **wish)
    expected = {
        (key if isinstance(key, tuple) else (case.device, key)): one for key, one in case.values.items()
    }
    assert values == expected
    assert times <= {ns(case.time) if case.time else NOW}
    assert reasons == list(case.refused)


def named(cases):
    return [pytest.param(case, id=case.shows) for case in cases]


# ── Tasmota ──────────────────────────────────────────────────────────────────
TASMOTA = [
    # github.com/ferrets6/wattson, a capture of a Sonoff Dual
    Case(
        "two circuits of one voltage", "tele/tasmota/SENSOR",
        '{"Time":"2026-09-18T11:19:21","ENERGY":{"TotalStartTime":"2026-09-16T00:00:00","Total":[2.813,0.254],'
        '"Power":[52,5],"ApparentPower":[66,10],"ReactivePower":[40,9],"Factor":[0.79,0.50],"Voltage":235,'
        '"Current":[0.278,0.044],"BL09XX":{"Temperature":46.5}}}',
        {"active_energy_a": 2.813, "active_energy_b": 0.254, "active_power_a": 52, "active_power_b": 5,
         "apparent_power_a": 66, "apparent_power_b": 10, "reactive_power_a": 40, "reactive_power_b": 9,
         "power_factor_a": 0.79, "power_factor_b": 0.5, "voltage_a": 235, "current_a": 0.278, "current_b": 0.044,
         "ENERGY/BL09XX/Temperature": 46.5},
        "2026-09-18T11:19:21", device="tasmota",
    ),
    # home-assistant.io, Sonoff TH10 of 2017: numbers are texts
    Case(
        "numbers sent as texts by old versions", "stat/sonoff/STATUS10",
        '{"StatusSNS":{"Time":"2017-02-11T18:06:05", "DHT":{"Temperature":"21.8", "Humidity":"48.0"}}}',
        {"DHT/Temperature": 21.8, "DHT/Humidity": 48}, "2017-02-11T18:06:05", device="sonoff",
    ),
    # github.com/NicolasBernaerts/tasmota, teleinfo
    Case(
        "a French meter: texts that are numbers, and others", "compteur/tele/SENSOR",
        '{"Time":"2021-03-13T09:20:30","TIC":{"ADCO":"061964xxxxxx","OPTARIF":"BASE","BASE":"007970903","PTEC":"TH..",'
        '"IINST":"003","PAPP":"00780","PHASE":1}}',
        {"TIC/BASE": 7970903, "TIC/IINST": 3, "TIC/PAPP": 780, "TIC/PHASE": 1}, "2021-03-13T09:20:30",
        device="compteur",
    ),
    # github.com/arendst/Tasmota, docs Zigbee, SetOption83
    Case(
        "a Zigbee bridge speaks for devices of their own", "tele/bridge/SENSOR",
        '{"ZbReceived":{"THERMO1":{"Device":"0x5480","Name":"THERMO1","Temperature":20.9,"Endpoint":1,"LinkQuality":76},'
        '"0x329F":{"Device":"0x329F","Humidity":69.45,"Endpoint":1,"LinkQuality":92}}}',
        {("THERMO1", "Temperature"): 20.9, ("THERMO1", "LinkQuality"): 76, ("0x329F", "Humidity"): 69.45,
         ("0x329F", "LinkQuality"): 92},
    ),
    # tasmota.github.io/docs/Zigbee, Aqara cube
    Case(
        "what a Zigbee bridge heard as a result", "tele/bridge/RESULT",
        '{"ZbReceived":{"0x128F":{"AqaraVibrationMode":"tilt","AqaraVibrationsOrAngle":162,"AqaraAngles":[-78,0,11],'
        '"LinkQuality":158}}}',
        {"AqaraVibrationsOrAngle": 162, "AqaraAngles/0": -78, "AqaraAngles/1": 0, "AqaraAngles/2": 11,
         "LinkQuality": 158}, device="0x128F",
    ),
    # tasmota.github.io/docs/MQTT
    Case(
        "the state of a plug, not of its radio and memory", "tele/shellyB/STATE",
        '{"Time":"2020-08-30T10:14:45","Uptime":"48T19:42:51","UptimeSec":4217571,"Heap":14,"SleepMode":"Dynamic",'
        '"Sleep":50,"LoadAvg":19,"MqttCount":3,"POWER1":"OFF","POWER2":"ON","Wifi":{"AP":1,"RSSI":42}}',
        {"POWER1": 0, "POWER2": 1}, "2020-08-30T10:14:45", device="shellyB",
    ),
    Case("a plug was switched: the result", "stat/plug/RESULT", '{"POWER":"ON"}', {"POWER": 1}, device="plug"),
    Case("a plug was switched: the bare word", "stat/plug/POWER1", "OFF", {"POWER1": 0}, device="plug"),
    Case("a setting that was asked for is no reading", "stat/plug/RESULT", '{"TelePeriod":300}'),
    Case("limits are no readings", "tele/pow/MARGINS", '{"Time":"2020-04-23T10:15:00","PowerLow":100}'),
    Case("connected is no reading", "tele/pow/LWT", "Online"),
    Case(
        "no sensor answers: nothing to read, and nothing wrong", "tele/th/SENSOR",
        '{"Time":"2021-01-01T12:00:00","AM2301":{"Temperature":null,"Humidity":null},"TempUnit":"C"}',
    ),
    # github.com/arendst/Tasmota/issues, printed by older versions
    Case(
        "nan as C prints it spoils one value only", "tele/th/SENSOR",
        '{"Time":"2021-01-01T12:00:00","DHT22":{"Temperature":nan,"Humidity":43.9}}',
        {"DHT22/Humidity": 43.9}, "2021-01-01T12:00:00", ("not_a_number",), device="th",
    ),
    # tasmota.github.io/docs/Commands: SetOption52, Status 0
    Case(
        "an offset from UTC in the time", "tele/air/SENSOR",
        '{"Time":"2021-01-01T12:00:00+01:00","PMS5003":{"PM1":6,"PM2.5":8,"PM10":9}}',
        {"PMS5003/PM1": 6, "PMS5003/PM2.5": 8, "PMS5003/PM10": 9}, "2021-01-01T12:00:00+01:00", device="air",
    ),
    Case(
        "all of its status in one message", "stat/ns/STATUS0",
        '{"Status":{"Module":0,"Power":1},"StatusFWR":{"Version":"14.4.1"},"StatusSNS":{"Time":"2025-02-19T10:30:57",'
        '"ANALOG":{"Temperature1":-3.2},"TempUnit":"C"},"StatusSTS":{"Time":"2025-02-19T10:30:57","POWER1":"OFF"}}',
        {"ANALOG/Temperature1": -3.2, "POWER1": 0}, "2025-02-19T10:30:57", device="ns",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", named(TASMOTA))
def test_tasmota(case):
    check(case, form="tasmota")


# ── Shelly: shelly-api-docs.shelly.cloud, generations 1 and 2 ────────────────
_EM = "shellypro3em-ec6260890b50"
SHELLY = [
    Case("power of a phase", "shellies/em3/emeter/1/power", "52.51", {"active_power_b": 52.51}, device="em3"),
    Case("energy of a phase in Wh", "shellies/em3/emeter/0/total", "1686297.2", {"active_energy_a": 1686297.2}, device="em3"),
    Case(
        "watt-minutes since it was started are not its energy", "shellies/em3/emeter/0/energy", "1260",
        {"emeters/0/energy": 1260}, device="em3",
    ),
    Case("power of a plug", "shellies/plug/relay/0/power", "37.45", {"active_power": 37.45}, device="plug"),
    Case("a relay that is on", "shellies/plug/relay/0", "on", {"relay/0": 1}, device="plug"),
    Case("a sensor without a value", "shellies/ht/sensor/temperature", "null"),
    Case("a sensor's value that is none", "shellies/ht/sensor/temperature", "nan", refused=("not_a_number",)),
    Case("announcements are no readings", "shellies/announce", '{"id":"shelly1-041234","mac":"A4CF12041234","new_fw":false}'),
    Case("a button is an event", "shellies/shelly1/input_event/0", '{"event":"S","event_cnt":2}'),
    Case(
        "its whole status on the topic info", "shellies/em/info",
        '{"unixtime":1709223219,"mac":"3494547B94EE","relays":[{"ison":true,"is_valid":true}],"meters":[{"power":51.08,'
        '"is_valid":true,"timestamp":1709223219,"counters":[51.1,50.9,51.0],"total":7210}]}',
        {"relays/0/ison": 1, "active_power": 51.08, "active_energy": 7210},
        "2024-03-01T00:13:39", device="em",
    ),
    Case(
        "two circuits do not become one", f"{_EM}/events/rpc",
        '{"src":"pro","dst":"pro/events","method":"NotifyStatus","params":{"ts":1700000000.5,"em1:0":{"id":0,'
        '"act_power":120.4,"voltage":233.9},"em1:1":{"id":1,"act_power":20.4,"voltage":233.8}}}',
        {"active_power": 120.4, "voltage_a": 233.9, "em1:1/act_power": 20.4, "em1:1/voltage": 233.8},
        "2023-11-15T06:13:20.5", device=_EM,
    ),
    Case(
        "a component on its own topic", "plus1pm/status/switch:0",
        '{"id":0,"source":"init","output":true,"apower":8.9,"voltage":237.5,"freq":50.0,"current":0.033,"pf":0.91,'
        '"aenergy":{"total":6.532,"by_minute":[45.199,47.141,88.397],"minute_ts":1626935779},"temperature":{"tC":23.5}}',
        {"switch:0/output": 1, "active_power": 8.9, "voltage_a": 237.5, "frequency": 50, "current_a": 0.033,
         "power_factor": 0.91, "active_energy": 6.532, "switch:0/temperature/tC": 23.5}, device="plus1pm",
    ),
    Case("a sensor at the add-on", "plus1/status/temperature:100", '{"id":100,"tC":22.5,"tF":72.5}',
         {"temperature": 22.5, "temperature:100/tF": 72.5}, device="plus1"),
    Case(
        "a meter that fails says so", "em/status/em:0",
        '{"id":0,"a_current":0.027,"a_errors":["power_meter_failure"],"b_current":1.5,"total_act_power":20.0}',
        {"current_a?": 0.027, "current_b": 1.5, "active_power": 20}, device="em",
    ),
    Case("an error is no status", "me/rpc", '{"id":1,"src":"d","dst":"me","error":{"code":404,"message":"No handler"}}'),
    Case("an event is no status", "d/events/rpc",
         '{"src":"d","method":"NotifyEvent","params":{"ts":1736605194.11,"events":[{"component":"input:0","id":0,"event":"single_push"}]}}'),
    Case("a cloud that was lost is no reading", "d/events/rpc",
         '{"src":"d","method":"NotifyStatus","params":{"ts":1736604020.06,"cloud":{"connected":true}}}'),
    # github.com/asnowfix/home-automation, a capture
    Case(
        "a switch that changed", "shelly1minig3-54320464a1d0/events/rpc",
        '{"src":"shelly1minig3-54320464a1d0","dst":"shelly1minig3-54320464a1d0/events","method":"NotifyStatus","params":'
        '{"ts":1736603810.49,"switch:0":{"id":0,"output":false,"source":"HTTP_in"}}}',
        {"switch:0/output": 0}, "2025-01-11T21:56:50.49", device="shelly1minig3-54320464a1d0",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", named(SHELLY))
def test_shelly(case):
    check(case, form="shelly")


# ── Neuron: docs.emqx.com, upstream and downstream data format ───────────────
NEURON = [
    Case("a timestamp as a text", "/neuron/mqtt/modbus/grp",
         '{"timestamp":"1650006388943","node":"modbus","group":"grp","tags":{"tag0":123}}', {"tag0": 123},
         "2022-04-15T15:06:28.943", device="modbus"),
    Case(
        "values and errors as objects", "/neuron/mqtt/modbus/grp",
        '{"timestamp":1650006388943,"node":"modbus","group":"grp","values":{"tag0":123},"errors":{"tag1":2014},"metas":{}}',
        {"tag0": 123}, "2022-04-15T15:06:28.943", ("bad_quality",), "modbus",
    ),
    Case(
        "tags with their types", "/neuron/mqtt",
        '{"timestamp":1647497389075,"node":"modbus","group":"grp","tags":[{"name":"tag_boolean","value":true,"type":1},'
        '{"name":"tag_int32_","value":123,"type":2},{"name":"tag_float","value":1.23,"type":3},'
        '{"name":"tag_string","value":"abcd","type":4}]}',
        {"tag_boolean": 1, "tag_int32_": 123, "tag_float": 1.23}, "2022-03-17T14:09:49.075", ("not_a_number",), "modbus",
    ),
    Case(
        "all of it twice, as a format of one's own may have it", "/neuron/mqtt",
        '{"timestamp":1650006388943,"node":"modbus","group":"group","tags":[{"name":"tag0","value":123},'
        '{"name":"tag1","value":false}],"values":{"tag0":123,"tag1":false},"static_tags":[{"name":"static_tag1","value":456}],'
        '"static_tag_values":{"static_tag1":456},"errors":[{"name":"tag2","error":2014}],"error_values":{"tag2":2014}}',
        {"tag0": 123, "tag1": 0}, "2022-04-15T15:06:28.943", ("bad_quality",), "modbus",
    ),
    Case("the state of its nodes", "/neuron/x/state/update",
         '{"timestamp":1658134132237,"states":[{"node":"modbus-tcp","link":1,"running":3}]}'),
    Case("an answer to a command", "/neuron/x/write/resp", '{"uuid":"cd32be1b-c8b1-3257-94af-77f847b1ed3e","error":0}'),
]  # fmt: skip


@pytest.mark.parametrize("case", named(NEURON))
def test_neuron(case):
    check(case, form="neuron")


# ── HJ 212: frames printed in public code ────────────────────────────────────
def frame(data):
    """Return a data segment of the table in its frame: length and CRC by the standard's own loop."""
    body, r = data.encode(), 0xFFFF
    for byte in body:
        r = (r >> 8) ^ byte
        for _ in range(8):
            r = (r >> 1) ^ (0xA001 if r & 1 else 0)
    return f"##{len(body):04d}{data}{r:04X}\r\n"


_HEAD = "QN=20261121090000123;ST=31;CN=2011;PW=123456;MN=M1;Flag=4;CP=&&DataTime=20261121090000;"
HJ212 = [
    # tests of iot-fast, Java
    Case(
        "samples that are older than the message", "hj212/gw/up",
        "##0457QN=20210320163101890;ST=32;CN=2011;PW=123456;MN=81733553213013;Flag=4;CP=&&DataTime=20210320013400;"
        "w00000-Rtd=181.682,w00000-Flag=N;w21001-SampleTime=20210320005400,w21001-Rtd=45.160,w21001-Flag=N;"
        "w21011-SampleTime=20210320013400,w21011-Rtd=1.970,w21011-Flag=N;w21003-SampleTime=20210320013400,"
        "w21003-Rtd=53.131,w21003-Flag=N;w01018-SampleTime=20210320013400,w01018-Rtd=194.200,w01018-Flag=N;"
        "w01001-SampleTime=20210320013406,w01001-Rtd=7.496,w01001-Flag=N&&6E80\r\n",
        {"w00000": 181.682, "w21001": 45.16, "w21011": 1.97, "w21003": 53.131, "w01018": 194.2, "w01001": 7.496},
        "2021-03-20T01:34:00", device="81733553213013",
    ),
    # a test of a gateway in Go: running states of equipment beside a factor
    Case(
        "states of equipment", "hj212/gw/up",
        "##0158QN=20180531225849000;ST=31;CN=2011;PW=123456;MN=010000A8900016F018010001;Flag=5;CP=&&"
        "DataTime=20180531225849;a34041-Rtd=0.00,a34041-Flag=N;SB7-RS=2;SB8-RS=2&&9181\r\n",
        {"a34041": 0, "SB7-RS": 2, "SB8-RS": 2}, "2018-05-31T22:58:49", device="010000A8900016F018010001",
    ),
    # an example client in C#
    Case(
        "means of an hour", "hj212/gw/up",
        "##0285QN=20190925181031464;ST=22;CN=2061;PW=BF470F88957588DE902D1A52;MN=Z13401000010301;Flag=5;CP=&&"
        "DataTime=20190924220000;a34006-Avg=2.69700,a34006-Flag=N;a34007-Avg=7.96600,a34007-Flag=N;a34048-Avg=3.30600,"
        "a34048-Flag=N;a34047-Avg=7.35700,a34047-Flag=N;a34049-Avg=10.66300,a34049-Flag=N&&C181\r\n",
        {"a34006-Avg@hour": 2.697, "a34007-Avg@hour": 7.966, "a34048-Avg@hour": 3.306, "a34047-Avg@hour": 7.357,
         "a34049-Avg@hour": 10.663}, "2019-09-24T22:00:00", device="Z13401000010301",
    ),
    # a receiver in PHP: 2005, no QN and no Flag
    Case(
        "an old sewage station", "hj212/gw/up",
        "##0149ST=32;CN=2011;PW=123456;MN=12091200160055;CP=&&DataTime=20150430135830;B01-Rtd=880.17,B01-Flag=N;"
        "011-Rtd=999.99,011-Flag=N;060-Rtd=30.18,060-Flag=N&&F881",
        {"B01": 880.17, "011": 999.99, "060": 30.18}, "2015-04-30T13:58:30", device="12091200160055",
    ),
    # a test in Rust: 151 bytes, CRC 4400
    Case(
        "a made-up length and CRC", "hj212/gw/up",
        "##0200ST=31;CN=2061;PW=123456;MN=AIR001;Flag=4;CP=&&DataTime=20230601130000;a34004-Avg=35.2;a34002-Avg=68.5;"
        "a21026-Avg=12.3;a01001-Avg=28.5;a01002-Avg=65.0&&FFFF", refused=("bad_length",),
    ),
    # a converter in C: 451 bytes said to be 426
    Case(
        "a length from before somebody added a factor", "hj212/gw/up",
        "##0426ST=32;CN=2011;PW=123456;MN=888888800000020123456781;CP=&&DataTime=20190630105200;LD4-Rtd=99.23,LD4-Flag=N&&9d41",
        refused=("bad_length",),
    ),
    # an Android client: CP=& with one ampersand
    Case("a frame without CP=&&", "hj212/gw/up",
         "QN=20240101000000000;ST=51;CN=2051;PW=123456;MN=A1;CP=&DataTime=20240101000000;a34001-Avg=1&&",
         refused=("bad_shape",)),
    Case("numbers without a leading zero, and below zero", "hj212/gw/up",
         frame(_HEAD + "a34013-Rtd=.5,a34013-Flag=N;a01001-Rtd=-.5,a01001-Flag=N&&"),
         {"dust_concentration": 0.5, "ambient_temperature": -0.5}, "2026-11-21T09:00:00", device="M1"),
    Case("a comma for thousands is no number, and not 1", "hj212/gw/up",
         frame(_HEAD + "a34013-Rtd=1,234.5,a34013-Flag=N;LA-Rtd=51.2&&"), {"noise_level": 51.2}, "2026-11-21T09:00:00",
         ("not_a_number",), "M1"),
    Case("values that a fault left empty", "hj212/gw/up",
         frame(_HEAD + "a34013-Rtd=,a34013-Flag=B;a34004-Rtd=--,a34004-Flag=D;LA-Rtd=51.2&&"), {"noise_level": 51.2},
         "2026-11-21T09:00:00", ("not_a_number", "not_a_number"), "M1"),
    Case("a mark that the standard does not have, and an equipment's mark", "hj212/gw/up",
         frame(_HEAD + "a34013-Rtd=12.6,a34013-Flag=P,a34013-EFlag=0001&&"), {"dust_concentration?": 12.6},
         "2026-11-21T09:00:00", device="M1"),
    Case("spaces", "hj212/gw/up",
         frame(_HEAD.replace("&&D", "&& D") + " a34013-Rtd = 12.6, a34013-Flag=N &&"), {"dust_concentration": 12.6},
         "2026-11-21T09:00:00", device="M1"),
    Case("a factor with a Chinese name", "hj212/gw/up", frame(_HEAD + "粉尘-Rtd=12.6,粉尘-Flag=N&&"), {"粉尘": 12.6},
         "2026-11-21T09:00:00", device="M1"),
    Case("converted to standard oxygen", "hj212/gw/up",
         frame(_HEAD + "a34013-Rtd=12.6,a34013-ZsRtd=13.1,a34013-Flag=N&&"),
         {"dust_concentration": 12.6, "dust_concentration_zs_rtd": 13.1}, "2026-11-21T09:00:00", device="M1"),
    Case("data without a time", "hj212/gw/up", frame(_HEAD.replace("DataTime=20261121090000;", "") + "a34013-Rtd=1&&"),
         refused=("bad_time",)),
    Case("a month that there is not", "hj212/gw/up", frame(_HEAD.replace("=20261121090000;", "=20261321090000;") + "a34013-Rtd=1&&"),
         refused=("bad_time",)),
    Case("a kind written twice", "hj212/gw/up", frame(_HEAD + "LA-Rtd-Rtd=71.0,LA-Rtd-Flag=D&&"), {"noise_level?": 71.0},
         "2026-11-21T09:00:00", device="M1"),
    Case("a frame that was cut, and a sound one behind it", "hj212/gw/up",
         frame(_HEAD + "a34013-Rtd=1&&")[:70] + frame(_HEAD + "LA-Rtd=51.2&&"), {"noise_level": 51.2}, "2026-11-21T09:00:00",
         ("bad_shape",), "M1"),
    Case("what a DTU says of itself, and a frame", "hj212/gw/up", "DTU0001\r\n" + frame(_HEAD + "LA-Rtd=51.2&&"),
         {"noise_level": 51.2}, "2026-11-21T09:00:00", ("bad_shape",), "M1"),
    Case("the answer to a command", "hj212/gw/up", frame("QN=20261121090000123;ST=91;CN=9012;PW=123456;MN=M1;Flag=4;CP=&&ExeRtn=1&&")),
    Case("a line of the log", "hj212/gw/up", frame(_HEAD.replace("2011", "3020") + "PolId=w00000,i11001-Info=//清洗管路//&&")),
    Case("an alarm", "hj212/gw/up",
         frame("QN=20261121090000123;ST=31;CN=2072;PW=1;MN=M1;Flag=4;CP=&&AlarmTime=20261121090000;a34013-Ala=15.2,AlarmType=1&&")),
    Case("a heartbeat", "hj212/gw/up", frame("QN=20261121090000123;ST=91;CN=9015;PW=123456;MN=M1;Flag=4;CP=&&&&")),
]  # fmt: skip


@pytest.mark.parametrize("case", named(HJ212))
def test_hj212(case):
    if "samples" in case.shows:  # two of its six have times of their own
        values, times, reasons = read(case.raw, case.topic, form="hj212")
        assert values == {(case.device, key): one for key, one in case.values.items()}
        assert times == {ns(f"2021-03-20T{clock}") for clock in ("01:34:00", "00:54:00", "01:34:06")}
        assert reasons == []
    else:
        check(case, form="hj212")


def test_a_mark_of_hj212_is_about_the_value_of_its_own_instant():
    cp = "a34013-Avg=1,a34013-Flag=N;DataTime=20261121090100;a34013-Avg=2,a34013-Flag=D&&"
    result = Reading(Wish(form="hj212")).read(
        Captured("it", "hj212/gw/up", frame(_HEAD.replace("2011", "2051") + cp).encode()), NOW
    )
    assert [(row["value"], row["quality"]) for row in result["rows"]] == [(1, "good"), (2, "bad")]


# ── ThingsBoard: thingsboard.io/docs/reference/mqtt-api and gateway-mqtt-api ──
THINGSBOARD = [
    Case("values of many kinds", "v1/devices/me/telemetry",
         '{"stringKey":"value1","booleanKey":true,"doubleKey":42.0,"longKey":73,"jsonKey":{"someNumber":42}}',
         {"booleanKey": 1, "doubleKey": 42, "longKey": 73}, refused=("not_a_number", "not_a_number")),
    Case("an instant of its own", "v1/devices/me/telemetry", '{"ts":1451649600512,"values":{"key2":42}}', {"key2": 42},
         "2016-01-01T20:00:00.512"),
    Case("an instant as a text", "v1/gateway/telemetry", '{"Device A":[{"ts":"1483228800000","values":{"t":1}}]}',
         {"t": 1}, "2017-01-01T08:00:00", device="Device A"),
    Case("attributes", "v1/gateway/attributes", '{"Device A":{"attribute1":"value1","attribute2":42}}'),
    Case("a device that connects", "v1/gateway/connect", '{"device":"Device A"}'),
    Case("an answer", "v1/gateway/rpc", '{"device":"Device A","id":1,"data":{"success":true}}'),
    Case("a claim", "v1/gateway/claim", '{"Device A":{"secretKey":"v","durationMs":60000}}'),
]  # fmt: skip


@pytest.mark.parametrize("case", named(THINGSBOARD))
def test_thingsboard(case):
    check(case, form="thingsboard")


# ── SenML: RFC 8428 and its drafts ───────────────────────────────────────────
_MAC = "urn:dev:mac:0024befffe804ff1"
SENML = [
    Case("units, a sum, a boolean and a text", "senml/gw",
         f'[{{"bn":"{_MAC}:","bt":1795222800,"bu":"W","bver":5,"n":"power","v":1500.5}},{{"n":"energy","u":"Wh","s":120.5}},'
         '{"n":"door","vb":false},{"n":"room","vs":"Machine Room"}]',
         {"power": 1500.5, "energy_sum": 120.5, "door": 0}, "2026-11-21T09:00:00", ("not_a_number",), _MAC),
    Case("a version that is not out yet", "senml/gw", '[{"bver":11,"n":"x","v":1}]', refused=("bad_shape",)),
    Case("a label that must be understood", "senml/gw", '[{"bn":"d:","n":"x","v":1,"foo_":1}]', refused=("bad_shape",)),
    Case("the form of old drafts", "senml/gw", '{"e":[{"n":"voltage","v":120.1,"u":"V"}],"bn":"urn:dev:mac:1/"}',
         refused=("bad_shape",)),
    Case("records without a value", "senml/gw", '[{"bn":"d1/","n":"x","v":2},{"n":"y","v":null},{"n":"z"}]', {"x": 2},
         refused=("not_a_number", "bad_shape"), device="d1"),
]  # fmt: skip


@pytest.mark.parametrize("case", named(SENML))
def test_senml(case):
    check(case, form="senml")


def test_senml_as_cbor():
    """[{-2: "d1/", 0: "x", 2: 42}, {0: "y", 4: true}], RFC 8428 section 6."""
    values, _, reasons = read(
        bytes.fromhex("82a3216364312f006178" + "02182a" + "a2006179" + "04f5"), "senml/gw", form="senml"
    )
    assert (values, reasons) == ({("d1", "x"): 42, ("d1", "y"): 1}, [])


# ── vendors that we do not know: one mapping each, as an engineer on site would write it ─────
VENDORS = [
    # help.aliyun.com, device properties (Alink JSON)
    (
        Case(
            "Alink: a property is a key, its value and time are inside", "/sys/pk/dev1/thing/event/property/post",
            '{"id":"123","version":"1.0","sys":{"ack":0},"params":{"Power":{"value":"on","time":1524448722000},'
            '"WF":{"value":23.6,"time":1524448722000}},"method":"thing.event.property.post"}',
            {"Power": 1, "WF": 23.6}, "2018-04-23T09:58:42", device="dev1",
        ),
        """
        topic = "/sys/{product}/{device}/thing/event/property/post"
        words = { on = 1, off = 0 }
        [[list]]
        each = "/params/*"
        value = ["/value", ""]
        time = "/time"
        """,
    ),
    # open.iot.10086.cn (OneNET), history of properties, numbers as texts
    (
        Case(
            "a history: several instants below one name", "$sys/p1/dev1/thing/history/post",
            '{"id":"1001","version":"1001","params":[{"properties":{"power":[{"value":"30.5","time":1524448722123},'
            '{"value":"31.5","time":1524448722170}]}}],"method":"thing.history.post"}',
        ),
        """
        topic = "$sys/{product}/{device}/thing/history/post"
        text = true
        [[list]]
        each = "/params/*/properties/*/*"
        name = "{*2}"
        value = "/value"
        time = "/time"
        """,
        [("dev1", "power", 30.5, "2018-04-23T09:58:42.123"), ("dev1", "power", 31.5, "2018-04-23T09:58:42.170")],
    ),
    # open.iot.10086.cn, datapoints of type 4: the time is a key
    (
        Case("the time is a key", "dp/dev1", '{"temperature":{"2015-03-22T22:31:12":22.5,"2015-03-22T22:31:22":22.6}}'),
        """
        topic = "dp/{device}"
        [[list]]
        each = "/*/*"
        name = "{*1}"
        time = "{*2}"
        """,
        [("dev1", "temperature", 22.5, "2015-03-22T22:31:12"), ("dev1", "temperature", 22.6, "2015-03-22T22:31:22")],
    ),
    # support.huaweicloud.com/api-iothub/iot_06_v5_3006.html: a gateway for its devices, UTC
    (
        Case("devices, each with services, each with a time", "$oc/devices/gw/sys/gateway/sub_devices/properties/report",
             '{"devices":[{"device_id":"d1","services":[{"service_id":"analog","properties":{"PhV_phsA":"1","PhV_phsB":"2"},'
             '"event_time":"20190606T121212Z"}]},{"device_id":"d2","services":[{"service_id":"parameter","properties":'
             '{"Load":"3"},"event_time":"20190606T121213Z"}]}]}'),
        """
        topic = "$oc/devices/{gateway}/sys/gateway/sub_devices/properties/report"
        records = "/devices/*/services/*"
        device = "/device_id"
        text = true
        [time]
        pointer = "/event_time"
        [[list]]
        each = "/properties/*"
        name = "{/service_id}/{*}"
        """,
        [("d1", "analog/PhV_phsA", 1, "2019-06-06T20:12:12"), ("d1", "analog/PhV_phsB", 2, "2019-06-06T20:12:12"),
         ("d2", "parameter/Load", 3, "2019-06-06T20:12:13")],
    ),
    # cloud.tencent.com/document/product/1081/34916
    (
        Case("Tencent: only reports hold readings", "$thing/up/property/p1/dev1",
             '{"method":"report","clientToken":"123","timestamp":1628646783,"params":{"power_switch":1,"brightness":32}}',
             {"power_switch": 1, "brightness": 32}, "2021-08-11T09:53:03", device="dev1"),
        """
        topic = "$thing/up/property/{product}/{device}"
        [only]
        "/method" = "report"
        [time]
        pointer = "/timestamp"
        [flat]
        at = "/params"
        """,
    ),
    # a platform's subscription, aiot.docs.chn-das.com
    (
        Case("an array of devices with properties that name themselves", "sub/gw1",
             '[{"productId":"product1","deviceId":"device1","properties":[{"key":"Power","value":true,"type":"bool","time":'
             '1524448722000},{"key":"WF","value":2,"type":"int","time":1524448722000}]},{"productId":"product2","deviceId":'
             '"device2","properties":[{"key":"WF","value":"12","type":"text","time":1524448722000}]}]',
             {("device1", "Power"): 1, ("device1", "WF"): 2, ("device2", "WF"): 12}, "2018-04-23T09:58:42"),
        """
        records = "/*"
        device = "/deviceId"
        text = true
        [[list]]
        each = "/properties/*"
        name = "/key"
        value = "/value"
        time = "/time"
        """,
    ),
    # a protocol of a small Chinese vendor (Data-It): a unit and a quality beside each value
    (
        Case("units and qualities beside the values", "sensor/x",
             '{"timestamp":1718380800000,"clientCode":"c","deviceId":"TH001","data":{"properties":{"temperature":{"value":25.6,'
             '"unit":"°C","quality":"good","timestamp":1718380800000},"humidity":{"value":65.2,"unit":"%RH","quality":"stale"}}}}',
             {"temperature": 25.6, "humidity?": 65.2}, "2024-06-15T00:00:00", device="TH001"),
        """
        device = "/deviceId"
        [time]
        pointer = "/timestamp"
        [quality]
        pointer = "/quality"
        good = ["good"]
        bad = ["stale"]
        [[list]]
        each = "/data/properties/*"
        value = "/value"
        unit = "/unit"
        time = "/timestamp"
        """,
    ),
    # Advantech WISE-4000 and WISE-4471 manuals, appendix on MQTT
    (
        Case("quality as of OPC, a channel that is off", "Advantech/00D0C9E4D7B8/data",
             '{"s":1,"t":"2014-07-11T15:26:37Z","q":192,"c":1,"ai1":-1.234567,"ai_st1":1,"ai2":9999.9999,"di1":false,"di2":true}',
             {"ai1": -1.234567, "ai_st1": 1, "di1": 0, "di2": 1}, "2014-07-11T23:26:37", ("sentinel",), "00D0C9E4D7B8"),
        """
        topic = "Advantech/{device}/data"
        sentinels = [9999.9999]
        [time]
        pointer = "/t"
        [quality]
        pointer = "/q"
        good = [192]
        bad = [0]
        [flat]
        at = ""
        ignore = ["s", "t", "q", "c"]
        """,
    ),
    # Advantech ADAM-6000 manual: t is 0 while it has no clock
    (
        Case("a clock that was never set says 0: the time is that of arrival", "Advantech/0013430C981C/data",
             '{"s":1,"t":0,"q":192,"c":1,"di1":true,"do1":false}', {"di1": 1, "do1": 0}, device="0013430C981C"),
        """
        topic = "Advantech/{device}/data"
        [time]
        pointer = "/t"
        [flat]
        at = ""
        ignore = ["s", "t", "q", "c"]
        """,
    ),
    # chirpstack.io/docs/chirpstack/integrations/events.html
    (
        Case("ChirpStack 4: what a codec made of it", "application/a1/device/0101010101010101/event/up",
             '{"deduplicationId":"3ac7e3c4","time":"2022-07-18T09:34:15.775023242+00:00","deviceInfo":{"deviceName":"d1",'
             '"devEui":"0101010101010101"},"fCnt":4,"fPort":1,"data":"qg==","object":{"temperatureSensor":{"1":22.5},'
             '"analogInput":{"3":1.25}},"rxInfo":[{"rssi":-36,"snr":10.5}]}',
             {"temperatureSensor/1": 22.5, "analogInput/3": 1.25}, "2022-07-18T17:34:15.775023", device="0101010101010101"),
        """
        topic = "application/{app}/device/{device}/event/up"
        device = "/deviceInfo/devEui"
        [time]
        pointer = "/time"
        [[list]]
        each = "/object/*/*"
        """,
    ),
    # the same page of version 3: JSON as a text
    (
        Case("ChirpStack 3: JSON inside of a text", "application/1/device/0807/event/up",
             '{"applicationID":"1","deviceName":"d1","devEUI":"CAcGBQQDAgE=","fPort":5,"data":"Aad/","objectJSON":'
             '"{\\"temperature\\":21.5,\\"humidity\\":50}"}',
             {"temperature": 21.5, "humidity": 50}, device="d1"),
        """
        device = "/deviceName"
        inside = "/objectJSON"
        [flat]
        at = "/objectJSON"
        """,
    ),
    # resource.milesight.com, AM/EM sensors without a codec: byte 2 battery, bytes 5 and 6 low byte first in 0.1 degrees
    (
        Case("a payload of bytes in base64", "lora/24e124",
             '{"devEUI":"24e124","time":"2024-01-02T03:04:05Z","data":"AXVkA2cQAQRocQ=="}',
             {"battery": 100, "temperature": 27.2, "humidity": 56.5}, "2024-01-02T11:04:05", device="24e124"),
        """
        device = "/devEUI"
        [time]
        pointer = "/time"
        [readings]
        "/data" = [
          { signal = "battery", base64 = true, register = "uint8", byte = 2 },
          { signal = "temperature", base64 = true, register = "int16", byte = 5, order = "DCBA", scale = 0.1 },
          { signal = "humidity", base64 = true, register = "uint8", byte = 9, scale = 0.5 },
        ]
        """,
    ),
    # thethingsindustries.com/docs/integrations/data-formats
    (
        Case("The Things Stack", "v3/app1@tenant/devices/dev1/up",
             '{"end_device_ids":{"device_id":"dev1","application_ids":{"application_id":"app1"}},"received_at":'
             '"2020-02-12T15:15:45.787Z","uplink_message":{"f_port":2,"f_cnt":42,"frm_payload":"AQ==","decoded_payload":'
             '{"temperature":1.0,"luminosity":0.64},"received_at":"2020-02-12T15:15:45.787Z"}}',
             {"temperature": 1.0, "luminosity": 0.64}, "2020-02-12T23:15:45.787", device="dev1"),
        """
        topic = "v3/{app}/devices/{device}/up"
        [only]
        "/uplink_message" = "*"
        [time]
        pointer = "/received_at"
        [flat]
        at = "/uplink_message/decoded_payload"
        """,
    ),
    # github.com/victronenergy/dbus-mqtt: the topic says what it is
    (
        Case("the topic names the reading", "N/c0619ab4a585/grid/30/Ac/L2/Power", '{"value":-123.4}',
             {"Ac/L2/Power": -123.4}, device="grid-30"),
        """
        topic = "N/{gateway}/{service}/{instance}/#"
        device = "{service}-{instance}"
        [[list]]
        each = ""
        name = "{#}"
        value = "/value"
        """,
    ),
    # home-assistant.io/integrations/mqtt_statestream, esphome.io/components/mqtt
    (
        Case("a bare number", "homeassistant/sensor/boiler/state", "61.5", {"temperature": 61.5}, device="boiler"),
        """
        topic = "homeassistant/{kind}/{device}/state"
        payload = "text"
        sentinels = ["unavailable", "unknown"]
        words = { on = 1, off = 0 }
        [readings]
        "" = "temperature"
        """,
    ),
    (
        Case("a bare word for nothing", "homeassistant/sensor/boiler/state", "unavailable", refused=("sentinel",)),
        """
        topic = "homeassistant/{kind}/{device}/state"
        payload = "text"
        sentinels = ["unavailable", "unknown"]
        [readings]
        "" = "temperature"
        """,
    ),
    # zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html
    (
        Case("Zigbee2MQTT", "zigbee2mqtt/plug",
             '{"current":0.1,"power":23.4,"voltage":231,"energy":12.5,"state":"ON","linkquality":120,"update":{"state":"idle"},'
             '"last_seen":"2026-11-20T09:00:00+08:00"}',
             {"current_a": 0.1, "active_power": 23.4, "voltage_a": 231, "active_energy": 12.5, "running": 1},
             "2026-11-20T09:00:00", device="plug"),
        """
        topic = "zigbee2mqtt/{device}"
        [time]
        pointer = "/last_seen"
        [readings]
        "/current" = { signal = "current_a", unit = "A" }
        "/power" = { signal = "active_power", unit = "W" }
        "/voltage" = { signal = "voltage_a", unit = "V" }
        "/energy" = { signal = "active_energy", unit = "kWh" }
        "/state" = { signal = "running", words = { ON = 1, OFF = 0 } }
        """,
    ),
    # ptc.com, Kepware IoT Gateway, standard template
    (
        Case("channel, device and tag in one name", "iotgateway",
             '{"timestamp":1420266040000,"values":[{"id":"Channel1.Welder3.Current","v":185.5,"q":true,"t":1420266039000},'
             '{"id":"Channel1.Welder4.Current","v":0,"q":false,"t":1420266039000},{"id":"odd","v":1,"q":true,"t":1420266039000}]}',
             {("Welder3", "Current"): 185.5, ("Welder4", "Current?"): 0}, "2015-01-03T14:20:39", ("bad_shape",)),
        """
        [time]
        pointer = "/timestamp"
        [quality]
        pointer = "/q"
        good = [true]
        bad = [false]
        [[list]]
        each = "/values/*"
        name = "/id"
        pattern = "{}.{device}.{name}"
        value = "/v"
        time = "/t"
        """,
    ),
    # reference.opcfoundation.org, part 14, JSON messages
    (
        Case("OPC UA PubSub", "opcua/json/data/p1",
             '{"MessageId":"32235546","MessageType":"ua-data","PublisherId":"p1","Messages":[{"DataSetWriterId":62541,'
             '"DataSetWriterName":"Press7","Timestamp":"2021-09-27T18:45:19.555Z","Payload":{"Temperature":{"Value":21.5,'
             '"StatusCode":{"Code":0}},"Pressure":{"Value":3.5,"StatusCode":{"Code":2147483648}},"Running":{"Type":1,"Body":true},'
             '"Speed":1450}}]}',
             {"Temperature": 21.5, "Running": 1, "Speed": 1450}, "2021-09-28T02:45:19.555", ("bad_quality",), "Press7"),
        """
        records = "/Messages/*"
        device = "/DataSetWriterName"
        [only]
        "/MessageType" = "ua-data"
        [time]
        pointer = "/Timestamp"
        [[list]]
        each = "/Payload/*"
        value = ["/Value", "/Body", ""]
        error = "/StatusCode/Code"
        """,
    ),
    # docs.influxdata.com, line protocol and Telegraf's JSON
    (
        Case("line protocol", "telegraf/h1",
             'meter,host=pm1,room=hall\\ 2 U=231.5,P=12i,on=true,note="a, b" 1556813561098000000\nmeter,host=pm2 U=230\n',
             {("pm1", "U"): 231.5, ("pm1", "P"): 12, ("pm1", "on"): 1, ("pm2", "U"): 230}, refused=("not_a_number",)),
        """
        payload = "influx"
        device = "/tags/host"
        [time]
        pointer = "/time"
        [[list]]
        each = "/fields/*"
        """,
        [("pm1", "U", 231.5, "2019-05-03T00:12:41.098"), ("pm1", "P", 12, "2019-05-03T00:12:41.098"),
         ("pm1", "on", 1, "2019-05-03T00:12:41.098"), ("pm2", "U", 230, "")],
    ),
    (
        Case("Telegraf in batches", "telegraf/h1",
             '{"metrics":[{"fields":{"usage_idle":98.09},"name":"cpu","tags":{"cpu":"cpu0","host":"h1"},"timestamp":1516134100},'
             '{"fields":{"used_percent":41.5},"name":"mem","tags":{"host":"h1"},"timestamp":1516134100}]}',
             {"cpu/usage_idle": 98.09, "mem/used_percent": 41.5}, "2018-01-17T04:21:40", device="h1"),
        """
        records = "/metrics/*"
        device = "/tags/host"
        [time]
        pointer = "/timestamp"
        [[list]]
        each = "/fields/*"
        name = "{/name}/{*}"
        """,
    ),
    # docs.aws.amazon.com/iot, device shadow
    (
        Case("a shadow", "$aws/things/meter1/shadow/update",
             '{"state":{"reported":{"ia":12.5,"door":"开"},"desired":{"ia":0}},"metadata":{"reported":{"ia":{"timestamp":1}}},'
             '"timestamp":1795222800}',
             {"ia": 12.5, "door": 1}, "2026-11-21T09:00:00", device="meter1"),
        """
        topic = "$aws/things/{device}/shadow/update"
        words = { "开" = 1, "关" = 0 }
        [time]
        pointer = "/timestamp"
        [flat]
        at = "/state/reported"
        """,
    ),
    # numbers as people write them, in a dashboard's export
    (
        Case("numbers with units and thousands", "show/d1",
             '{"t":"2026-11-21 09:00:00","功率":"1,234.5 kW","温度":"23.5℃","湿度":" 60 % ","编号":"12AB34","空":""}',
             {"power": 1234.5, "temperature": 23.5, "humidity": 60}, "2026-11-21T09:00:00", ("not_a_number",), "d1"),
        """
        topic = "show/{device}"
        text = true
        [time]
        pointer = "/t"
        [readings]
        "/功率" = "power"
        "/温度" = "temperature"
        "/湿度" = "humidity"
        "/编号" = "number"
        "/空" = "empty"
        """,
    ),
    (
        Case("a comma before the fraction", "show/d1", '{"p":"1.234,5 kW"}', {"power": 1234.5}, device="d1"),
        """
        topic = "show/{device}"
        text = true
        decimal = ","
        [readings]
        "/p" = "power"
        """,
    ),
    # DTUs of several makers: lines of cells, pairs
    (
        Case("lines of cells below a header", "csv/gw", "time,meter,Ua,Ia\r\n20261121090000,m1,220.5,1.5\r\n20261121090000,m2,221,--\r\n",
             {("m1", "Ua"): 220.5, ("m1", "Ia"): 1.5, ("m2", "Ua"): 221}, "2026-11-21T09:00:00", ("sentinel",)),
        """
        payload = "csv"
        device = "/meter"
        sentinels = ["--"]
        [time]
        pointer = "/time"
        [flat]
        at = ""
        ignore = ["time", "meter"]
        """,
    ),
    (
        Case("pairs", "dtu/d1", "T=25.3;H=60.1;DI1=1", {"T": 25.3, "H": 60.1, "DI1": 1}, device="d1"),
        """
        topic = "dtu/{device}"
        payload = "pairs"
        [flat]
        at = ""
        """,
    ),
    # a register that is a set of bits
    (
        Case("bits of a word, one of them upside down", "dtu/d1", '{"status":5,"state":3}',
             {"running": 1, "alarm": 0, "closed": 0, "mode": 2}, device="d1"),
        """
        topic = "dtu/{device}"
        [readings]
        "/status" = [
          { signal = "running", bit = 0 },
          { signal = "alarm", bit = 1 },
          { signal = "closed", bit = 2, invert = true },
        ]
        "/state" = { signal = "mode", words = { "3" = 2 } }
        """,
    ),
    # EMQX, eKuiper: columns side by side
    (
        Case("names, values and times side by side", "edge/d1",
             '{"device":"d1","tags":["Ua","Ub"],"data":[220.5,221.5],"ts":[1795222800,1795222800],"k":[1,10]}',
             {"Ua": 220.5, "Ub": 2215}, "2026-11-21T09:00:00", device="d1"),
        """
        device = "/device"
        [[list]]
        each = "/tags/*"
        name = ""
        value = "/data/*"
        time = "/ts/*"
        times = "/k/*"
        """,
    ),
    # public code that talks to gateways of USR IOT (rw_prot 1.0.1): numbers and errors are texts
    (
        Case("an error that is the text 0 is none", "usr/gw1",
             '{"rw_prot":{"Ver":"1.0.1","dir":"up","id":"123","r_data":[{"name":"Temperature","value":"25.5","err":"0"},'
             '{"name":"DI1","value":"1","err":"0"},{"name":"AI2","value":"","err":"1"}]}}',
             {"Temperature": 25.5, "DI1": 1}, refused=("bad_quality",)),
        """
        topic = "usr/{gateway}"
        text = true
        [only]
        "/rw_prot/dir" = "up"
        [[list]]
        each = "/rw_prot/r_data/*"
        name = "/name"
        value = "/value"
        error = "/err"
        """,
    ),
    # a power room's monitor, PHP: results inside of a text
    (
        Case("Chinese names inside of a text", "lab/gw",
             '{"sample_barcode":"code1","json":"{\\"A相电压\\":\\"399.04\\",\\"频率\\":\\"49.99\\",\\"标准空载损耗\\":\\"{标准}\\"}"}',
             {"voltage_a": 399.04, "frequency": 49.99}, refused=("not_a_number",), device="code1"),
        """
        device = "/sample_barcode"
        inside = "/json"
        text = true
        [readings]
        "/json/A相电压" = { signal = "voltage_a", unit = "V" }
        "/json/频率" = { signal = "frequency", unit = "Hz" }
        "/json/标准空载损耗" = "loss"
        """,
    ),
    # docs.tdengine.com, an answer of its REST interface: columns named once, rows below them
    (
        Case("a table: names of columns, rows of values", "table/m1",
             '{"columns":["ts","Ua","Ub"],"rows":[[1795222800000,220.5,221.5],[1795222801000,220.6,null]]}'),
        """
        topic = "table/{device}"
        [[list]]
        each = "/rows/*/*"
        name = "/columns/*2"
        time = "/rows/*1/0"
        """,
        [("m1", "ts", 1795222800000, "2026-11-21T09:00:00"), ("m1", "Ua", 220.5, "2026-11-21T09:00:00"),
         ("m1", "Ub", 221.5, "2026-11-21T09:00:00"), ("m1", "ts", 1795222801000, "2026-11-21T09:00:01"),
         ("m1", "Ua", 220.6, "2026-11-21T09:00:01")],
    ),
    # gateways for several meters: a device in each member, or none
    (
        Case("a device in each member, and one that has none", "multi/gw1",
             '{"v":[{"dev":"m1","n":"Ua","x":220.5},{"dev":"m2","n":"Ua","x":221.5},{"n":"Ua","x":1}]}',
             {("m1", "Ua"): 220.5, ("m2", "Ua"): 221.5}, refused=("unknown_device",)),
        """
        topic = "multi/{gateway}"
        [[list]]
        each = "/v/*"
        name = "/n"
        value = "/x"
        device = "/dev"
        """,
    ),
    (
        Case("bits of several words", "bits/d1", '{"di":[1,2]}', {"a_0": 1, "b_0": 0, "a_1": 0, "b_1": 1}, device="d1"),
        """
        topic = "bits/{device}"
        [readings]
        "/di/*" = [{ signal = "a_{}", bit = 0 }, { signal = "b_{}", bit = 1 }]
        """,
    ),
    # docs of WISE-PaaS / EdgeLink: device and tag in one name
    (
        Case("EdgeLink: device and tag parted by a colon", "edgelink/gw1",
             '{"d":[{"tag":"Press1:Current","value":12.5},{"tag":"Press2:Current","value":0}],"ts":"2026-11-21T01:00:00+0000"}',
             {("Press1", "Current"): 12.5, ("Press2", "Current"): 0}, "2026-11-21T09:00:00"),
        """
        topic = "edgelink/{gateway}"
        [time]
        pointer = "/ts"
        [[list]]
        each = "/d/*"
        name = "/tag"
        pattern = "{device}:{name}"
        value = "/value"
        """,
    ),
    # an MES in Java: date and time apart, a device that needs two fields
    (
        Case("a date, a time, and a device of two parts", "mes/gw",
             '{"line":"L1","no":7,"date":"2026-11-21","time":"09:00:00","I":185.5}', {"I": 185.5}, "2026-11-21T09:00:00",
             device="L1-7"),
        """
        device = "{/line}-{/no}"
        [time]
        pointer = "{/date} {/time}"
        [readings]
        "/I" = "I"
        """,
    ),
    (Case("a record of a kind that nobody has described", "mes/gw", '{"line":"L1","event":"start"}', refused=("bad_shape",)),
     '[readings]\n"/I" = "I"'),
    (Case("kinds of records in one message", "mix/gw", '{"list":[{"type":"data","d":"m1","U":220},{"type":"beat","d":"m1"}]}',
          {"U": 220}, device="m1"),
     'records = "/list/*"\ndevice = "/d"\n[only]\n"/type" = "data"\n[readings]\n"/U" = "U"'),
]  # fmt: skip


@pytest.fixture
def vendor(tmp_path):
    def write(text):
        path = tmp_path / "vendor.toml"
        path.write_text("\n".join(line.strip() for line in text.splitlines()), encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0].shows) for row in VENDORS])
def test_a_vendor_in_a_few_lines(row, vendor):
    case, text, *several = row
    if not several:
        check(case, mapping=vendor(text))
        return
    result = Reading(Wish(mapping=vendor(text))).read(Captured("it", case.topic, case.raw.encode()), NOW)
    taken = [(one["device"], one["signal"], one["value"], one["t_ns"]) for one in result["rows"]]
    assert taken == [(*one[:3], ns(one[3]) if one[3] else NOW) for one in several[0]]
    assert [one["reason"] for one in result["rejects"]] == list(case.refused)


def test_chinese_text_that_is_no_utf8(vendor):
    raw = '{"表号":"m1","A相电流":12.5}'.encode("gb18030")
    text = 'encoding = "gb18030"\ndevice = "/表号"\n[readings]\n"/A相电流" = "current_a"'
    assert read(raw, "x", mapping=vendor(text))[0] == {("m1", "current_a"): 12.5}
    assert read(raw, "x", mapping=vendor(text.split("\n", 1)[1]))[2] == ["not_utf8"]


def test_raw_bytes_of_registers(vendor):
    text = 'topic = "raw/{device}"\npayload = "hex"\n[readings]\n"" = [{ signal = "a", register = "uint16", byte = 1 }]'
    assert read(b"\xfe\x00\x2a", "raw/d", mapping=vendor(text))[0] == {("d", "a"): 42}
    assert read(b"\xfe", "raw/d", mapping=vendor(text))[2] == ["bad_length"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('{"d":[254,0,42]}', 42),
        ('{"d":"fe002a"}', 42),
        ('{"d":"0xfe002a"}', 42),
        ('{"d":[]}', "bad_length"),
        ('{"d":[1,2,256]}', "bad_shape"),
        ('{"d":[[]]}', "bad_shape"),
        ('{"d":"fe0"}', "bad_shape"),
        ('{"d":7}', "bad_length"),
    ],
)
def test_bytes_as_an_array_or_as_text(raw, expected, vendor):
    text = 'topic = "raw/{device}"\n[readings]\n"/d" = { signal = "a", register = "uint8", byte = 2 }'
    values, _, reasons = read(raw, "raw/d", mapping=vendor(text))
    assert (list(values.values()) or reasons) == [expected]


@pytest.mark.parametrize(
    ("kind", "raw", "reason"),
    [
        ("csv", "", "bad_shape"),
        ("csv", "a,b\n1", "bad_shape"),
        ("csv", "\n".join("1" for _ in range(3_000)), "too_large"),
        ("pairs", "what is this", "bad_shape"),
        ("influx", "no fields", "bad_shape"),
        ("influx", "m,device=d a=1,bare", "bad_shape"),
        ("lines", '{"a":1}\n{', "bad_json"),
        ("text", b"\xff", "not_utf8"),
        ("json", "", "bad_json"),
        ("json", "[]", "bad_shape"),
        ("json", '"text"', "bad_shape"),
        ("json", "null", "bad_shape"),
    ],
)
def test_what_cannot_be_read_says_why(kind, raw, reason, vendor):
    text = f'topic = "x/{{device}}"\npayload = "{kind}"\n[readings]\n"/a" = "a"'
    assert read(raw, "x/d", mapping=vendor(text))[2] == [reason]


GUESSED = [
    # docs.edgexfoundry.org, an event as an application service exports it
    (
        "", '{"apiVersion":"v2","id":"3c","deviceName":"press7","profileName":"p","sourceName":"s","origin":1795222800000000000,'
        '"readings":[{"origin":1795222800000000000,"deviceName":"press7","resourceName":"Int16","valueType":"Int16","value":"-1234"}]}',
        "mapping edgex", [("press7", "Int16", -1234)],
    ),
    # github.com/airgradienthq/arduino, local server and MQTT
    (
        "airgradient/readings/ecda3b1eaaaf",
        '{"wifi":-46,"serialno":"ecda3b1eaaaf","rco2":447,"pm01":3,"pm02":7,"pm10":8,"atmp":25.87,"rhum":43,"tvocIndex":100,'
        '"boot":6,"ledMode":"pm","firmware":"3.1.3","model":"I-9PSL"}',
        "mapping flat_json",
        [("ecda3b1eaaaf", name, value) for name, value in (("wifi", -46), ("rco2", 447), ("pm01", 3), ("pm02", 7), ("pm10", 8),
         ("atmp", 25.87), ("rhum", 43), ("tvocIndex", 100), ("boot", 6))],
    ),
    # github.com/opendata-stuttgart/sensors-software
    (
        "", '{"esp8266id":"16229326","software_version":"NRZ-2020-129","sensordatavalues":[{"value_type":"SDS_P1","value":"79.70"},'
        '{"value_type":"SDS_P2","value":"34.25"}]}', "mapping sensor_community", [("16229326", "pm10", 79.7), ("16229326", "pm25", 34.25)],
    ),
    # an air monitor, a welder, a meter: nobody has a mapping for them, but they name themselves as most do
    ("", '{"deviceId":"AQ1","pm25":35,"tsp":80,"noise":"55.1 dB","time":"2026-11-20 09:00:00"}', "mapping flat_json",
     [("AQ1", "pm25", 35), ("AQ1", "tsp", 80), ("AQ1", "noise", 55.1)]),
    ("", '{"machineNo":"W1","weldCurrent":185.5,"operator":"班组一"}', "mapping flat_json", [("W1", "weldCurrent", 185.5)]),
    ("", '{"sn":"m1","ts":1795222800,"d":{"Ua":220}}', "mapping flat_json", [("m1", "Ua", 220)]),
    ("", '[{"id":"m1","Ua":220.1},{"id":"m2","Ua":221}]', "mapping flat_array", [("m1", "Ua", 220.1), ("m2", "Ua", 221)]),
    ("zigbee2mqtt/plug", '{"power":23.4,"state":"ON"}', "mapping zigbee2mqtt",
     [("plug", "active_power", 23.4), ("plug", "running", 1)]),
    ("", '{"services":[{"service_id":"m","properties":{"Ua":57},"event_time":"20151212T121212Z"}]}', "mapping iotda_services",
     [("", "Ua", 57)]),
    ("", '{"ZbReceived":{"0x329F":{"Device":"0x329F","Temperature":27.89,"Endpoint":1}}}', "tasmota",
     [("0x329F", "Temperature", 27.89)]),
]  # fmt: skip


@pytest.mark.parametrize(("topic", "raw", "form", "expected"), GUESSED)
def test_a_message_alone_tells_what_it_is(topic, raw, form, expected):
    result = Reading(Wish()).read(Captured("it", topic, raw.encode()), NOW)
    assert result["format"] == form
    assert [(one["device"], one["signal"], one["value"]) for one in result["rows"]] == expected
    assert result["rejects"] == []


@pytest.mark.parametrize("raw", ["", "21.5", '{"a":[{"b":[1]}]}', "what?"])
def test_what_nobody_knows_is_said(raw):
    with pytest.raises(NoFormatError, match="--mapping"):
        Reading(Wish()).read(Captured("it", "a/b", raw.encode()), NOW)


@pytest.mark.parametrize(
    ("written", "formats", "local"),
    [
        ("2026/11/21 9:05:03", (), "2026-11-21T09:05:03"),
        ("2026-1-2 3:04", (), "2026-01-02T03:04:00"),
        ("2026年11月21日 9时5分3秒", (), "2026-11-21T09:05:03"),
        ("2026年1月2日09:05", (), "2026-01-02T09:05:00"),
        ("2026-11-21 09:05:03,250", (), "2026-11-21T09:05:03.25"),
        ("2026-11-21T01:05:03.123456789Z", (), "2026-11-21T09:05:03.123456"),
        (20261121090503, (), "2026-11-21T09:05:03"),
        (20261121090503250, (), "2026-11-21T09:05:03.25"),
        ("/Date(1795222800000+0800)/", (), "2026-11-21T09:00:00"),
        ("1795222800", (), "2026-11-21T09:00:00"),
        ("Sat, 21 Nov 2026 01:00:00 GMT", ("%a, %d %b %Y %H:%M:%S %Z",), "2026-11-21T09:00:00"),
        ("Sat Nov 21 09:00:00 CST 2026", ("%a %b %d %H:%M:%S CST %Y",), "2026-11-21T09:00:00"),
        ("21.11.2026 9:05", ("%d.%m.%Y %H:%M",), "2026-11-21T09:05:00"),
    ],
)
def test_times_as_people_and_programs_write_them(written, formats, local):
    moment = as_instant(written, CHINA, *([formats] if formats else []))
    assert nanoseconds(np.array([moment]))[0] == ns(local)


@pytest.mark.parametrize(
    "written", ["2026-13-01 00:00", "2026-11-21 25:00", "yesterday", "21/11/2026 09:00", "", True, [2026]]
)
def test_what_is_no_time_is_refused(written):
    with pytest.raises(Refusal, match="not a time"):
        as_instant(written, CHINA)


@pytest.mark.parametrize(
    ("form", "topic", "raw"),
    [
        ("hj212", "hj212/gw/up", "##0077QN=20170516010101001;ST=22;CN=2011;PW=123456;MN=ABCDEFG1234567;Flag=3;CP=&&&&0140"),
        ("thingsboard", "v1/gateway/telemetry", '{"Device A":[]}'),
        ("thingsboard", "v1/devices/me/telemetry", "{}"),
        ("tasmota", "tele/th/SENSOR", '{"Time":"2021-01-01T12:00:00"}'),
        ("shelly", "d/events/rpc", '{"src":"d","method":"NotifyStatus","params":{"ts":1.5,"wifi":{"rssi":-50}}}'),
        ("neuron", "/neuron/x/upload", '{"node":"m","group":"g","timestamp":1658134132237,"values":{},"errors":{}}'),
        ("senml", "senml/g", "[]"),
        ("senml", "senml/g", '[{"bn":"d1/","bt":1795222800}]'),
        ("neuron", "/neuron/x/heartbeat", '{"timestamp":1658134132237,"states":[]}'),
        ("mapping", "acrel/g/up", '{"type":"heart","gwSN":"1"}'),
    ],
)  # fmt: skip
def test_a_message_without_readings_is_counted_as_one(form, topic, raw):
    name = "acrel_adl400" if form == "mapping" else ""
    decoder = Decoder([feed_for(form, topic, mapping=name)], OpenCatalog().catalog)
    rows = decoder.decode([Message(topic, raw.encode(), NOW)], NOW)
    assert (len(rows), rows.rejects, decoder.statuses) == (0, (), 1)
