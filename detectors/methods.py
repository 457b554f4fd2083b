"""All operators by name: the vocabulary of rules."""

from __future__ import annotations

from collections.abc import Mapping

from detectors import anomaly, pca
from detectors.count import COUNT
from detectors.counter import COUNTER
from detectors.cusum import CUSUM
from detectors.ewma import EWMA
from detectors.hampel import HAMPEL
from detectors.mean import MEAN
from detectors.operator import Operator
from detectors.production import PRODUCTION
from detectors.rate import RATE
from detectors.seasonal import SEASONAL
from detectors.slope import SLOPE
from detectors.step import STEP
from detectors.stuck import STUCK
from detectors.thermal import THERMAL
from detectors.value import VALUE

_ALL = (
    VALUE, RATE, EWMA, CUSUM, HAMPEL, STUCK, THERMAL, SLOPE, STEP, MEAN, COUNT, COUNTER, PRODUCTION, SEASONAL,
)  # fmt: skip
OPERATORS: Mapping[str, Operator] = {operator.name: operator for operator in _ALL}
# Methods that learn what is usual and have alarms of their own (anomaly.py, pca.py): name -> unit of the statistic.
LEARNING: Mapping[str, str] = {"anomaly": "1", "multivariate": "1"}


def about(method: str) -> str:
    """Return what the author of a method wrote about it: formula and source."""
    learning = {"anomaly": anomaly, "multivariate": pca}
    text = learning[method].__doc__ if method in LEARNING else OPERATORS[method].derive.__globals__["__doc__"]
    return (text or "").strip()
