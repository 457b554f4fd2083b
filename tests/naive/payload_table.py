"""What a person reads in the captured messages of ../shared/data/payloads, written from their raw text by hand.

    id → (format, device, local time or "" for arrival, {name: value}, [reasons of rejects])

Names and values are those of the text; a trailing `?` at a value's name marks a reading that is not good.  Where a
message is refused, the reason is what its raw text shows (a CRC that does not fit, a length that is not there).
"""

HJ_0317 = {
    "a21005": 0.0,
    "a21004": 0.0,
    "a21007": 0.033,
    "a21006": 0.036,
    "a21001": 25.4,
    "a21003": 101.94,
    "a21002": 49.2,
}
HJ_0303 = {
    "a2106": 0.036,
    "a2107": 0.033,
    "a2104": 0.0,
    "a2105": 0.0,
    "a2102": 49.2,
    "a2103": 101.94,
    "a2101": 25.4,
}
HJ_0453 = {
    "a21005": 1.1, "a21004": 112, "a21026": 58, "a34004": 207, "a34002": 295, "a01001": 12.6, "a01002": 32,
    "a01006": 101.02, "a01007": 2.1, "a01008": 120, "a34001": 217,
}  # fmt: skip
HJ_ZERO = dict.fromkeys(
    ("a34004", "a34002", "a34001", "LA", "a01001", "a01002", "a01006", "a01007", "a01008"), 0.0
)
HJ_0376 = {
    "a34001": 67.04, "a34004": 39.6, "a34002": 53.0, "Leq": 60.97, "a01007": 0.0, "a01008": 335, "a01006": 30.4,
    "B00008": 51.3, "B00009": 99.3,
}  # fmt: skip

# As a strict gateway's.
HJ212 = {
    "hj212-pub-01": ("Y80110010000010", "2019-10-12T13:37:10", HJ_0317, []),
    "hj212-pub-02": ("", "", {}, ["bad_checksum"]),
    "hj212-pub-03": ("Y80110010000010", "2019-10-12T13:37:10", HJ_0303, []),
    "hj212-pub-04": ("", "", {}, ["bad_checksum"]),
    "hj212-pub-05": ("", "", {}, []),  # a command to the device: no readings
    "hj212-pub-06": ("010000A8900016F000169DC0", "2016-08-01T08:40:00", HJ_0453, ["unknown_code"]),  # LA-td
    "hj212-pub-07": ("", "", {}, []),  # an acknowledgement
    "hj212-pub-08": ("", "", {}, ["bad_shape"]),  # no frame around the data segment
    "hj212-pub-09": ("690000D5800028F889221AC0", "2018-08-21T14:25:09", HJ_ZERO, []),
    "hj212-pub-10": ("", "", {}, ["bad_shape"]),
    "hj212-pub-11": ("010AQMS01000GD0201804060", "2018-09-14T09:06:00", HJ_0376, []),
    "hj212-pub-12": ("", "", {}, ["bad_length"]),
    "hj212-pub-13": ("", "", {}, ["bad_checksum"]),  # Modbus' CRC
    "hj212-pub-14": ("", "", {}, ["bad_checksum"]),
    "hj212-pub-15": ("2019051703100020", "2019-08-13T15:58:00", {"LAMPBLACK": 0.0}, []),
    "hj212-pub-16": ("", "", {}, ["bad_checksum"]),
    "hj212-pub-17": ("", "", {}, []),
}

# What changes for a lenient gateway: two data segments without a frame and two questions with Modbus' CRC are read.
HJ212_LENIENT = {
    "hj212-pub-08": (
        "690000D5800028F889000003", "2018-09-06T10:34:06",
        {"a34004?": 45.0, "a34002?": 62.7, "a34001?": 78.4, "LA?": 63.2, "a01001?": 28.3, "a01002?": 60.0,
         "a01006?": 100.3, "a01007?": 0.0, "a01008?": 45}, [],
    ),
    "hj212-pub-10": (
        "RXGD-RXGD1313", "2022-10-22T22:50:34",
        {"a34004?": 10.0, "a34002?": 66.0, "a01001?": 47.7, "a01002?": 16.0, "a01007?": 0.5, "a01008?": 0,
         "LA?": 46.7}, [],
    ),
    "hj212-pub-13": ("", "", {}, []),
    "hj212-pub-14": ("", "", {}, []),
}  # fmt: skip


