"""The registry and the rule packs become one plan."""

from dataclasses import replace

import numpy as np
import pytest
from fakes.one_enterprise import ONE_ENTERPRISE

from core.batch import Batch
from core.errors import RuleError
from core.events import Kind
from core.time import SECOND
from detectors.bank import Bank
from service.config import Rules, Watch
from service.metrics import PipelineMetrics
from service.planning import plan_of
from service.rules import RuleFiles, packs_of, read_rules, rules_of, unknown_parameters
from service.town_catalog import catalog_of

TOWN = (
    ONE_ENTERPRISE
    + """
[[gateway]]
code = "gw-1"
enterprise = "E1"
[[device]]
gateway = "gw-1"
code = "dc-1"
name = "1号除尘器"
profile = "dry_dust_collector"
series = [
  { signal = "hopper_temperature", period_s = 5, limits = [{ level = "red", high = 80 }] },
  { signal = "fan_running", period_s = 10 },
  { signal = "production_running", period_s = 10 },
]
[[device]]
gateway = "gw-1"
code = "meter-1"
name = "电表"
profile = "load_meter"
series = [{ signal = "current_a", period_s = 5 }]
"""
)
HOPPER, FAN, PRODUCTION, CURRENT = 1, 2, 3, 4
PACK = """\
pack: mine
rules:
  - id: X-1
    title: {zh: 甲, en: a}
    of: [dry_dust_collector]
    signal: hopper_temperature
    unit: ℃
    raise: [{level: yellow, above: 40}]
    source: default of ours
"""


def of(plan, code):
    row = [rule.code for rule in plan.rules].index(code)
    single = [d for d in plan.derived if (d.limits.rule == row).any()]
    several = [c for c in plan.conditions if (c.limits.rule == row).any()]
    return [d.series.tolist() for d in single], [c.subject.tolist() for c in several]


def test_devices_fall_under_the_shipped_rules_of_their_profile_and_signals():
    plan = plan_of(catalog_of(TOWN), Watch(), read_rules(packs_of(Rules())))
    assert [rule.code for rule in plan.rules[:3]] == ["LIMIT", "Q-02", "Q-01"]
    assert plan.thresholds.limit.tolist() == [80.0]
    assert of(plan, "D-01") == ([[HOPPER]], [])
    assert of(plan, "D-10") == ([], [[1]])
    assert of(plan, "D-13") == ([], [])  # no water in a dry collector
    assert of(plan, "E-08") == ([], [])  # nobody said what this feeder may carry


