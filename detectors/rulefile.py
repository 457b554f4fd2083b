"""Rule file: YAML as nodes that know their line, so that every mistake is refused with file, line and remedy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from core.errors import RuleError
from detectors.expression import UNITS_S

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)")


class Reader:
    """A YAML file as nodes that know their line."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        try:
            self.root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise RuleError(
                f"{path}:{line}", f"not YAML: {error.problem}", "Correct the indentation or quote the text"
            ) from error

    def fail(self, node: yaml.Node | None, problem: str, remedy: str) -> RuleError:
        line = node.start_mark.line + 1 if node is not None else 1
        return RuleError(f"{self.path}:{line}", problem, remedy)

    def mapping(
        self, node: yaml.Node | None, allowed: Iterable[str] | None, what: str
    ) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(node, f"{what} must be a mapping", "Write `key: value` lines")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if allowed is not None and key.value not in allowed:
                raise self.fail(
                    key, f"{what} has no key `{key.value}`", f"Use one of: {', '.join(sorted(allowed))}"
                )
            if key.value in found:
                raise self.fail(key, f"`{key.value}` is there twice", "Delete one of them")
            found[key.value] = value
        return found

    def sequence(self, node: yaml.Node | None, what: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self.fail(
                node, f"{what} must be a list with at least one entry", "Write `- …` lines or [a, b]"
            )
        return list(node.value)

    def text(self, node: yaml.Node | None, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self.fail(
                node, f"{what} must be text", "Write it on one line, in quotes if it has `:` or `#`"
            )
        return str(node.value).strip()

    def number(self, node: yaml.Node, what: str) -> float:
        """Return a number; with a unit of time, seconds."""
        text = self.text(node, what)
        if match := _DURATION.fullmatch(text):
            return float(match[1]) * UNITS_S[match[2]]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.fail(
                node, f"{what} is `{text}`, a number was expected", "Write 70, 0.5, or a time as `60 s`"
            )
        return value

    def flag(self, node: yaml.Node, what: str) -> bool:
        text = self.text(node, what)
        if text not in {"true", "false"}:
            raise self.fail(node, f"{what} is `{text}`", "Write true or false")
        return text == "true"
