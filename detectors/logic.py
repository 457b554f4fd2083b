"""Logic and arithmetic of expressions, on columns: three-valued, and unknown (NaN) is neither true nor false."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from detectors.rows import Floats


def both(a: Floats, b: Floats) -> Floats:
    """Return a and b: false if one is false, else unknown if one is unknown."""
    return np.where((a == 0) | (b == 0), 0.0, a * b)


def either(a: Floats, b: Floats) -> Floats:
    """Return a or b: true if one is true, else unknown if one is unknown."""
    return 1.0 - both(1.0 - a, 1.0 - b)


def truth(x: Floats) -> Floats:
    """Return a number as a condition: anything but 0 is true."""
    return np.where(np.isnan(x), x, (x != 0) * 1.0)


def known(result: NDArray[np.bool_], *of: Floats) -> Floats:
    """Return a comparison as a condition, unknown where an operand is."""
    unknown = np.isnan(of[0])
    for x in of[1:]:
        unknown = unknown | np.isnan(x)
    return np.where(unknown, math.nan, result * 1.0)


def _ratio(a: Floats, b: Floats) -> Floats:
    ratio: Floats = np.divide(a, b, out=np.full(len(a), math.nan), where=b != 0)
    return ratio


def unbalance(a: Floats, b: Floats, c: Floats) -> Floats:
    """Return the negative-sequence voltage unbalance, in %, from the three line voltages.

    sqrt((1 - sqrt(3 - 6·beta)) / (1 + sqrt(3 - 6·beta))), beta = Σu⁴ / (Σu²)². Source: IEC 61000-4-30 (clause not
    verified). The largest deviation from the mean is another quantity.
    """
    squares = a * a + b * b + c * c
    beta = _ratio(a**4 + b**4 + c**4, squares * squares)
    root = np.sqrt(np.maximum(3.0 - 6.0 * beta, 0.0))
    # Three lines always close a triangle; where rounding or a fault says otherwise, the quotient is cut at 100 %.
    share: Floats = np.sqrt(np.divide(np.maximum(1.0 - root, 0.0), 1.0 + root))
    share *= 100.0
    return share


FUNCTIONS: Mapping[str, tuple[int, Callable[..., Floats]]] = {
    "abs": (1, np.abs),
    "min": (2, np.minimum),
    "max": (2, np.maximum),
    "unbalance": (3, unbalance),
}
BINARY: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "and": lambda a, b: both(truth(a), truth(b)),
    "or": lambda a, b: either(truth(a), truth(b)),
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": _ratio,
    "<": lambda a, b: known(a < b, a, b),
    "<=": lambda a, b: known(a <= b, a, b),
    ">": lambda a, b: known(a > b, a, b),
    ">=": lambda a, b: known(a >= b, a, b),
    "==": lambda a, b: known(a == b, a, b),
    "!=": lambda a, b: known(a != b, a, b),
}
