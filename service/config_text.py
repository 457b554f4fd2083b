"""The configuration as text: the complete example, and a tree written back as TOML."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from core.levels import Level
from service.config import Config
from service.config_channel import Channel
from service.config_read import Between, Secret, Without, describe

HIDDEN = "********"


def example() -> str:
    """Return a TOML file with every key, its meaning and its default; reading it gives the defaults."""
    head = (
        "# Every key of Fengsui with its default. Keep what you change; an unknown key stops the start.\n"
        "# Any key may come from the environment: FENGSUI_MQTT__PORT=1884. KEY_file names a file with it.\n\n"
    )
    others = [kind() for kind in get_args(Channel) if kind().kind not in Config().channels]
    tables = [to_toml_table(f"channels.my_{one.kind}", one, explained=True) for one in others]
    return head + to_toml(Config(), explained=True) + "".join("\n" + _commented(table) for table in tables)


def to_toml(config: Config, *, explained: bool = False, hide_secrets: bool = False) -> str:
    """Return a tree as TOML; `explained` adds what each key means."""
    writer = _Writer(explained=explained, hide_secrets=hide_secrets)
    return "\n".join(writer.table("", config, frozenset())).lstrip("\n") + "\n"


def to_toml_table(name: str, table: Any, *, explained: bool) -> str:
    """Return one table of a tree."""
    return "\n".join(_Writer(explained=explained, hide_secrets=False).table(name, table, frozenset())) + "\n"


def meanings(kind: type) -> dict[str, str]:
    """Return what the docstring says about each field: lines `name   text`, continued by deeper ones."""
    found: dict[str, str] = {}
    name = ""
    for line in (inspect.getdoc(kind) or "").splitlines()[1:]:
        if match := re.match(r"(\w+(?:, \w+)*)\s{2,}(\S.*)", line):
            name = match[1]
            found |= dict.fromkeys(name.split(", "), match[2])
        elif name and line.startswith("  "):
            for one in name.split(", "):
                found[one] += " " + line.strip()
        else:
            name = ""
    return found


class _Writer:
    def __init__(self, *, explained: bool, hide_secrets: bool) -> None:
        self.explained, self.hide_secrets = explained, hide_secrets

    def table(self, name: str, node: Any, without: frozenset[str]) -> Iterator[str]:
        """Yield the lines of a table and of those within it."""
        hints = get_type_hints(type(node), include_extras=True)
        plain: list[str] = []
        deeper: list[str] = []
        for one in fields(node):
            if one.name not in without:
                (deeper if _is_table(getattr(node, one.name)) else plain).append(one.name)
        if name:
            yield ""
            if self.explained:
                yield f"# {inspect.getdoc(type(node)).splitlines()[0]}"  # type: ignore[union-attr]
            yield f"[{name}]"
        told = meanings(type(node))
        for key in plain:
            yield from self._key(key, getattr(node, key), hints[key], told.get(key, ""))
        for key in deeper:
            hidden = next((n.names for n in _notes(hints[key]) if isinstance(n, Without)), frozenset[str]())
            yield from self._tables(f"{name}.{key}" if name else key, getattr(node, key), hidden)

    def _tables(self, name: str, node: Any, without: frozenset[str]) -> Iterator[str]:
        if is_dataclass(node):
            yield from self.table(name, node, without)
        elif isinstance(node, Mapping):
            for key, value in node.items():
                yield from self.table(f"{name}.{_bare(key)}", value, frozenset())
        else:
            for n, item in enumerate(node):
                lines = list(self.table(name, item, frozenset()))
                lines = [line if line != f"[{name}]" else f"[[{name}]]" for line in lines]
                yield from lines if n == 0 else [line for line in lines if not line.startswith("#")]

    def _key(self, key: str, value: Any, hint: Any, told: str) -> Iterator[str]:
        notes = _notes(hint)
        if self.explained and told:
            bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
            takes = [str(note) for note in notes if isinstance(note, Between) and note.told]
            takes += [describe(bare)] if _is_choice(bare) and ":" not in told else []
            sentence = told + "".join(f" ({words})" for words in takes)
            yield from textwrap.wrap(sentence, 110, initial_indent="# ", subsequent_indent="# ")
        hide = self.hide_secrets and value and any(isinstance(note, Secret) for note in notes)
        yield f"{key} = {_value(HIDDEN if hide else value)}"


def _notes(hint: Any) -> tuple[Any, ...]:
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def _is_choice(hint: Any) -> bool:
    return describe(hint).startswith("one of") and len(get_args(hint)) > 1


def _is_table(value: Any) -> bool:
    if isinstance(value, tuple) and value:
        return is_dataclass(value[0])
    if isinstance(value, Mapping):
        return all(is_dataclass(item) for item in value.values())
    return is_dataclass(value)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Level():
            return json.dumps(value.en)
        case int() | float():
            return repr(value)
        case ZoneInfo():
            return json.dumps(value.key)
        case Mapping():
            return "{" + ", ".join(f"{_bare(key)} = {_value(item)}" for key, item in value.items()) + "}"
        case frozenset():
            return "[" + ", ".join(_value(item) for item in sorted(value)) + "]"
        case tuple():
            return "[" + ", ".join(_value(item) for item in value) + "]"
        case _:
            # A JSON text is a TOML text, but for DEL, which TOML wants escaped.
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _bare(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _commented(text: str) -> str:
    return "".join(f"# {line}\n" if line else "\n" for line in text.strip("\n").splitlines())