def test_production_without_the_collector_is_found_by_the_plan():
    bank = Bank(plan_of(catalog_of(TOWN), Watch(), read_rules(packs_of(Rules()))))
    t = np.arange(13) * 10 * SECOND
    series = np.repeat([FAN, PRODUCTION], 13)
    batch = Batch.of(series, np.tile(t, 2), np.repeat([0.0, 1.0], 13))
    events = bank.step(batch, int(t[-1]))
    said = [
        (bank.rules[r].code, int(k), int(at) // SECOND)
        for r, k, at in zip(events.rule, events.kind, events.t, strict=True)
    ]
    assert said == [("D-10", Kind.RAISE, 60)]


class TestLearning:
    """The rules that know nothing: which series and devices they are about."""

    OUTLET = 4

    def plan(self, own=None, *, limited=True, **chosen):
        town = TOWN.replace('"fan_running"', '"fan_current"')
        town = town if limited else town.replace(', limits = [{ level = "red", high = 80 }]', "")
        more = """{ signal = "production_running", period_s = 10 },
  { signal = "outlet_temperature", period_s = 10 },"""
        catalog = catalog_of(town.replace('{ signal = "production_running", period_s = 10 },', more))
        return plan_of(replace(catalog, parameters=own or {}), Watch(), rules_of(Rules(**chosen)))

    def test_they_are_off_as_they_come(self):
        plan = self.plan()
        assert len(plan.scored.series) == 0
        assert len(plan.devices.device) == 0

    def test_a_device_that_asks_for_it_has_those_series_scored_that_no_rule_reads(self):
        """The hopper has D-01, production D-10; nobody knows what a fan's current should be."""
        plan = self.plan({1: {"A-01.on": 1, "A-01.threshold": 2.5}})
        assert plan.scored.series.tolist() == [FAN, self.OUTLET]
        assert plan.scored.threshold.tolist() == [2.5, 2.5]
        assert plan.rules[plan.scored.rule[0]].code == "A-01"

    def test_a_series_whose_rules_are_switched_off_is_one_that_nothing_is_known_about(self):
        own = {1: {"A-01.on": 1, "D-01.on": 0, "D-02.on": 0, "D-03.on": 0}}
        assert self.plan(own).scored.series.tolist() == [FAN, self.OUTLET], (
            "the registry has a limit for the hopper"
        )
        assert self.plan(own, limited=False).scored.series.tolist() == [HOPPER, FAN, self.OUTLET]

    def test_the_configuration_switches_it_on_everywhere_and_a_device_has_the_last_word(self):
        assert self.plan(on=("A-01",)).scored.series.tolist() == [FAN, self.OUTLET]
        assert self.plan({1: {"A-01.on": 0}}, on=("A-01",)).scored.series.tolist() == []

    def test_signals_of_one_period_are_looked_at_together(self):
        plan = self.plan({1: {"A-02.on": 1}, 2: {"A-02.on": 1}})
        assert plan.devices.device.tolist() == [1]  # the meter has one signal
        assert plan.devices.signals.tolist() == [
            [FAN, self.OUTLET]
        ]  # the hopper is read twice as often; production is a switch
        assert plan.devices.threshold.tolist() == [4.0]

    def test_a_rule_that_names_a_signal_comes_before_one_that_does_not(self, tmp_path):
        mine = PACK.replace("level: yellow, above: 40", "level: blue, above: 3")
        mine = mine.replace("unit: ℃", 'unit: "1"\n    method: anomaly')
        (tmp_path / "mine.yaml").write_text(mine)
        plan = self.plan({1: {"A-01.on": 1, "D-01.on": 0, "D-02.on": 0, "D-03.on": 0}},
                         packs=(str(tmp_path / "mine.yaml"),))  # fmt: skip
        codes = [plan.rules[row].code for row in plan.scored.rule]
        assert dict(zip(plan.scored.series.tolist(), codes, strict=True)) == {
            HOPPER: "X-1",
            FAN: "A-01",
            self.OUTLET: "A-01",
        }


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ("", {("D-01", 3, 60.0), ("D-02", 4, 70.0)}),
        ('{ level = "red", high = 80 }', {("LIMIT", 4, 80.0), ("D-01", 3, 60.0)}),
        ('{ level = "red", high = 55 }', {("LIMIT", 4, 55.0)}),
        ('{ level = "yellow", high = 50 }', {("LIMIT", 2, 50.0), ("D-01", 3, 60.0), ("D-02", 4, 70.0)}),
        ('{ level = "red", low = 5 }', {("LIMIT", 4, 5.0), ("D-01", 3, 60.0), ("D-02", 4, 70.0)}),
        ('{ level = "orange", high = 90 }, { level = "red", high = 95 }', {("LIMIT", 3, 90.0), ("LIMIT", 4, 95.0)}),
    ],
)  # fmt: skip
def test_a_limit_of_the_registry_stands_in_the_place_of_a_rules(limits, left):
    """Of the same reading, side and level; and of a lower level that would say the same no earlier."""
    town = TOWN.replace('limits = [{ level = "red", high = 80 }]', f"limits = [{limits}]")
    plan = plan_of(catalog_of(town), Watch(), rules_of(Rules()))
    tables = [(plan.thresholds, plan.thresholds.series)]
    tables += [(d.limits, d.series[d.limits.series]) for d in plan.derived if d.method == "value"]
    found = {
        (plan.rules[rule].code, level, limit)
        for table, series in tables
        for rule, key, level, limit in zip(table.rule, series, table.level, table.limit, strict=True)
        if key == HOPPER
    }
    assert found == left


def test_one_cause_is_one_alert():
    bank = Bank(plan_of(catalog_of(TOWN), Watch(), rules_of(Rules())))
    t = np.arange(30) * 10 * SECOND
    events = bank.step(Batch.of(np.full(30, HOPPER), t, np.full(30, 81.0)), int(t[-1]))
    assert sorted(bank.rules[row].code for row in events.rule) == ["D-01", "LIMIT"]  # orange and red


