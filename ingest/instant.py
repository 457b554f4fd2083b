"""Instants: numbers as gateways send them, made int64 nanoseconds."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

# Two of them still add up to an int64.
LARGEST = 4 * 10**18
# Below this the unit has so many ns: s, ms, µs.  10^11 s is in 5138, 10^11 ms in 1973: no date is misread.
_UNITS = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))
_LAST = np.iinfo(np.int64).max


def nanoseconds(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ns, cut to whole µs, of numbers of s, ms, µs or ns, told by magnitude.

    numbers : int64[N]   negative ones stay negative; what int64 ns cannot hold becomes 2262
    """
    if not len(numbers):
        return numbers
    low, high = numbers.min(), numbers.max()
    if low >= _UNITS[0][0] and high <= _LAST // 10**6 and high < _UNITS[1][0]:
        return numbers * 10**6  # all are ms, as the page says they should be
    ns = numbers.copy()
    above = -_LAST
    for below, factor in _UNITS:
        chosen = (numbers >= above) & (numbers < below)
        ns[chosen] = np.minimum(numbers[chosen], _LAST // factor) * factor
        above = below
    ns[numbers < 0] = -1000
    return ns - ns % 1000


def from_float(number: float) -> int:
    """Return a number with a fraction as an integer that `nanoseconds` reads back as that instant.

    number : finite, >= 0, in s, ms, µs or ns by magnitude; taken as its decimal text, which is what was meant
    """
    if number < 10**8:
        return int(
            number
        )  # before 1973 in any unit: too old whatever the fraction; as ns it would be taken for ms
    for below, factor in _UNITS:
        if number < below:
            return min(int(Decimal(repr(number)) * factor), LARGEST)
    return int(number)