def _energy(**members):
    return {f"ENERGY/{name}": value for name, value in members.items()}


_V, _A, _P = "metrics/voltage/value/", "metrics/current/value/", "metrics/power/"
_E = "metrics/energy/"

MQTT_JSON = {
    "json-pub-01": (
        "mapping compere_kpm33b", "33B1225950027", "2026-01-12T16:39:00",
        {"ia": 9.735, "ib": 9.658, "ic": 9.655, "ua": 229.097, "ub": 231.567, "uc": 232.529, "uab": 398.949,
         "ubc": 401.920, "uca": 399.784, "pa": 2.2229, "pb": 2.2293, "pc": 2.2382, "zyggl": 6.6905, "qa": -0.1648,
         "qb": -0.1649, "qc": -0.1632, "zwggl": -0.4930, "sa": 2.2304, "sb": 2.2366, "sc": 2.2452, "zszgl": 6.7122,
         "pfa": 0.996, "pfb": 0.996, "pfc": 0.996, "zglys": 0.996, "f": 49.959, "uxja": 0.0, "uxjb": 239.774,
         "uxjc": 119.874, "ixja": 355.691, "ixjb": 235.434, "ixjc": 115.615, "unb": 1.485, "inb": 0.823,
         "pdm": 6.6898, "qdm": -0.4971, "sdm": 6.7118, "iadm": 9.6838, "ibdm": 9.6380, "icdm": 9.6717}, [],
    ),
    "json-pub-02": (
        "mapping edgelogger", "EM-2025-001", "2024-03-10T00:00:00.123",
        {_V + "phase_a": 220.5, _V + "phase_b": 219.8, _V + "phase_c": 221.2, _V + "line_ab": 380.4,
         _V + "line_bc": 381.0, _V + "line_ca": 379.8, _A + "phase_a": 15.3, _A + "phase_b": 14.9,
         _A + "phase_c": 15.1, _P + "active/value/phase_a": 3.3, _P + "active/value/phase_b": 3.1,
         _P + "active/value/phase_c": 3.2, _P + "active/value/total": 9.6, _P + "reactive/value/phase_a": 1.2,
         _P + "reactive/value/phase_b": 1.1, _P + "reactive/value/phase_c": 1.3, _P + "reactive/value/total": 3.6,
         _P + "apparent/value/total": 10.2, "metrics/system/0/power_factor": 0.92,
         "metrics/system/1/frequency": 49.98, _E + "active/value/forward": 1500.5, _E + "active/value/reverse": 0.0,
         _E + "reactive/value/forward": 800.2, _E + "reactive/value/reverse": 45.3, "status/device_status": 0}, [],
    ),
    # pt = 1, ct = 40: currents times 40, powers and energies times 40
    "json-pub-03": (
        "mapping acrel_adl400", "12109132830004", "2021-11-24T10:18:00",
        {"ua": 221, "ub": 220.9, "uc": 220.9, "ia": 480, "ib": 440, "ic": 520, "pa": 80, "pb": 80, "pc": 80, "p": 280,
         "qa": 40, "qb": 40, "qc": 40, "q": 120, "pf": 1, "wh": 359.2, "wl": 24.0, "varh": 208.4, "varl": 217.2}, [],
    ),
    # 1574930415425 ms = 2019-11-28T08:40:15.425Z
    "json-pub-04": (
        "mapping edge_3900", "1576633766105801053", "2019-11-28T16:40:15.425", {"Ua": 220.3, "Ub": 221, "Ia": 23.4}, [],
    ),
    "json-pub-05": (
        "tasmota", "sonoff_desk", "2023-05-19T20:52:56",
        _energy(Total=514.153, Yesterday=1.495, Today=0.537, Period=0, Power=56, ApparentPower=92, ReactivePower=73,
                Factor=0.61, Voltage=234, Current=0.392), [],
    ),
    "json-pub-06": (
        "tasmota", "...", "2023-04-04T17:01:33",
        {"Switch1": 1, **_energy(Total=14.68792, Yesterday=0.00001, Today=0.00869, Period=1, Power=32,
                                 ApparentPower=35, ReactivePower=16, Factor=0.89, Voltage=238, Current=0.148)}, [],
    ),
    "json-pub-07": (  # 100.1 °F
        "tasmota", "shellyB", "2020-08-30T10:15:00",
        {"Switch1": 0, "Switch2": 0, "ANALOG/Temperature": 100.1,
         **_energy(Total=0.586, Yesterday=0.033, Today=0, Period=0, Power=0, ApparentPower=0, ReactivePower=0,
                   Factor=0, Voltage=0, Current=0)}, [],
    ),
    "json-pub-08": (
        "tasmota", "", "2019-09-06T20:06:19",
        _energy(Total=0.003, Yesterday=0, Today=0.003, Power=26, ApparentPower=25, ReactivePower=25, Factor=0.06,
                Voltage=239, Current=0.106), [],
    ),
    "json-pub-09": (
        "tasmota", "...", "2018-10-14T21:57:33",
        _energy(Total=0.006, Yesterday=0, Today=0.006, Power=5, Factor=0.10, Voltage=214, Current=0.241), [],
    ),
    # unixtime 1682952865 = 2023-05-01T14:54:25Z; n_current is null
    "json-pub-10": (
        "shelly", "shellypro3em-ec6260890b50", "2023-05-01T22:54:25",
        {"em:0/a_current": 3.761, "em:0/a_voltage": 121.7, "em:0/a_act_power": 342.8, "em:0/a_aprt_power": 457.5,
         "em:0/a_pf": -0.80, "em:0/b_current": 8.109, "em:0/b_voltage": 121.0, "em:0/b_act_power": 957.3,
         "em:0/b_aprt_power": 980.7, "em:0/b_pf": -0.98, "em:0/c_current": 0.025, "em:0/c_voltage": 121.7,
         "em:0/c_act_power": 0.2, "em:0/c_aprt_power": 3.1, "em:0/c_pf": -1.0, "em:0/total_current": 11.896,
         "em:0/total_act_power": 1300.252, "em:0/total_aprt_power": 1441.226, "emdata:0/a_total_act_energy": 1075513.08,
         "emdata:0/a_total_act_ret_energy": 0, "emdata:0/b_total_act_energy": 1776542.72,
         "emdata:0/b_total_act_ret_energy": 0, "emdata:0/c_total_act_energy": 0.01,
         "emdata:0/c_total_act_ret_energy": 0, "emdata:0/total_act": 2852055.81, "emdata:0/total_act_ret": 0}, [],
    ),
    # unixtime 1709223219 = 2024-02-29T16:13:39Z; emeter_n says of itself that it is not valid
    "json-pub-11": (
        "shelly", "3494547B94EE", "2024-03-01T00:13:39",
        {"relays/0/ison": 0, "relays/0/overpower": 0, "emeters/0/power": 51.08, "emeters/0/pf": 0.27,
         "emeters/0/current": 0.78, "emeters/0/voltage": 234.9, "emeters/0/total": 1686297.2,
         "emeters/0/total_returned": 428958.4, "emeters/1/power": 155.02, "emeters/1/pf": 0.98,
         "emeters/1/current": 0.66, "emeters/1/voltage": 235.57, "emeters/1/total": 878905.6,
         "emeters/1/total_returned": 4.1, "emeters/2/power": 6.75, "emeters/2/pf": 0.26, "emeters/2/current": 0.11,
         "emeters/2/voltage": 234.7, "emeters/2/total": 206151.1, "emeters/2/total_returned": 0,
         "total_power": 212.85, "emeter_n/current?": 0.0, "emeter_n/ixsum?": 1.29}, [],
    ),
    # 1647497389075 ms = 2022-03-17T06:09:49.075Z
    "json-pub-12": ("neuron", "modbus-tcp-2", "2022-03-17T14:09:49.075", {"data1": 123}, ["bad_quality"]),
    "json-pub-15": ("thingsboard", "", "", {"temperature": 22.5, "humidity": 61}, []),
    "json-pub-16": ("mapping activity_tags", "Device 1110", "", {"activityLevel": 2, "energyLevel": 3, "batl": 4}, []),
    # 10.11.25 is the tenth of November 2025
    "json-pub-17": ("mapping dayfirst", None, "2025-11-10T10:35:12.123", {"temperature": 25}, []),
    # ts is UTC; lock_status false = unlocked
    "json-pub-18": (
        "mapping welder_online", "14412T0006", "2024-12-20T18:30:00",
        {"preset_current": 10.5, "preset_voltage": 220, "weld_current": 11, "weld_voltage": 225, "wire_diameter": 1.2,
         "lock_status": 1, "device_status": 1, "ip_quality": 100}, [],
    ),
    "json-pub-19": (
        "mapping air_quality_text", "板橋", "2020-03-06T13:00:00",
        {"AQI": 31, "SO2": 1.8, "CO": 0.34, "CO_8hr": 0.4, "O3": 42, "O3_8hr": 34, "PM10": 17, "PM2.5": 8, "NO2": 13,
         "NOx": 16, "NO": 2.7, "WindSpeed": 2.7, "WindDirec": 75, "PM2.5_AVG": 9, "PM10_AVG": 17, "SO2_AVG": 2}, [],
    ),
}  # fmt: skip

