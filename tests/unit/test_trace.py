"""What a method made of one series is what its naive twin says, and so what the bank held against the limit."""

import numpy as np
import pytest
from naive.cases import CASES
from naive.material import SECOND, START, Stream
from naive.naive_methods import NaiveStatistics

from core.batch import Batch
from detectors.methods import OPERATORS
from detectors.trace import trace


@pytest.mark.parametrize("method", OPERATORS)
def test_a_trace_equals_the_twin(method):
    params = {name: values[0] for name, values in CASES[method][0].items()}
    batch = Stream(4, dirty=False).batch(np.full(300, 7))
    expected = NaiveStatistics(method, lambda _series: {**OPERATORS[method].params, **params}).step(batch)
    known = ~np.isnan(expected)
    t, value = trace(method, params, batch)
    assert t.tolist() == batch.t[known].tolist()
    np.testing.assert_allclose(value, np.array(expected)[known], rtol=1e-9, atol=1e-9)


def test_of_nothing_there_is_nothing():
    for n in (0, 1):
        t, value = trace("rate", {}, Batch.of(np.full(n, 1), START + np.arange(n) * SECOND, np.ones(n)))
        assert len(t) == len(value) == 0
