"""Every decoder is total and bounded: a small run of the fuzzer, and the worst messages that we could think of.

What they cost in ms is told by `fengsui bench decode --worst`; here work is counted, which no neighbour changes.
"""

import json
import tracemalloc

import pytest
from fakes.steps import steps_of

from ingest.columns import MOST_FAULTS
from service.bench import worst
from service.fuzz_decoders import MOST_BYTES, Fuzzer

# Lines of Python: 20 ms on the machine of docs/benchmarks.md.
MOST_STEPS = 500_000
# Of the formats whose readings are looked up by their names one by one.
MOST_NAMED = 3_400
NAMED = [name for name in worst.MESSAGES if not name.startswith(("native", "columnar"))]


def test_a_small_run_finds_nothing():
    """The long one is recorded in docs/benchmarks.md."""
    found = Fuzzer(seed=7).run(4_000, memory_every=20)
    assert found.failures == []
    assert found.rows > 500
    assert sum(found.rejects.values()) > 500


@pytest.mark.parametrize("name", worst.MESSAGES)
def test_the_worst_message_costs_a_bounded_number_of_steps_and_16_mib(name):
    decoder, message = worst.prepared(name)
    assert len(message.payload) <= worst.LARGEST
    n, rows = steps_of(decoder.decode, [message], message.arrived)
    assert n < MOST_STEPS
    assert len(rows.rejects) <= MOST_FAULTS + 1
    assert not any("bug of ours" in reject.detail for reject in rows.rejects)
    decoder, message = worst.prepared(name)
    tracemalloc.start()
    decoder.decode([message], message.arrived)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_BYTES, f"{peak >> 20} MiB"


@pytest.mark.parametrize("name", NAMED)
def test_so_many_readings_are_taken_of_one_message_and_no_more(name):
    decoder, message = worst.prepared(name)
    rows = decoder.decode([message], message.arrived)
    assert len(rows) <= MOST_NAMED
    assert rows.rejects or len(rows) == 2_500  # of Sparkplug as many metrics as may be are a sound message


@pytest.mark.parametrize(
    "name", ["tasmota", "shelly", "neuron", "mapping flat", "thingsboard", "senml records"]
)
def test_a_message_that_is_too_long_keeps_what_was_read_and_says_so(name):
    decoder, message = worst.prepared(name)
    rows = decoder.decode([message], message.arrived)
    assert len(rows) > 1_000
    assert [str(reject.reason) for reject in rows.rejects] == ["too_large"]
    assert json.loads(message.payload)


def test_names_that_are_known_cost_less_than_new_ones():
    """So a device with many of them is read further in its second message."""
    decoder, message = worst.prepared("tasmota")
    first, second = (len(decoder.decode([message], message.arrived)) for _ in range(2))
    assert first < second