# Several devices or instants: (device, name, value, local time).  1483228800000 ms = 2017-01-01T00:00:00Z,
# 1451649600000 ms = 2016-01-01T12:00:00Z.
MANY = {
    "json-pub-13": [
        ("Device A", "temperature", 42, "2017-01-01T08:00:00"), ("Device A", "humidity", 80, "2017-01-01T08:00:00"),
        ("Device A", "temperature", 43, "2017-01-01T08:00:01"), ("Device A", "humidity", 82, "2017-01-01T08:00:01"),
        ("Device B", "temperature", 42, "2017-01-01T08:00:00"), ("Device B", "humidity", 80, "2017-01-01T08:00:00"),
    ],
    "json-pub-14": [
        ("", "temperature", 22.5, "2016-01-01T20:00:00"), ("", "humidity", 61, "2016-01-01T20:00:00"),
        ("", "temperature", 22.7, "2016-01-01T20:00:01"), ("", "humidity", 60, "2016-01-01T20:00:01"),
    ],
}  # fmt: skip

# SenML: (name in full, value, seconds since 1970, None = arrival); texts and data are no readings.
_EX3 = [("voltage", 120.1, 0), ("current", 1.2, -5), ("current", 1.3, -4), ("current", 1.4, -3), ("current", 1.5, -2),
        ("current", 1.6, -1), ("current", 1.7, 0)]  # fmt: skip
