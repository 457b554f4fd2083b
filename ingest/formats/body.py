"""Body: what the bytes of a message become before anybody looks into them; docs/wire.md §9.

json    as it is; `nan` and `inf` as C prints them spoil one value only
lines   JSON, one message in each line                            an array
text    the whole is one text                                     "21.5"
csv     lines of cells, with a header unless the columns are said  [{column: text}]
pairs   temp=21.5;hum=60                                          {name: text}
influx  line protocol                                             [{"measurement", "tags", "fields", "time"}]
hex     raw bytes                                                 "01ff…", for registers
"""

from __future__ import annotations

import base64
import binascii
import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.reject import Reason
from ingest.formats.contract import Refusal, brief, parse_json
from ingest.formats.pointer import Pointer, find

# Bounds of one message that is no JSON; nobody sends as much.
MOST_LINES, MOST_CELLS, LONGEST_LINE = 2_000, 10_000, 32_768
_BARE = re.compile(rb"([:\[,]\s*)-?(?:nan|inf(?:inity)?)(?=\s*[,}\]])", re.IGNORECASE)
_INFLUX = re.compile(r'((?:\\.|[^\s\\])+)\s+((?:"(?:\\.|[^"\\])*"|\\.|[^\s"\\])+)(?:\s+(-?\d{1,19}))?\s*')
# Possessive, and matched one behind the other: to search for fields in what has none takes the square of its length.
_FIELD = re.compile(r'((?:\\.|[^,=\\])++)=("(?:\\.|[^"\\])*+"|[^,]*+)(?:,|$)')
_BOOLEANS = dict.fromkeys(("t", "T", "true", "True", "TRUE"), True) | dict.fromkeys(
    ("f", "F", "false", "False", "FALSE"), False
)


@dataclass(frozen=True, slots=True)
class Form:
    """How a vendor writes his bytes.

    encoding    of the text; "" = UTF-8
    columns     of csv, () = the first line names them · separator of its cells
    between, sign   characters that part pairs, and the name from the value in them
    inside      texts that are JSON themselves, or that in base64
    """

    kind: str = "json"
    encoding: str = ""
    columns: tuple[str, ...] = ()
    separator: str = ","
    between: str = ";&\n"
    sign: str = "="
    inside: tuple[Pointer, ...] = ()

    def body(self, payload: bytes) -> Any:
        """Return what the bytes say as JSON would; raises Refusal."""
        if self.kind == "hex":
            return payload.hex()
        if self.kind == "json":
            body = parse_loose(self.text(payload).encode() if self.encoding else payload)
        else:
            body = _READ[self.kind](self.text(payload), self)
        for pointer in self.inside:
            _open(body, pointer)
        return body

    def text(self, payload: bytes) -> str:
        """Return the text that bytes are; raises Refusal."""
        try:
            return payload.decode(self.encoding or "utf-8-sig")
        except UnicodeDecodeError as error:
            raise Refusal(
                Reason.NOT_UTF8, f"byte {error.start} is not {self.encoding.upper() or 'UTF-8'}"
            ) from None


def parse_loose(payload: bytes) -> Any:
    """Return JSON in which a number may be a bare nan or inf; raises Refusal."""
    try:
        return parse_json(payload)
    except Refusal as refusal:
        if refusal.reason is not Reason.BAD_JSON or not _BARE.search(payload):
            raise
    return parse_json(_BARE.sub(rb"\1NaN", payload))


def _few(n: int, most: int, what: str) -> None:
    if n > most:
        raise Refusal(Reason.TOO_LARGE, f"{n} {what}, at most {most}")


def _lines(text: str, _form: Form) -> list[Any]:
    return [parse_json(line.encode()) for line in _split(text)]


def _split(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    _few(len(lines), MOST_LINES, "lines")
    if not lines:
        raise Refusal(Reason.BAD_SHAPE, "the message is empty")
    return lines


def _cells(text: str, form: Form) -> list[dict[str, str]]:
    _few(text.count(form.separator), MOST_CELLS, "cells")
    try:
        rows = list(csv.reader(_split(text), delimiter=form.separator, skipinitialspace=True))
    except csv.Error as error:
        raise Refusal(Reason.BAD_SHAPE, f"no csv: {error}") from None
    columns = form.columns or tuple(rows.pop(0))
    for row in rows:
        if len(row) != len(columns):
            raise Refusal(Reason.BAD_SHAPE, f"{len(row)} cells, expected {len(columns)}")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _pairs(text: str, form: Form) -> dict[str, str]:
    pairs = {}
    _few(text.count(form.sign), MOST_CELLS, "pairs")
    _few(sum(map(text.count, form.between)), 2 * MOST_CELLS, "separators")
    for piece in re.split(f"[{re.escape(form.between)}]", text):
        name, sign, value = piece.partition(form.sign)
        if sign and name.strip():
            pairs[name.strip()] = value.strip()
        elif piece.strip():
            raise Refusal(Reason.BAD_SHAPE, f"{brief(piece)}: expected name{form.sign}value")
    return pairs


def _influx(text: str, _form: Form) -> list[dict[str, Any]]:
    _few(text.count("="), MOST_CELLS, "tags and fields")
    return [_point(line) for line in _split(text) if not line.startswith("#")]


def _point(line: str) -> dict[str, Any]:
    _few(len(line), LONGEST_LINE, "characters in a line")
    match = _INFLUX.fullmatch(line)
    if match is None:
        raise Refusal(Reason.BAD_SHAPE, f"{brief(line)} is no line protocol")
    measurement, *tags = (_bare(part) for part in re.split(r"(?<!\\),", match[1]))
    return {
        "measurement": measurement,
        "tags": dict(tag.split("=", 1) for tag in tags if "=" in tag),
        "fields": dict(_fields(match[2])),
        "time": int(match[3]) if match[3] else None,
    }


def _fields(text: str) -> Iterator[tuple[str, Any]]:
    at = 0
    while at < len(text):
        match = _FIELD.match(text, at)
        if match is None:
            raise Refusal(Reason.BAD_SHAPE, f"{brief(text[at:])}: expected field=value")
        yield _bare(match[1]), _field(match[2])
        at = match.end()


def _bare(text: str) -> str:
    return re.sub(r"\\([,= \\])", r"\1", text)


def _field(text: str) -> Any:
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    try:
        return int(text[:-1]) if text[-1:] in ("i", "u") else float(text)
    except ValueError:
        return text.strip('"')


_READ: Mapping[str, Callable[[str, Form], Any]] = {
    "text": lambda text, _form: text.strip(), "lines": _lines, "csv": _cells, "pairs": _pairs, "influx": _influx,
}  # fmt: skip
KINDS = ("json", *_READ, "hex")


def _open(body: Any, pointer: Pointer) -> None:
    """Put what a text says in its place; raises Refusal when it is no JSON."""
    around, last = find(body, pointer[:-1]), pointer[-1]
    text = around.get(last) if isinstance(around, dict) else None
    if not isinstance(text, str):
        return
    if not text.lstrip().startswith(("{", "[")):
        try:
            text = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, ValueError):
            raise Refusal(Reason.BAD_JSON, f"{brief(text)} at {brief(last)} is no JSON") from None
    around[last] = parse_loose(text.encode())
