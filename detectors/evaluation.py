"""Evaluation: the value of an expression at every instant, from the columns of its signals and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from detectors.expression import Node
from detectors.logic import BINARY, FUNCTIONS, known, truth
from detectors.rows import Floats


class Memory(Protocol):
    """What an expression remembers of its subjects."""

    def remember(self, memory: int, condition: Floats, exact: bool) -> Floats:
        """Return for how many seconds the condition has been true, NaN where it is not.

        With `exact`, NaN also where nobody saw it begin.
        """
        ...

    def learn(self, memory: int, of: Sequence[Floats], wanted_s: Floats) -> Floats:
        """Return the mean of a value over its first `wanted_s` seconds of use, NaN until then; see `baseline`."""
        ...


def evaluate(node: Node, columns: Mapping[str, Floats], memory: Memory) -> Floats:
    """Return the value of a node at every instant."""
    if node.op == "number":
        return np.full(len(next(iter(columns.values()))), node.value)
    if node.op == "name":
        return columns[node.name]
    of = [evaluate(part, columns, memory) for part in node.of]
    if node.op in BINARY:
        return BINARY[node.op](*of)
    if node.op == "not":
        return 1.0 - truth(of[0])
    if node.op == "neg":
        return -of[0]
    if node.op == "since":
        return memory.remember(node.memory, truth(of[0]), True)
    if node.op == "for":
        condition = truth(of[0])
        lasted = memory.remember(node.memory, condition, False)
        return np.where(condition == 1, (lasted >= of[1]) * 1.0, condition)
    if node.op == "baseline":
        return memory.learn(node.memory, [of[0], truth(of[1]), truth(of[2])], of[3])
    if node.op == "before":
        return known(of[0] - of[1] >= of[2], of[0], of[1])
    return FUNCTIONS[node.op][1](*of)