_OW = "urn:dev:ow:10e2073a01080063"
SENML = {
    "ex1": [(_OW, 23.1, None)],
    "ex2": [(_OW + ":voltage", 120.1, None), (_OW + ":current", 1.2, None)],
    "ex3": [(f"urn:dev:ow:10e2073a0108006:{n}", v, 1276020076.001 + t) for n, v, t in _EX3],
    "ex4": [
        (_OW, value, 1320067464 + t)
        for t, value in zip(
            (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 91, 92),
            (21.2, 21.3, 21.4, 21.4, 21.5, 21.5, 21.5, 21.6, 21.7, 21.5, 21.5, 21.5), strict=True,
        )
    ],
    "ex6": [
        ("2001:db8::2/temperature", 25.2, 1320078429), ("2001:db8::2/humidity", 30, 1320078429),
        ("2001:db8::1/temperature", 12.3, 1320078429), ("2001:db8::1/humidity", 67, 1320078429),
    ],
    "ex7": [(_OW + ":temp", 23.1, None), (_OW + ":open", 0, None)],
    "ex9": [(_OW + ":temp", 23.1, None), (_OW + ":heat", 1, None), (_OW + ":fan", 0, None)],
    "ex11": [(_OW, 23.5, 1276020076), (_OW, 23.6, 1276020091)],
    # 0.1 s later, as the times of the second two say
    "ex13": [
        ("2001:db8::3", 0.5, 1320078429), ("2001:db8::4", 0.5, 1320078429), ("2001:db8::3", 0, 1320078429.1),
        ("2001:db8::4", 0, 1320078429.1),
    ],
}  # fmt: skip

# Sparkplug: 1750855643474 ms; the death names bdSeq 0, the birth 88: it is of another session, and changes nothing.
SPARKPLUG = {
    "NBIRTH_V1": [("Temperature", 21.5, "2025-06-25T20:47:23.474")],
    "NDATA_V1": [("Temperature", 22.5, "2025-06-25T20:47:23.474")],
    "NDEATH_V1": [],
}

# The registers' values as texts; `string` and `bits` are no numbers.
REGISTERS_BIG = {
    "16int": -30551, "16uint": 13330, "16float": 0.067017, "32int": -856817665, "32uint": 2018915346, "32float": 0.0,
    "64int": 1243365278113333247.0, "64uint": 17275436391653061650.0, "64float": -6.0659880008723545e66,
}  # fmt: skip
