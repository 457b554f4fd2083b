"""From TOML and environment to frozen dataclasses, by type hints; what does not fit is a ConfigError."""

from __future__ import annotations

import difflib
import enum
import json
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NoReturn,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import ConfigError
from core.levels import Level

PREFIX = "FENGSUI_"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Between:
    """Annotates a number: both ends included; `told` says whether the example shows them."""

    low: float
    high: float
    told: bool = True

    def __str__(self) -> str:
        return f"{self.low:.15g} to {self.high:.15g}"


@dataclass(frozen=True, slots=True)
class Secret:
    """Annotates a text that is never shown."""


class Without:
    """Annotates a dataclass: these of its fields are worked out, not configured."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)


@dataclass(frozen=True, slots=True)
class FromEnvironment:
    """A value that came as text from the variable `name`."""

    name: str
    text: str


# ── reading ───────────────────────────────────────────────────────────────────
def read_file(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(
            str(path), f"cannot be read ({error.strerror})", "Name a file: --config FILE, or FENGSUI_CONFIG"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            str(path), f"is no TOML: {error}", "`fengsui config example` prints a file to begin with"
        ) from error


def read_environment(config: type, env: Mapping[str, str]) -> dict[str, Any]:
    """Return the variables FENGSUI_SECTION__KEY as a tree like the file's.

    Raises ConfigError for FENGSUI_SECTION_KEY with one underline, which would otherwise go unheard.
    """
    sections = {field.name for field in fields(config)}
    tree: dict[str, Any] = {}
    for name, text in sorted(env.items()):
        path = name.removeprefix(PREFIX).lower().split("__")
        if not name.startswith(PREFIX) or path[0] not in sections:
            _refuse_near_miss(name, sections)
        else:
            node = tree
            for part in path[:-1]:
                node = node.setdefault(part, {})
            node[path[-1]] = FromEnvironment(name, text)
    return tree


def _refuse_near_miss(name: str, sections: set[str]) -> None:
    if not name.startswith(PREFIX):
        return
    section, _, key = name.removeprefix(PREFIX).lower().partition("_")
    if "__" in name or (section in sections and key):
        remedy = f"Sections are {', '.join(sorted(sections))}; write FENGSUI_SECTION__KEY with two underlines"
        raise ConfigError(f"environment {name}", "names no key of the configuration", remedy)


def merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """Return both trees as one; where both have a leaf, that of `high`."""
    merged = dict(low)
    for key, value in high.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


# ── building ──────────────────────────────────────────────────────────────────
def build(kind: type[T], given: object, *, file: str) -> T:
    """Return the dataclass.  Raises ConfigError for unknown keys, wrong types, impossible values."""
    return cast("T", _Builder(file).convert(kind, given, (), None))


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file

    def convert(self, hint: Any, given: object, path: tuple[str, ...], base: object) -> Any:
        """Return `given` as the type that `hint` names; what a table does not say is as in `base`."""
        notes: tuple[Any, ...] = ()
        if get_origin(hint) is Annotated:
            hint, *rest = get_args(hint)
            notes = tuple(rest)
        if is_dataclass(hint):
            without = next((note.names for note in notes if isinstance(note, Without)), frozenset[str]())
            return self._dataclass(cast("type", hint), given, path, base=base, without=without)
        if isinstance(hint, types.UnionType) or get_origin(hint) is Union:
            return self._union(get_args(hint), given, path)
        if get_origin(hint) is not None and get_origin(hint) is not Literal:
            return self._many(hint, given, path, base)
        return self._leaf(hint, given, path, notes)

    def _dataclass(
        self, kind: Any, given: object, path: tuple[str, ...], *, base: object, without: frozenset[str]
    ) -> Any:
        if not isinstance(given, Mapping):
            self._refuse(path, given, "a table")
        hints = get_type_hints(kind, include_extras=True)
        known = {field.name: hints[field.name] for field in fields(kind) if field.name not in without}
        values = {}
        for key, value in given.items():
            name, value = self._from_file(key, value, known, path)  # noqa: PLW2901 - the file's content stands for it
            if name not in known:
                self._unknown((*path, key), value, known)
            values[name] = self.convert(known[name], value, (*path, name), _default(kind, base, name))
        if base is not None:
            return replace(cast("Any", base), **values)
        missing = [
            f.name for f in fields(kind) if f.default is MISSING is f.default_factory and f.name not in values
        ]
        if missing:
            raise ConfigError(self._where(path, given), f"lacks {', '.join(missing)}", "Add it")
        return kind(**values)

    def _from_file(
        self, key: str, value: object, known: Mapping[str, Any], path: tuple[str, ...]
    ) -> tuple[str, object]:
        """Return (password, content) for (password_file, path)."""
        name = key.removesuffix("_file")
        if key in known or name == key or name not in known:
            return key, value
        place = value.text if isinstance(value, FromEnvironment) else value
        try:
            text = Path(str(place)).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            where = self._where((*path, key), value)
            raise ConfigError(
                where, f"{place} cannot be read ({error})", "Name a file that we may read"
            ) from error
        label = value.name if isinstance(value, FromEnvironment) else f"{key} = {place}"
        return name, FromEnvironment(label, text)

    def _union(self, kinds: Sequence[Any], given: object, path: tuple[str, ...]) -> Any:
        """Return the one of several dataclasses whose `kind` is named."""
        by_kind = {get_args(get_type_hints(kind)["kind"])[0]: kind for kind in kinds}
        if not isinstance(given, Mapping):
            self._refuse(path, given, "a table")
        named = given.get("kind")
        named = named.text if isinstance(named, FromEnvironment) else named
        if named not in by_kind:
            self._refuse((*path, "kind"), given.get("kind"), "one of " + ", ".join(sorted(by_kind)))
        return self.convert(by_kind[named], given, path, None)

    def _many(self, hint: Any, given: object, path: tuple[str, ...], base: object) -> Any:
        origin, arguments = get_origin(hint), get_args(hint)
        if origin not in (tuple, frozenset):
            return self._mapping(arguments[1], given, path, base)
        items = self._items(given, path)
        hints = (
            list(arguments)
            if origin is tuple and arguments[-1] is not Ellipsis
            else arguments[:1] * len(items)
        )
        if len(items) != len(hints):
            self._refuse(path, given, f"a list of {len(hints)}")
        return origin(self.convert(h, item, path, None) for h, item in zip(hints, items, strict=True))

    def _mapping(self, hint: Any, given: object, path: tuple[str, ...], base: object) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            self._refuse(path, given, "a table")
        named = {str(key): self.convert(hint, value, (*path, str(key)), None) for key, value in given.items()}
        # Named tables join those that are there by default; a plain mapping is meant whole.
        kept = base if isinstance(hint, types.UnionType) else None
        return {**cast("dict[str, Any]", kept or {}), **named}

    def _items(self, given: object, path: tuple[str, ...]) -> list[Any]:
        """Return a list's items; from the environment JSON, or words with commas between."""
        if not isinstance(given, FromEnvironment):
            if not isinstance(given, list):
                self._refuse(path, given, "a list")
            return given
        if not given.text.lstrip().startswith("["):
            words = [word.strip() for word in given.text.split(",")]
            return [FromEnvironment(given.name, word) for word in words if word]
        try:
            return cast("list[Any]", json.loads(given.text))
        except ValueError:
            self._refuse(path, given, "a JSON list, or words with commas between")

    def _leaf(self, hint: Any, given: object, path: tuple[str, ...], notes: Sequence[Any]) -> Any:
        expected = describe(hint, notes)
        raw = _parse(hint, given.text) if isinstance(given, FromEnvironment) else given
        value = _fit(hint, raw)
        between = next((note for note in notes if isinstance(note, Between)), None)
        if value is None or (between and not between.low <= value <= between.high):
            self._refuse(path, given, expected, secret=any(isinstance(note, Secret) for note in notes))
        return value

    # ── complaints ────────────────────────────────────────────────────────────
    def _where(self, path: Sequence[str], given: object) -> str:
        if isinstance(given, FromEnvironment):
            return (
                f"environment {given.name}" if given.name.startswith(PREFIX) else f"{self.file} {given.name}"
            )
        table = ".".join(path[:-1])
        return f"{self.file} [{table}] {path[-1]}" if table else f"{self.file} [{''.join(path)}]"

    def _refuse(self, path: Sequence[str], given: object, expected: str, *, secret: bool = False) -> NoReturn:
        found = given.text if isinstance(given, FromEnvironment) else given
        shown = "it" if secret else "nothing" if found is None else repr(found)
        where = self._where(path, given)
        raise ConfigError(
            where, f"found {shown}, expected {expected}", "`fengsui config example` shows every key"
        )

    def _unknown(self, path: Sequence[str], given: object, known: Mapping[str, Any]) -> NoReturn:
        near = difflib.get_close_matches(path[-1], known, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(known)}"
        raise ConfigError(self._where(path, given), "is no key of the configuration", remedy)