def test_a_rule_that_is_off_is_about_nobody_but_a_device_that_says_so():
    assert of(plan_of(catalog_of(TOWN), Watch(), rules_of(Rules(off=("D-01",)))), "D-01") == ([], [])
    own = replace(catalog_of(TOWN), parameters={1: {"D-01.on": 1.0}})
    assert of(plan_of(own, Watch(), rules_of(Rules(off=("D-01",)))), "D-01") == ([[HOPPER]], [])
    own = replace(catalog_of(TOWN), parameters={1: {"D-01.on": 0.0}})
    assert of(plan_of(own, Watch(), rules_of(Rules())), "D-01") == ([], [])


class TestSilence:
    """What is silent for long, in steps of five seconds, with one series that goes on speaking or none."""

    def said(self, watch, *, speaks=(), for_s=3700, mandatory=True):
        town = TOWN.replace(
            "period_s = 5, limits", f"period_s = 5, mandatory = {str(mandatory).lower()}, limits"
        )
        bank, found = Bank(plan_of(catalog_of(town), watch)), []
        for now_s in range(0, for_s + 10, 5):
            everybody = now_s in {0, for_s}
            series = np.array([HOPPER, FAN, PRODUCTION, CURRENT] if everybody else speaks, np.int32)
            batch = Batch.of(series, np.full(len(series), now_s * SECOND), np.ones(len(series)))
            events = bank.step(batch, now_s * SECOND)
            found += zip(
                (bank.rules[row].code for row in events.rule), events.kind.tolist(), events.level.tolist(),
                events.subject.tolist(), (events.t // SECOND).tolist(), strict=True,
            )  # fmt: skip
        return found

    def test_a_mandatory_series_that_is_silent_for_an_hour_is_orange(self):
        found = self.said(Watch(), speaks=[FAN, PRODUCTION, CURRENT])
        assert [event[:4] for event in found] == [
            ("Q-02", Kind.RAISE, 2, HOPPER),
            ("Q-02", Kind.RAISE, 3, HOPPER),
            ("Q-02", Kind.CLEAR, 3, HOPPER),
        ]
        assert [event[4] for event in found] == [185, 3605, 3700]

    def test_another_one_stays_blue_and_so_does_every_one_where_it_is_switched_off(self):
        for watch, mandatory in ((Watch(), False), (Watch(silence_worse_s=0), True)):
            found = self.said(watch, speaks=[FAN, PRODUCTION, CURRENT], mandatory=mandatory)
            level = 2 if mandatory else 1
            assert [event[1:3] for event in found] == [(Kind.RAISE, level), (Kind.CLEAR, level)]

    def test_an_enterprise_of_which_nothing_comes_for_long_is_told_beside_its_gateway(self):
        found = self.said(Watch(enterprise_silence_s=600), for_s=900)
        assert [(event[0], *event[1:4]) for event in found] == [
            ("Q-01", Kind.RAISE, 2, 1),
            ("Q-10", Kind.RAISE, 2, 1),
            ("Q-01", Kind.CLEAR, 2, 1),
            ("Q-10", Kind.CLEAR, 2, 1),
        ]
        assert [event[4] for event in found] == [185, 605, 900, 900]

    def test_one_series_that_speaks_is_enough_and_zero_switches_it_off(self):
        assert "Q-10" not in {e[0] for e in self.said(Watch(enterprise_silence_s=600), speaks=[CURRENT])}
        assert "Q-10" not in {e[0] for e in self.said(Watch(enterprise_silence_s=0), for_s=900)}


def test_switching_a_rule_that_nobody_has_is_refused():
    with pytest.raises(RuleError, match="no rule is D-99"):
        rules_of(Rules(off=("D-99",)))


def test_without_shipped_packs_only_the_limits_and_ones_own(tmp_path):
    (tmp_path / "mine.yaml").write_text(PACK)
    rules = read_rules(packs_of(Rules(shipped=False, packs=(str(tmp_path / "mine.yaml"),))))
    assert [rule.code for rule in plan_of(catalog_of(TOWN), Watch(), rules).rules] == [
        "LIMIT",
        "Q-02",
        "Q-01",
        "Q-06",
        "Q-10",
        "Q-03",
        "Q-08",
        "Q-09",
        "X-1",
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("id: X-1", "id: Q-01", "one of the service's own"),
        ("of: [dry_dust_collector]", "of: [dry_dust_colector]", "no device can be one"),
        ("above: 40", "above: 40, deadband: -1", "deadband is negative"),
    ],
)
def test_what_could_never_run_is_refused_with_its_line(tmp_path, old, new, told):
    path = tmp_path / "mine.yaml"
    path.write_text(PACK.replace(old, new))
    with pytest.raises(RuleError, match=told) as caught:
        read_rules([path])
    assert caught.value.where == f"{path}:3"


