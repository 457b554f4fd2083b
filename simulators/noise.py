"""Randomness as a function of its key: the same seed and time give the same value, in any order of asking."""

from __future__ import annotations

import math
from hashlib import blake2b

_TOP = float(1 << 64)


def _bits(key: tuple[object, ...]) -> int:
    text = "|".join(map(str, key)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest())


def chance(*key: object) -> float:
    """Return a number in [0, 1), evenly spread over keys."""
    return _bits(key) / _TOP


def between(low: float, high: float, *key: object) -> float:
    """Return a number in [low, high), evenly spread over keys."""
    return low + (high - low) * chance(*key)


def gauss(*key: object) -> float:
    """Return a number of mean 0 and deviation 1, never beyond 3.5: a sensor's noise has no long tail here."""
    bits = _bits(key)
    quarters = sum((bits >> shift) & 0xFFFF for shift in (0, 16, 32, 48)) / 65536.0
    return (quarters - 2.0) * math.sqrt(3.0)


def drift(t: float, period_s: float, *key: object) -> float:
    """Return a smooth curve in [-1, 1] whose turning points lie `period_s` apart."""
    step, part = divmod(t / period_s, 1.0)
    before, after = (between(-1.0, 1.0, *key, int(step) + k) for k in (0, 1))
    return before + (after - before) * (1.0 - math.cos(math.pi * part)) / 2.0