def _default(kind: Any, base: object, name: str) -> object:
    """Return what a field is when nothing is said about it, None when there is nothing."""
    if base is not None:
        return getattr(base, name)
    found = next(field for field in fields(kind) if field.name == name)
    if found.default is not MISSING:
        return found.default
    return found.default_factory() if found.default_factory is not MISSING else None


def describe(hint: Any, notes: Sequence[Any] = ()) -> str:
    """Return what a key takes, in words."""
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    if hint in words:
        return " ".join([words[hint], *(f"from {note}" for note in notes if isinstance(note, Between))])
    if hint is Level:
        return "one of " + ", ".join(level.en for level in Level)
    return "a time zone such as Asia/Shanghai" if hint is ZoneInfo else str(hint)


def _parse(hint: Any, text: str) -> object:
    """Return a variable's text as TOML would have given it; the text itself when it does not fit."""
    text = text.strip() if hint is not str else text
    if hint is bool:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
            text.lower()
        )
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            return None
    return text


def _fit(hint: Any, raw: object) -> Any:
    """Return the value, None when `raw` is of another type."""
    if get_origin(hint) is Literal:
        return raw if raw in get_args(hint) else None
    if hint is float:
        return float(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) else None
    if hint is Level:
        return _or_none(Level.parse, raw)
    if hint is ZoneInfo:
        return _or_none(ZoneInfo, raw)
    if isinstance(hint, enum.EnumMeta):
        return _or_none(hint, raw)
    # bool is an int to Python, and not to us.
    return raw if type(raw) is hint else None


def _or_none(make: Any, raw: object) -> Any:
    if not isinstance(raw, str):
        return None
    try:
        return make(raw)
    except (ValueError, ZoneInfoNotFoundError):
        return None