class TestRuleFiles:
    @pytest.fixture
    def pack(self, tmp_path):
        path = tmp_path / "mine.yaml"
        path.write_text(PACK)
        return path

    @pytest.fixture
    def metrics(self):
        return PipelineMetrics()

    def files(self, pack, metrics, *others):
        return RuleFiles(Rules(shipped=False, packs=(str(pack), *map(str, others))), metrics)

    def test_nothing_is_read_again_while_no_file_changes(self, pack, metrics):
        assert not self.files(pack, metrics).look()
        assert metrics.registry.get_sample_value("fengsui_rule_loads_total", {"result": "loaded"}) is None

    def test_a_changed_pack_comes_into_force(self, pack, metrics):
        files = self.files(pack, metrics)
        pack.write_text(PACK.replace("above: 40", "above: 41.5"))
        assert files.look()
        assert files.rules[0].raises[0].limit == 41.5
        assert not files.look()

    def test_a_bad_pack_leaves_the_old_rules_in_force_until_it_is_repaired(self, pack, metrics):
        files = self.files(pack, metrics)
        old = files.rules
        pack.write_text(PACK.replace("above: 40", "above: hot"))
        assert not files.look()
        assert files.rules is old
        assert metrics.registry.get_sample_value("fengsui_rules_refused") == 1
        assert metrics.registry.get_sample_value("fengsui_rule_loads_total", {"result": "failed"}) == 1
        pack.write_text(PACK.replace("above: 40", "above: 50"))
        assert files.look()
        assert metrics.registry.get_sample_value("fengsui_rules_refused") == 0

    def test_a_pack_that_went_away_leaves_its_rules_in_force(self, pack, metrics):
        files = self.files(pack, metrics)
        pack.unlink()
        assert not files.look()
        assert [rule.code for rule in files.rules] == ["X-1"]

    def test_at_the_start_a_bad_pack_is_left_out_and_the_others_work(self, pack, metrics, tmp_path):
        bad = tmp_path / "bad.yaml"
        bad.write_text(PACK)  # the same id once more
        files = self.files(pack, metrics, bad)
        assert [rule.code for rule in files.rules] == ["X-1"]
        assert metrics.registry.get_sample_value("fengsui_rules_refused") == 1

    def test_the_same_rules_in_another_file_are_no_change(self, pack, metrics):
        files = self.files(pack, metrics)
        pack.write_text(PACK + "\n# a remark\n")
        assert not files.look()


def test_a_device_has_its_own_numbers():
    catalog = catalog_of(TOWN)
    own = {1: {"D-01.orange": 65.0, "D-06.upper": 1200.0, "Q-05-T.blue_low": -9.0}, 2: {"E-08.k_ib": 630.0}}
    plan = plan_of(replace(catalog, parameters=own), Watch(), read_rules(packs_of(Rules())))
    limits = {
        (plan.rules[rule].code, high): limit
        for d in plan.derived
        for rule, high, limit in zip(d.limits.rule, d.limits.high, d.limits.limit, strict=True)
    }
    assert limits["D-01", True] == 65
    assert ("D-02", True) not in limits  # the registry's red limit of 80 stands in its place
    assert limits["Q-05-T", False] == -9
    assert limits["Q-05-T", True] == 50
    assert of(plan, "E-08") == ([[CURRENT]], [])


def test_numbers_that_no_rule_has_are_found():
    rules = read_rules(packs_of(Rules()))
    names = ["D-01.orange", "D-01.upper", "D-06.upper", "E-08.k_ib", "X-9.limit", "Q-05-T.blue", "A-01.on"]
    assert unknown_parameters(rules, names) == ["D-01.upper", "Q-05-T.blue", "X-9.limit"]
