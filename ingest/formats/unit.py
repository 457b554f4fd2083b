"""Units: from the one that was sent to the one that the registry gives the series.

Only what is certain is converted: both units known and of one kind.  Anything else stays as it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

# Kind → unit → (factor, offset) to the kind's base: base = sent * factor + offset.
_KINDS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "power": {"W": (1, 0), "kW": (1e3, 0), "MW": (1e6, 0), "mW": (1e-3, 0)},
    "apparent": {"VA": (1, 0), "kVA": (1e3, 0), "MVA": (1e6, 0)},
    "reactive": {"var": (1, 0), "kvar": (1e3, 0), "Mvar": (1e6, 0)},
    "energy": {"Wh": (1, 0), "kWh": (1e3, 0), "MWh": (1e6, 0), "J": (1 / 3600, 0), "Wmin": (1 / 60, 0)},
    "voltage": {"V": (1, 0), "mV": (1e-3, 0), "kV": (1e3, 0)},
    "current": {"A": (1, 0), "mA": (1e-3, 0), "kA": (1e3, 0)},
    "pressure": {
        "Pa": (1, 0), "hPa": (100, 0), "kPa": (1e3, 0), "MPa": (1e6, 0), "mbar": (100, 0), "bar": (1e5, 0),
        "mmHg": (133.322387415, 0), "inHg": (3386.389, 0),
    },
    "temperature": {"℃": (1, 0), "K": (1, -273.15), "℉": (5 / 9, -160 / 9)},
    "share": {"%": (0.01, 0), "/": (1, 0), "‰": (1e-3, 0), "ppm": (1e-6, 0), "ppb": (1e-9, 0)},
    "concentration": {"mg/m³": (1, 0), "µg/m³": (1e-3, 0), "g/m³": (1e3, 0), "mg/L": (1e3, 0)},
    "resistance": {"Ω": (1, 0), "kΩ": (1e3, 0), "MΩ": (1e6, 0)},
    "speed": {"m/s": (1, 0), "km/h": (1 / 3.6, 0)},
    "length": {"m": (1, 0), "mm": (1e-3, 0), "cm": (1e-2, 0), "km": (1e3, 0)},
    "time": {"s": (1, 0), "ms": (1e-3, 0), "min": (60, 0), "h": (3600, 0), "d": (86_400, 0)},
    "frequency": {"Hz": (1, 0), "kHz": (1e3, 0), "1/min": (1 / 60, 0)},
    "flow": {"m³/s": (1, 0), "m³/h": (1 / 3600, 0), "l/s": (1e-3, 0), "l/min": (1e-3 / 60, 0), "m³/min": (1 / 60, 0)},
}  # fmt: skip
# Spellings, those of SenML (RFC 8428, 12.1) among them.
_SAME = {
    "Cel": "℃", "°C": "℃", "degC": "℃", "C": "℃", "F": "℉", "°F": "℉", "%RH": "%", "kVAr": "kvar", "VAR": "var",
    "kVAR": "kvar", "m3/s": "m³/s", "m3/h": "m³/h", "L/min": "l/min", "mg/m3": "mg/m³", "ug/m3": "µg/m³",
    "μg/m³": "µg/m³", "μg/m3": "µg/m³", "g/m3": "g/m³", "volt": "V", "deg": "°", "dB(A)": "dB", "KW": "kW",
    "KWh": "kWh", "kwh": "kWh", "kw": "kW", "EL%": "%", "W·min": "Wmin", "r/min": "1/min", "rpm": "1/min",
    "Ohm": "Ω", "kOhm": "kΩ", "MOhm": "MΩ", "Ω": "Ω", "mg/l": "mg/L", "％": "%", "伏": "V", "安": "A",
    "瓦": "W", "千瓦": "kW", "千瓦时": "kWh", "帕": "Pa", "千帕": "kPa", "兆帕": "MPa", "摄氏度": "℃", "赫兹": "Hz",
}  # fmt: skip
# Units that are converted into nothing.
_ALONE = frozenset(
    (
        "°",
        "dB",
        "dBm",
        "pH",
        "lx",
        "kvarh",
        "varh",
        "VAh",
        "kVAh",
        "kg",
        "g",
        "t",
        "L",
        "m³",
        "µS/cm",
        "次",
        "个",
    )
)
_OF = {unit: (kind, *to_base) for kind, units in _KINDS.items() for unit, to_base in units.items()}


def spelled_unit(unit: str) -> str:
    """Return a unit as the registry spells it."""
    unit = unit.strip()
    return _SAME.get(unit, unit)


def is_unit(text: str) -> bool:
    """Whether a text behind a number is a unit, and not the rest of a number of something else."""
    unit = spelled_unit(text)
    return unit in _OF or unit in _ALONE


@cache
def conversion(sent: str, wanted: str) -> tuple[float, float] | None:
    """Return (scale, offset) from one unit to another; None when nothing is to be done, or nothing is certain."""
    sent, wanted = spelled_unit(sent), spelled_unit(wanted)
    if sent == wanted or sent not in _OF or wanted not in _OF or _OF[sent][0] != _OF[wanted][0]:
        return None
    (_kind, factor, offset), (_same, per, zero) = _OF[sent], _OF[wanted]
    return factor / per, (offset - zero) / per
