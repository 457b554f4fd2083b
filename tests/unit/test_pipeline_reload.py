"""A registry that contradicts itself, and a state of another version, stop nothing."""

import pytest

from core.errors import FengsuiError
from service.metrics import PipelineMetrics
from service.pipeline import FORMAT, Pipeline, RefusedError, Terms


class Nothing:
    """Stands where nothing may be asked for."""

    def __getattr__(self, name):
        raise AssertionError(f"{name} was not to be touched")


def pipeline(**parts):
    made = object.__new__(Pipeline)
    made.metrics = PipelineMetrics()
    for name, part in parts.items():
        setattr(made, name, part)
    return made


class Bank:
    def configure(self, _plan, _now):
        raise ValueError("a deadband is negative")


def terms():
    made = object.__new__(Terms)
    object.__setattr__(made, "plan", lambda catalog: catalog)
    return made


def test_a_refused_registry_leaves_everything_as_it_was_and_is_counted():
    made = pipeline(
        bank=Bank(), terms=terms(), desk=Nothing(), source=Nothing(), store=Nothing(), facts=Nothing()
    )
    made._reload("catalog", 1)
    assert made.metrics.catalog_loads.labels("refused")._value.get() == 1


def test_at_the_start_a_refused_registry_is_an_error_for_people():
    made = pipeline(bank=Bank(), terms=terms())
    with pytest.raises(RefusedError, match="deadband") as refused:
        made.take_over("catalog", 1)
    assert isinstance(refused.value, FengsuiError)


class Kept:
    def __init__(self):
        self.state = None

    def restore(self, state):
        self.state = state


@pytest.mark.parametrize("same", [True, False])
def test_marks_are_always_taken_over_and_detectors_only_from_the_same_format(same):
    bank, facts, source = Kept(), Kept(), type("Source", (), {"order": Kept()})()
    made = pipeline(bank=bank, facts=facts, source=source)
    made._become({"bank/a": 1, "order/b": 2, "facts/c": 3}, same_format=same)
    assert source.order.state == {"b": 2}
    assert (bank.state, facts.state) == (({"a": 1}, {"c": 3}) if same else (None, None))
    assert FORMAT >= 1
