"""The shipped rules: every test of theirs passes, every case is shown, no number is unpinned; bad ones are refused."""

from pathlib import Path

import pytest

from core.errors import RuleError
from detectors.methods import LEARNING, OPERATORS
from detectors.rulebook import read_pack, read_packs, shipped
from detectors.ruletest import SHOWS, expand, read_cases, run, survivors
from registry.signals import catalogue

ROOT = Path(__file__).resolve().parents[2]
UNITS = {name: signal.unit for name, signal in catalogue().items()}
RULES = {rule.code: rule for rule in read_packs(shipped(), UNITS)}
CASES = [case for path in sorted((ROOT / "tests/rules").glob("*.yaml")) for case in read_cases(path)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.name}")
def test_a_rule_says_what_its_test_expects(case):
    assert run(case, RULES[case.rule]) == ()


@pytest.mark.parametrize("code", RULES)
def test_every_rule_is_shown_raising_not_quite_clearing_and_unknown(code):
    shown = frozenset().union(*(case.shows for case in CASES if case.rule == code))
    assert shown == SHOWS


@pytest.mark.parametrize("code", RULES)
def test_no_number_of_a_rule_can_change_without_a_test_failing(code):
    assert survivors(RULES[code], CASES) == ()


@pytest.mark.parametrize("code", RULES)
def test_quality_rules_are_never_red(code):
    rule = RULES[code]
    assert not rule.quality or max(entry.level for entry in rule.raises) <= 3


def test_promtools_notation():
    assert list(expand("1x2 5+2x2 -1")) == [1, 1, 1, 5, 7, 9, -1]
    assert len(list(expand("_x2"))) == 3
    assert list(expand("(1 2x1)x1 9")) == [1, 2, 2, 1, 2, 2, 9]
    with pytest.raises(ValueError, match="no value"):
        list(expand("1y"))


GOOD = """\
pack: mine
rules:
  - id: X-1
    title: {zh: 甲, en: a}
    of: [dry_dust_collector]
    signal: hopper_temperature
    unit: ℃
    raise: [{level: red, above: 70}]
    source: default of ours
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("unit: ℃", "unit: °F", 7, "is in `℃`"),
        ("signal: hopper_temperature", "signal: hoper_temperature", 6, "hopper_temperature"),
        ("level: red", "level: purple", 8, "purple"),
        ("above: 70", "above: hot", 8, "a number was expected"),
        ("above: 70", "over: 70", 8, "no key `over`"),
        ("    source: default of ours\n", "", 3, "has no `source`"),
        ("    signal: hopper_temperature\n", "", 3, "either `signal` or `when`"),
        ("    unit: ℃\n", "    unit: ℃\n    method: magic\n", 8, "no method `magic`"),
        ("    unit: ℃\n", "    unit: σ\n    method: cusum\n", 3, "does not say mean, sigma"),
        ("pack: mine", "pack: [", 3, "not YAML"),
        ("signal: hopper_temperature", 'signal: "*"', 6, "takes value of `*`"),
        ("    unit: ℃\n", "    unit: ℃\n    method: anomaly\n", 7, "is in `1`"),
        ("    unit: ℃\n", '    unit: "1"\n    method: multivariate\n', 6, "takes multivariate of"),
        (
            "    unit: ℃\n    raise: [{level: red, above: 70}]\n",
            '    unit: "1"\n    method: anomaly\n    raise: [{level: red, above: 2, on_delay: 60 s}]\n',
            9,
            "has its own",
        ),
        ("    unit: ℃\n", '    unit: "1"\n    method: anomaly\n    with: {window: 3}\n', 9, "it learns them"),
        ("    signal: hopper_temperature\n", "    when: hopper_temperature >\n", 6, "a value was expected"),
        ("    signal: hopper_temperature\n", "    when: hopper_temperature > upper\n", 6, "`upper`"),
        (
            "    signal: hopper_temperature\n",
            "    when: fan_running for fan_current\n",
            6,
            "no parameter `fan_current`",
        ),
    ],
)
def test_a_bad_rule_is_refused_with_file_line_and_remedy(tmp_path, old, new, line, told):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(old, new), "utf-8")
    with pytest.raises(RuleError) as refused:
        read_pack(path, UNITS)
    assert refused.value.where == f"{path}:{line}"
    assert told in str(refused.value)
    assert refused.value.remedy


def test_milligrams_are_not_grams(tmp_path):
    path = tmp_path / "mine.yaml"
    text = GOOD.replace("hopper_temperature", "dust_concentration").replace("unit: ℃", "unit: g/m³")
    path.write_text(text, "utf-8")
    with pytest.raises(RuleError, match="mg/m³"):
        read_pack(path, UNITS)


def test_a_good_rule_is_read_and_its_version_follows_what_decides(tmp_path):
    path = tmp_path / "mine.yaml"
    versions = []
    for text in (GOOD, GOOD.replace("en: a", "en: b"), GOOD.replace("70", "71")):
        path.write_text(text, "utf-8")
        versions.append(read_pack(path, UNITS)[0].version)
    assert versions[0] == versions[1] != versions[2]


def test_one_id_in_two_packs_is_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(GOOD, "utf-8")
    with pytest.raises(RuleError, match="also in"):
        read_packs([tmp_path / "a.yaml", tmp_path / "b.yaml"], UNITS)


def test_the_examples_of_the_page_are_good_rules_and_a_passing_test(tmp_path):
    page = (ROOT / "docs/rules.md").read_text("utf-8")
    pack, tests = (part.partition("```")[0] for part in page.split("```yaml\n")[1:3])
    (tmp_path / "pack.yaml").write_text(pack, "utf-8")
    (tmp_path / "tests.yaml").write_text(tests, "utf-8")
    assert [rule.code for rule in read_pack(tmp_path / "pack.yaml", UNITS)] == ["X-01", "X-02"]
    (case,) = read_cases(tmp_path / "tests.yaml")
    assert run(case, RULES[case.rule]) == ()


def test_the_page_names_every_method_and_parameter():
    page = (ROOT / "docs/rules.md").read_text("utf-8")
    assert all(f"| `{name}` |" in page for name in LEARNING)
    for name, method in OPERATORS.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert all(f"`{parameter}`" in row for parameter in method.params)
