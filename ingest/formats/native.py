"""The native format of docs/wire.md §2: one reading, rows, columnar; topic `fs/v1/{gateway}/{device}`.

Right messages take the typed way, one decode and a few list operations.  Whatever fails there is read again
the slow way, which looks at every row and says what is wrong with it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import DecodeError, Meta, Struct, ValidationError, convert
from msgspec.json import Decoder

from core.batch import Quality
from core.reject import Reason
from ingest.columns import ABSENT, LARGEST_VALUE, Columns, Message
from ingest.feed import Feed
from ingest.formats.contract import (
    QUALITIES,
    Refusal,
    Refusing,
    Sender,
    as_dict,
    as_quality,
    as_time,
    as_value,
    brief,
    known,
    parse_json,
    stranger,
)
from ingest.instant import LARGEST
from registry.catalog import Catalog

PREFIX = "fs/v1/"
STATUS = "$status"
# Of the columns that a device sends, so many shapes are kept, none longer than this.
MOST_SHAPES = 8
LARGEST_SHAPE = 500
# Topics that nobody has registered must not fill the memory.
MOST_CACHED = 200_000

Time = Annotated[int, Meta(ge=0, le=LARGEST)]
Offset = Annotated[int, Meta(ge=-LARGEST, le=LARGEST)]
Number = float | bool
Trust = Literal["good", "uncertain", "bad"]


class Row(Struct, gc=False):
    """One reading."""

    m: str
    v: Number
    ts: Time = ABSENT
    q: Trust = "good"


class Body(Struct, gc=False):
    """The three shapes that are objects in one, so that a payload is parsed once."""

    readings: list[Row] | None = None
    series: dict[str, list[float | bool | None]] | None = None
    dt: list[Offset] = []
    t0: Time = ABSENT
    m: str = ""
    v: Number | None = None
    ts: Time = ABSENT
    q: Trust = "good"


class NativeFormat:
    """See the module; keeps who sends on which topic until the catalog changes."""

    def __init__(self, _feed: Feed | None = None) -> None:
        self._body = Decoder(Body).decode
        self._rows = Decoder(list[Row]).decode
        self._catalog: Catalog | None = None
        self._senders: dict[str, Sender] = {}
        self._codes: set[str] = set()

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        if catalog is not self._catalog:
            self._senders, self._catalog = {}, catalog
            self._codes = {code for _gateway, code in catalog.devices}
        sender = self._senders.get(message.topic)
        if sender is None:
            sender = self._find(message, catalog, columns)
            if sender is None:
                return
        try:
            taken = self._take(message, sender, columns)
        except (KeyError, ValidationError, DecodeError, UnicodeDecodeError, RecursionError):
            taken = False
        if not taken:
            columns.undo()
            _take_slowly(message, sender, columns)

    def _find(self, message: Message, catalog: Catalog, columns: Columns) -> Sender | None:
        """Return who sends on this topic, or leave a reject and return None."""
        parts = message.topic.split("/")
        gateway = catalog.gateways.get(parts[2]) if len(parts) == 4 else None
        if len(parts) != 4 or not message.topic.startswith(PREFIX):
            columns.reject(0, Reason.UNKNOWN_TOPIC, f"expected {PREFIX}GATEWAY/DEVICE")
        elif gateway is None:
            columns.reject(0, Reason.UNKNOWN_GATEWAY, f"no gateway {brief(parts[2])} in the registry")
        elif parts[3] == STATUS:
            _take_status(message, gateway.id, columns)
        elif (device := catalog.devices.get((parts[2], parts[3]))) is None:
            refusal = stranger(gateway, parts[3], self._codes)
            columns.reject(gateway.id, refusal.reason, refusal.detail)
        else:
            if len(self._senders) >= MOST_CACHED:
                self._senders.clear()
            sender = self._senders[message.topic] = Sender(gateway.id, as_dict(device.series))
            return sender
        return None

    def _take(self, message: Message, sender: Sender, columns: Columns) -> bool:
        """Take a message that is right in every row; say False, or raise KeyError, for anything else."""
        payload = message.payload
        if payload[:1] == b"[":
            return _take_rows(self._rows(payload), sender, columns)
        body = self._body(payload)
        if body.readings is not None:
            return _take_rows(body.readings, sender, columns)
        if body.series is not None:
            return _take_columns(body, body.series, sender, columns)
        if body.v is None:
            return False
        columns.add(sender.series[body.m], body.ts, body.v)
        if body.q != "good":
            columns.mark(1, QUALITIES[body.q])
        return True


def _take_rows(rows: list[Row], sender: Sender, columns: Columns) -> bool:
    # One loop over bound methods: three times faster than comprehensions for one row, a third for fifty.
    keys, add_series, add_t, add_value = (
        sender.series, columns.series.append, columns.t.append, columns.value.append,
    )  # fmt: skip
    for row in rows:
        add_series(keys[row.m])
        add_t(row.ts)
        add_value(row.v)
        if row.q != "good":
            columns.mark(1, QUALITIES[row.q])
    return True


def _take_columns(
    body: Body, by_signal: dict[str, list[float | bool | None]], sender: Sender, columns: Columns
) -> bool:
    t0, n, n_signals = body.t0, len(body.dt), len(by_signal)
    if t0 == ABSENT:
        return False
    value = columns.value
    for values in by_signal.values():
        if len(values) != n:
            return False
        value += values
    # Devices send the same columns again and again: their series, each n times, are kept.
    shape = (n, *by_signal)
    series = sender.shapes.get(shape)
    if series is None:
        series = array("i", [key for signal in by_signal for key in (sender.series[signal],) * n])
        if len(sender.shapes) < MOST_SHAPES and len(series) <= LARGEST_SHAPE:
            sender.shapes[shape] = series
    columns.block(series, array("q", [t0 + offset for offset in body.dt]) * n_signals)
    if body.q != "good":
        columns.mark(n * n_signals, QUALITIES[body.q])
    return True


def _take_slowly(message: Message, sender: Sender, columns: Columns) -> None:
    """Take what can be taken of a message that the typed way refused, and reject the rest piece by piece."""
    refusing = Refusing(columns, sender.gateway)
    with refusing:
        body = parse_json(message.payload)
        if isinstance(body, dict) and body.get("readings") is not None:
            body = body["readings"]
            if not isinstance(body, list):
                raise Refusal(Reason.BAD_SHAPE, f"readings = {brief(body)}: expected an array")
        if isinstance(body, dict) and body.get("series") is not None:
            _take_columns_slowly(body, sender, columns)
            return
        if not isinstance(body, dict | list):
            raise Refusal(Reason.BAD_SHAPE, f"{brief(body)}: expected an object or an array")
        for row in body if isinstance(body, list) else [body]:
            columns.spend(1, sender.gateway)
            if not _sound(row, sender, columns):
                with refusing:
                    _take_row_slowly(row, sender, columns)


def _sound(row: Any, sender: Sender, columns: Columns) -> bool:
    """Take a row that is right, as most rows of a message with a fault are; say False for any other."""
    try:
        one = convert(row, Row)
        return abs(one.v) <= LARGEST_VALUE and _take_rows([one], sender, columns)
    except (ValidationError, KeyError, UnicodeEncodeError):  # the last one: half of a pair of surrogates
        return False


def _take_row_slowly(row: Any, sender: Sender, columns: Columns) -> None:
    if not isinstance(row, dict) or not isinstance(row.get("m"), str) or "v" not in row:
        raise Refusal(Reason.BAD_SHAPE, f'{brief(row)}: expected {{"m": "signal", "v": number}}')
    series = known(row["m"], sender)
    value, quality, ts = as_value(row["v"]), as_quality(row.get("q")), row.get("ts")
    columns.add(series, ABSENT if ts is None else as_time(ts), value)
    if quality is not Quality.GOOD:
        columns.mark(1, quality)


def _take_columns_slowly(body: dict[str, Any], sender: Sender, columns: Columns) -> None:
    """Take columnar readings cell by cell; a column that cannot be taken apart is one reject."""
    series, dt = body["series"], body.get("dt", [])
    if not isinstance(series, dict) or not isinstance(dt, list) or "t0" not in body:
        raise Refusal(Reason.BAD_SHAPE, 'expected {"t0": ms, "dt": [...], "series": {"signal": [...]}}')
    as_time(body["t0"])
    quality = as_quality(body.get("q"))
    columns.spend(len(dt) // 5, sender.gateway)
    instants = [_instant(body["t0"], offset) for offset in dt]
    for name, values in series.items():
        with Refusing(columns, sender.gateway):
            key = known(name, sender)
            if not isinstance(values, list) or len(values) != len(dt):
                raise Refusal(Reason.BAD_SHAPE, f"{brief(name)}: expected an array of {len(dt)} values")
            columns.spend(1 + len(values) // 4, sender.gateway)
            cells = zip(instants, values, dt, strict=True)
            _take_column(key, cells, Refusing(columns, sender.gateway), quality)


def _take_column(
    key: int, cells: Iterable[tuple[int | None, Any, Any]], refusing: Refusing, quality: Quality
) -> None:
    columns, n_before = refusing.columns, len(refusing.columns.series)
    for t, value, offset in cells:
        if value is None:
            continue
        # Most cells of a column with a fault are sound, and entering a `with` costs more than taking one.
        if t is not None and type(value) in (int, float) and abs(value) <= LARGEST_VALUE:
            columns.add(key, t, float(value))
            continue
        with refusing:
            if t is None:
                raise Refusal(Reason.BAD_TIME, f"dt = {brief(offset)} gives no time")
            columns.add(key, t, as_value(value))
    if quality is not Quality.GOOD:
        columns.mark(len(columns.series) - n_before, quality)


def _instant(t0: float, offset: Any) -> int | None:
    """Return t0 + offset, both in the unit of t0; None when that is no time."""
    if type(t0) is int and type(offset) is int and 0 <= t0 + offset <= LARGEST:
        return t0 + offset
    if isinstance(offset, bool) or not isinstance(offset, int | float) or not abs(offset) <= LARGEST:
        return None
    try:
        return as_time(t0 + offset)
    except Refusal:
        return None


def _take_status(message: Message, gateway: int, columns: Columns) -> None:
    """Count a message of §2.4; it holds no readings."""
    with Refusing(columns, gateway):
        body = parse_json(message.payload)
        if not isinstance(body, dict) or not isinstance(body.get("online"), bool):
            raise Refusal(Reason.BAD_SHAPE, f'{brief(body)}: expected {{"online": true}}')
        columns.statuses += 1
