"""Sources, mappings and names are read again when they change; what is wrong leaves those in force."""

import os

import pytest
from fakes.foreign import Wire

from core.errors import ConfigError
from ingest.feed import Feed
from ingest.readers import read_sources
from service.config import load
from service.metrics import PipelineMetrics
from service.sources import SourceFiles

MAPPING = """
title = "t"
topic = "x/{gateway}/{device}"
[readings]
"/a" = "SIGNAL"
"""
NAMES = '[names]\n"T1" = "SIGNAL"\n'


class Site:
    """A folder with a configuration, a mapping and a table of names, and a decoder that follows them."""

    def __init__(self, folder):
        self.folder, self.metrics, self.n = folder, PipelineMetrics(), 0
        self.write("m.toml", MAPPING.replace("SIGNAL", "one"))
        self.write("n.toml", NAMES.replace("SIGNAL", "one"))
        self.configure(("x/{gateway}/{device}", "mapping", f'mapping = "{folder}/m.toml"'),
                       ("tele/{device}/+", "tasmota", f'names = "{folder}/n.toml"'), ("spBv1.0/#", "sparkplug", ""),
                       ("hj212/{gateway}/up", "hj212", ""))  # fmt: skip
        self.files = SourceFiles(folder / "fengsui.toml", load(folder / "fengsui.toml", {}), self.metrics)
        self.wire = Wire(*self.files.feeds[0])
        self.wire.decoder.take_over(read_sources(self.files.feeds))

    def write(self, name, text):
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        self.n += 1
        os.utime(file, ns=(self.n * 10**9, self.n * 10**9))  # two writes within one tick of the file system

    def configure(self, *sources):
        tables = [f'[[sources]]\nfilter = "{f}"\nformat = "{form}"\n{more}\n' for f, form, more in sources]
        self.write("fengsui.toml", "[mqtt]\nmax_ack_pending = 1000\n" + "".join(tables))

    def look(self):
        """Look, and hand on what is new; return whether anything was."""
        changed = self.files.look()
        readers = self.files.take()
        assert (readers is not None) == changed
        if readers is not None:
            self.wire.decoder.take_over(readers)
        return changed

    def loads(self, result):
        return self.metrics.source_loads.labels(result)._value.get()


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_nothing_changed_is_nothing_new(site):
    assert not site.look()
    site.write("n.toml", NAMES.replace("SIGNAL", "one"))
    assert not site.look()  # written again, with the same words
    assert (site.loads("loaded"), site.loads("failed")) == (1, 0)


def test_a_changed_mapping_is_in_force_at_once(site):
    assert site.wire.send("x/g/d", '{"a": 1}').values == {"one": 1}
    site.write("m.toml", MAPPING.replace("SIGNAL", "two"))
    assert site.look()
    assert site.wire.send("x/g/d", '{"a": 1}').values == {"two": 1}


def test_changed_names_are_in_force_at_once(site):
    site.write("n.toml", NAMES.replace("SIGNAL", "two"))
    assert site.look()
    assert site.wire.send("tele/d/SENSOR", '{"T1": 5}').values == {"two": 5}


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("m.toml", "[readings", ["m.toml", "TOML"]),
        ("m.toml", MAPPING + "[wrong]\n", ["m.toml wrong", "no key here"]),
        ("n.toml", '[names]\n"T1" = 5\n', ["n.toml T1", "found 5"]),
        ("fengsui.toml", "[[sources]]\nfilter = 'a/#/b'\nformat = 'native'\n", ["filter", "a/#/b", "# before"]),
        ("fengsui.toml", "[[sources]]\nfilter = 'a/+'\nformat = 'nonsense'\n", ["format", "nonsense", "Use one of"]),
        ("fengsui.toml", "[[sources]]\nfilter = 'a'\nformat = 'mapping'\nmapping = 'x'\n", ["mapping", "'x'"]),
        ("fengsui.toml", "[mqtt]\nport = 'x'\n", ["[mqtt] port"]),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_its_place_and_the_old_ones_stay(site, capsys, file, text, told):
    before = (site.folder / file).read_text(encoding="utf-8")
    site.write(file, text)
    assert not site.look()
    printed = capsys.readouterr().out
    assert all(word in printed for word in told), printed
    assert "remedy" in printed
    assert (site.loads("failed"), site.metrics.sources_refused._value.get()) == (1, 1)
    assert site.wire.send("x/g/d", '{"a": 1}').values == {"one": 1}
    assert not site.look()  # told once
    assert site.loads("failed") == 1
    site.write(file, before)
    site.look()
    assert site.metrics.sources_refused._value.get() == 0


def test_sources_come_and_go(site):
    site.configure(("fs/v1/+/+", "native", ""), ("tele/{device}/+", "tasmota", ""))
    assert site.look()
    assert [feed.filter for feed in site.files.feeds] == ["fs/v1/+/+", "tele/{device}/+"]
    assert site.wire.send("fs/v1/g/d", '{"m": "s", "v": 2}').values == {"s": 2}
    assert site.wire.send("tele/d/SENSOR", '{"T1": 5}').values == {"T1": 5}  # no names any more
    # What was on its way when its source went is read as before.
    assert site.wire.send("x/g/d", '{"a": 1}').values == {"one": 1}


def test_a_mapping_that_has_gone_is_refused_and_comes_back(site):
    (site.folder / "m.toml").unlink()
    assert not site.look()
    assert site.wire.send("x/g/d", '{"a": 1}').values == {"one": 1}
    site.write("m.toml", MAPPING.replace("SIGNAL", "two"))
    assert site.look()
    assert site.wire.send("x/g/d", '{"a": 1}').values == {"two": 1}


BIRTH = bytes.fromhex(
    "08808df8dc9f3412190a07447573742f4450100718808df8dc9f3420096500204b44121a0a0b46616e2f52756e6e696e67100818808df8dc9f34200b70011801"
)
DATA = bytes.fromhex("0890dbf8dc9f34120e10071890dbf8dc9f346500c080441802")


def test_births_outlive_a_change_of_their_names(site):
    wire = site.wire
    wire.send("spBv1.0/g/NBIRTH/e", BIRTH)
    site.write("sp.toml", '[names]\n"Dust/DP" = "differential_pressure"\n')
    site.configure(("spBv1.0/#", "sparkplug", f'names = "{site.folder}/sp.toml"'))
    assert site.look()
    assert wire.send("spBv1.0/g/NDATA/e", DATA).values == {"differential_pressure": 1030.0}
    assert wire.answers == []  # no rebirth has to be asked for


def test_packets_that_wait_outlive_a_change_and_are_acknowledged_then(site):
    from test_hj212_format import FIRST, SECOND_PART, THIRD

    wire = site.wire
    wire.send("hj212/gw/up", SECOND_PART)
    site.write("hj.toml", '[names]\n"a34013" = "dust"\n')
    site.configure(("hj212/{gateway}/up", "hj212", f'names = "{site.folder}/hj.toml"'))
    assert site.look()
    wire.send("hj212/gw/up", FIRST)
    assert wire.values == {"dust": 1, "ambient_temperature": 2}
    wire.send("hj212/gw/up", THIRD)
    assert len(wire.rows.released) == 3


def test_what_would_be_the_same_again_goes_on_as_it_is():
    before = read_sources([Feed("spBv1.0/#", "sparkplug"), Feed("a", "native")])
    after = read_sources([Feed("b", "native"), Feed("spBv1.0/#", "sparkplug")], before=before)
    assert after[1] is before[0]


def test_an_unknown_format_stops_the_start():
    with pytest.raises(ConfigError, match="no format is called"):
        read_sources([Feed("a", "nonsense")])
