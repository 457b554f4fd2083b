"""All operators by name: the vocabulary of rules."""

from __future__ import annotations

from collections.abc import Mapping

from detectors.cusum import CUSUM
from detectors.ewma import EWMA
from detectors.hampel import HAMPEL
from detectors.operator import Operator
from detectors.rate import RATE
from detectors.stuck import STUCK
from detectors.thermal import THERMAL
from detectors.value import VALUE

OPERATORS: Mapping[str, Operator] = {
    operator.name: operator for operator in (VALUE, RATE, EWMA, CUSUM, HAMPEL, STUCK, THERMAL)
}
