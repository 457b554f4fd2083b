"""Sparkplug B, docs/wire.md §5: births announce metrics, data names them by alias, deaths make them stale.

    spBv1.0/{group}/{N|D}{BIRTH|DATA|DEATH|CMD}/{edge node}[/{device}]      spBv1.0/STATE/{host}

The edge node is a gateway of the registry, its devices are devices behind it; metrics of the node itself belong to the
device of the node's own name, or to its only one.  What is known of a node lives in memory: after our restart nodes are
asked for a rebirth.  Death and staleness: every reading that the node gave last is repeated with quality BAD, so
it is stored as stale, no rule looks at it, and silence is told by the rules of silence.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from core.batch import Quality
from core.reject import Reason
from core.time import MS, SECOND
from ingest.columns import ABSENT, Columns, Message, Presence, Reply
from ingest.feed import Feed
from ingest.formats.contract import Format, Refusal, Refusing, brief
from ingest.formats.names import AS_IS, Meaning, Readings, load_names
from ingest.formats.place import Origin, Places
from ingest.formats.sparkplug_layout import MOST_LAYOUTS, Layout, learn
from ingest.formats.sparkplug_wire import (
    Metric,
    Payload,
    Quick,
    number_of,
    quick,
    read,
    rebirth,
    signed,
    unsigned,
    varint,
)
from ingest.instant import LARGEST
from registry.catalog import Catalog

DEFAULT = Feed("spBv1.0/#", "sparkplug")
NAMESPACE = "spBv1.0"
# A node is asked for its births no more often than this, all nodes together no more than so many a second.
ASK_EVERY = 30 * SECOND
MOST_ASKED_PER_S = 20
# Groups and devices that a gateway invents must not fill the memory.
MOST_NODES = 50_000
MOST_TOPICS = 200_000
# Layouts are learned for so many lengths of messages of a device, and of so many metrics.
MOST_LENGTHS = 64
LARGEST_LAYOUT = 500
# Metrics of the protocol itself.
_CONTROL = ("bdSeq", "Node Control/", "Device Control/")


@dataclass(slots=True)
class Entry:
    """A metric as its birth announced it; series 0 = the registry does not want it."""

    name: str
    datatype: int
    series: int
    meaning: Meaning


@dataclass(slots=True)
class Table:
    """The metrics of a node or of one of its devices; `last` is the newest value of each series."""

    origin: Origin
    by_alias: dict[bytes, Entry] = field(default_factory=dict)
    by_name: dict[str, Entry] = field(default_factory=dict)
    last: dict[int, float] = field(default_factory=dict)
    layouts: dict[int, list[Layout]] = field(default_factory=dict)


@dataclass(slots=True)
class Node:
    """An edge node; seq -1 = unknown, bd_seq -1 = not born."""

    group: str
    edge: str
    gateway: int
    seq: int = -1
    bd_seq: int = -1
    born: bool = False
    asked: int = 0
    tables: dict[str, Table] = field(default_factory=dict)


class SparkplugFormat:
    """See the module."""

    def __init__(self, feed: Feed = DEFAULT) -> None:
        self.feed = feed
        self.places = Places(load_names(feed.names))
        self.nodes: dict[tuple[str, str], Node] = {}
        self._catalog: Catalog | None = None
        self._asked: tuple[int, int] = (0, 0)
        self._data_topics: dict[str, tuple[Node, str]] = {}

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        if catalog is not self._catalog:
            self.places.follow(catalog)
            self._follow(catalog)
        known = self._data_topics.get(message.topic)
        if known is not None:
            with Refusing(columns, known[0].gateway):
                self._take_data(known[0], known[1], message, columns)
            return
        levels = message.topic.split("/")
        if len(levels) >= 3 and (levels[1] == "STATE" or levels[2] in ("NCMD", "DCMD")):
            columns.statuses += 1
            return
        code = self.feed.gateway or (levels[3] if len(levels) > 3 else "")
        with Refusing(columns, self.places.owner(code)):
            kind, node, device = self._addressed(levels, code)
            if kind == "DATA":
                if len(self._data_topics) >= MOST_TOPICS:
                    self._data_topics.clear()
                self._data_topics[message.topic] = node, device
                self._take_data(node, device, message, columns)
            elif kind == "BIRTH":
                self._take_birth(node, device, message, columns)
            elif device:
                self._device_died(node, device, message, columns)
            else:
                self._node_died(node, message, columns)

    def adopt(self, before: Format) -> None:
        """Go on with the births that another one has seen; what their names mean is looked up anew."""
        if isinstance(before, SparkplugFormat):
            self.nodes, self._catalog = before.nodes, None

    def _take_data(self, node: Node, device: str, message: Message, columns: Columns) -> None:
        """Take a data message by its layout, else as a usual one, else metric by metric."""
        table = node.tables.get(device)
        if table and (seq := _take_by_layout(table, message.payload, columns)) is not None:
            if seq == (node.seq + 1) % 256 and node.born:
                node.seq = seq
            else:
                self._follow_number(node, seq, message, columns)
            return
        parsed = quick(message.payload)
        payload = None if parsed else read(message.payload)
        self._follow_number(node, (parsed or payload).seq, message, columns)  # type: ignore[union-attr]
        table = table or self._new_table(node, device)
        if parsed and _take_quickly(table, parsed, message.payload, columns):
            return
        strange = _take(table, payload or read(message.payload), columns)
        if strange:
            self._ask(node, message, columns)
            known = "that its birth did not announce" if table.by_name else "before its birth"
            detail = f"alias {', '.join(map(str, strange[:4]))} {known}; a rebirth is asked for"
            raise Refusal(Reason.INCOMPLETE, detail, table.origin.gateway)

    def _take_birth(self, node: Node, device: str, message: Message, columns: Columns) -> None:
        payload = read(message.payload)
        if device:
            self._follow_number(node, payload.seq, message, columns)
        else:
            node.tables.clear()
            node.born, node.seq, node.bd_seq = True, payload.seq, _bd_seq(payload)
        table = self._new_table(node, device)
        _announce(table, payload)
        _take(table, payload, columns)

    def _follow(self, catalog: Catalog) -> None:
        """Look everything announced up again in another catalog."""
        self._catalog = catalog
        self._data_topics.clear()
        for node in self.nodes.values():
            code = self.feed.gateway or node.edge
            for device, table in list(node.tables.items()):
                try:
                    table.origin = self.places.find(code, device or node.edge)
                except Refusal:
                    del node.tables[device]
                    continue
                table.last.clear()
                table.layouts.clear()
                for entry in {
                    id(one): one for one in [*table.by_alias.values(), *table.by_name.values()]
                }.values():
                    entry.series, entry.meaning = _wanted(table.origin, entry.name)

    def _addressed(self, levels: list[str], code: str) -> tuple[str, Node, str]:
        """Return (BIRTH, DATA or DEATH; node; device or ""); raises Refusal."""
        kind = levels[2] if len(levels) in (4, 5) and levels[0] == NAMESPACE else ""
        of_device = kind.startswith("D")
        if (
            kind[1:] not in ("BIRTH", "DATA", "DEATH")
            or kind[0] not in "ND"
            or of_device != (len(levels) == 5)
        ):
            raise Refusal(Reason.UNKNOWN_TOPIC, f"{brief('/'.join(levels))} is no topic of Sparkplug B")
        gateway = self.places.gateway(code)
        if gateway is None:
            raise Refusal(Reason.UNKNOWN_GATEWAY, f"no gateway {brief(code)} in the registry")
        key = levels[1], levels[3]
        node = self.nodes.get(key)
        if node is None:
            if len(self.nodes) >= MOST_NODES:
                self.nodes.pop(next(iter(self.nodes)))
            node = self.nodes[key] = Node(*key, gateway.id)
        return kind[1:], node, levels[4] if of_device else ""

    def _new_table(self, node: Node, device: str) -> Table:
        origin = self.places.find(self.feed.gateway or node.edge, device or node.edge)
        table = node.tables[device] = Table(origin)
        return table

    def _follow_number(self, node: Node, seq: int, message: Message, columns: Columns) -> None:
        """Ask for births where a message is missing; one that the broker sent again proves nothing."""
        if message.dup:
            return
        if seq < 0 or (node.seq >= 0 and seq != (node.seq + 1) % 256):
            columns.gaps[node.gateway] += 1
            self._ask(node, message, columns)
        if not node.born:
            self._ask(node, message, columns)
        node.seq = seq

    def _ask(self, node: Node, message: Message, columns: Columns) -> None:
        """Send the rebirth command, unless this node or too many others were asked just now."""
        now = message.arrived
        second, n_asked = self._asked
        if second != now // SECOND:
            second, n_asked = now // SECOND, 0
        if now - node.asked < ASK_EVERY or n_asked >= MOST_ASKED_PER_S:
            return
        node.asked, self._asked = now, (second, n_asked + 1)
        columns.replies.append(Reply(f"{NAMESPACE}/{node.group}/NCMD/{node.edge}", rebirth(now // MS)))

    def _device_died(self, node: Node, device: str, message: Message, columns: Columns) -> None:
        self._follow_number(node, read(message.payload).seq, message, columns)
        table = node.tables.pop(device, None)
        if table:
            _stale(table, message.arrived, columns)
        columns.statuses += 1

    def _node_died(self, node: Node, message: Message, columns: Columns) -> None:
        """Make everything of a node stale; the will of an older session of it is not about this one."""
        columns.statuses += 1
        if not node.born or _bd_seq(read(message.payload)) != node.bd_seq:
            return
        for table in node.tables.values():
            _stale(table, message.arrived, columns)
        node.tables.clear()
        node.born, node.seq = False, -1


def _bd_seq(payload: Payload) -> int:
    """Return the number that joins a birth and its death, -1 = none."""
    found = [metric.value for metric in payload.metrics if metric.name == "bdSeq"]
    return found[0] if found and isinstance(found[0], int) else -1


def _announce(table: Table, payload: Payload) -> None:
    """Learn the metrics of a birth certificate."""
    for metric in payload.metrics:
        if metric.name and not metric.name.startswith(_CONTROL):
            entry = Entry(metric.name, metric.datatype, *_wanted(table.origin, metric.name))
            table.by_name[metric.name] = entry
            if metric.alias >= 0:
                table.by_alias[varint(metric.alias)] = entry


def _wanted(origin: Origin, name: str) -> tuple[int, Meaning]:
    try:
        return origin.channels[name]
    except KeyError:
        return 0, AS_IS


def _stale(table: Table, t: int, columns: Columns) -> None:
    """Say that nothing of a dead device is known any more: its last values once more, as BAD."""
    columns.series += table.last
    columns.value += table.last.values()
    columns.t += [t] * len(table.last)
    columns.mark(len(table.last), Quality.BAD)


def _take_by_layout(table: Table, payload: bytes, columns: Columns) -> int | None:
    """Take a message that looks like an earlier one and return its number; None for any other."""
    for layout in table.layouts.get(len(payload), ()):
        found = layout.read(payload)
        if found is None:
            continue
        _t, seq, times, values = found
        if not _finite(values):
            return None
        columns.series += layout.series
        columns.t += times
        columns.value += values
        columns.unclaimed += layout.n_unclaimed
        table.last.update(zip(layout.series, values, strict=True))
        return seq
    return None


def _take_quickly(table: Table, payload: Quick, raw: bytes, columns: Columns) -> bool:
    """Take a usual data message and learn its layout; say False when something in it needs a closer look."""
    series, values, times = [], [], []
    aliases, t, ts, n_unclaimed = table.by_alias, payload.t, b"", 0
    for one in payload.metrics:
        entry = aliases.get(one[1])
        if entry is None or entry.meaning is not AS_IS:
            return False
        if one[2] != ts:
            ts = one[2]
            t = unsigned(ts) if ts else payload.t
        if entry.series:
            series.append(entry.series)
            values.append(number_of(one, entry.datatype))
            times.append(t)
        else:
            n_unclaimed += 1
    if not _finite(values):
        return False
    columns.series += series
    columns.t += times
    columns.value += values
    columns.unclaimed += n_unclaimed
    table.last.update(zip(series, values, strict=True))
    _learn(table, payload, raw)
    return True


def _finite(values: list[float]) -> bool:
    """Whether a sum is a number; one that overflows is looked at closely, too."""
    total = sum(values)
    return total - total == 0


def _learn(table: Table, payload: Quick, raw: bytes) -> None:
    known = table.layouts.setdefault(len(raw), [])
    if len(known) >= MOST_LAYOUTS or len(table.layouts) > MOST_LENGTHS:
        return
    wanted = {alias: (entry.series, entry.datatype) for alias, entry in table.by_alias.items()}
    layout = learn(raw, payload, wanted)
    if layout is not None and len(payload.metrics) <= LARGEST_LAYOUT:
        known.append(layout)


def _take(table: Table, payload: Payload, columns: Columns) -> list[int]:
    """Take metrics one by one; return the aliases that were never announced."""
    readings = table.origin.readings(columns)
    strange: list[int] = []
    for metric in payload.metrics:
        if metric.name.startswith(_CONTROL):
            continue
        entry = table.by_name.get(metric.name)
        if entry is None and not metric.name and metric.alias >= 0:
            entry = table.by_alias.get(varint(metric.alias))
        if entry is None and not metric.name:
            strange.append(metric.alias)
            continue
        with Refusing(columns, table.origin.gateway):
            _take_metric(metric, entry, payload.t, table=table, readings=readings)
    columns.unclaimed += len(readings.unclaimed)
    return strange


def _take_metric(metric: Metric, entry: Entry | None, t: int, *, table: Table, readings: Readings) -> None:
    name, value, columns = entry.name if entry else metric.name, metric.value, readings.columns
    if isinstance(value, bytes):
        if _wanted(table.origin, name)[0]:
            raise Refusal(Reason.BAD_SHAPE, f"{brief(name)}: {value.decode()} is no reading")
        columns.unclaimed += 1
        return
    if entry and metric.datatype == 0 and isinstance(value, int) and not isinstance(value, bool):
        value = signed(value, entry.datatype)
    before = len(columns.series)
    readings.take(name, value, _instant(metric.t or t), metric.quality)
    if len(columns.series) > before:
        table.last[columns.series[-1]] = columns.value[-1] or 0.0
        if metric.historical:
            columns.mark_historical(1)


def _instant(t: int) -> int:
    if t > LARGEST:
        raise Refusal(Reason.BAD_TIME, f"{t} is not a time: ms since 1970-01-01T00:00Z")
    return t or ABSENT


def presence(host: str, t: int) -> Presence:
    """Return what we publish as the host application of that name, born at t ns."""
    online, offline = (f'{{"online":{word},"timestamp":{t // MS}}}'.encode() for word in ("true", "false"))
    return Presence(f"{NAMESPACE}/STATE/{host}", online, offline)
