"""A pipeline whose rule pack is edited while it works: other rules at once, unchanged ones keep their state."""

import psycopg
import pytest
from pipeline_case import Running, import_town, until

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


@pytest.fixture
def pack(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(PACK)
    return path


@pytest.fixture
def running(database, pack):
    import_town(database)
    pipeline = Running(database, pack)
    pipeline.pack = pack
    yield pipeline
    pipeline.close()


def rewrite(running, text, *, result="loaded"):
    """Save another pack, and let ten seconds pass in which the pipeline takes it over."""
    before = loads(running, result)
    running.pack.write_text(text)
    until(lambda: loads(running, result) > before)
    if result == "loaded":
        until(lambda: running.keeper._catalog is not None)
    running.second(10, production_running=1, fan_running=0)


def loads(running, result):
    return running.metrics.registry.get_sample_value("fengsui_rule_loads_total", {"result": result}) or 0


def test_production_without_the_collector_is_red_after_its_delay(running):
    running.second(50, production_running=1, fan_running=0)
    assert "D-10" not in running.alerts()
    running.second(30, production_running=1, fan_running=0)
    alert = running.alerts()["D-10"]
    assert (alert.level, alert.level_now) == (4, 4)
    running.second(10, production_running=1, fan_running=1)
    assert running.alerts()["D-10"].level_now == 0


def test_a_pack_edited_while_running_and_what_it_does_not_change_goes_on(running):
    running.second(20, production_running=1, fan_running=0)
    rewrite(running, PACK.replace("above: 40", "above: 30").replace("X-1", "X-2"))
    running.second(10, production_running=1, fan_running=0, hopper_temperature=35)
    alerts = running.alerts()
    assert alerts["X-2"].limit == 30
    assert "X-1" not in alerts
    running.second(20, production_running=1, fan_running=0)
    assert "D-10" not in running.alerts()
    running.second(10, production_running=1, fan_running=0)
    assert "D-10" in running.alerts(), "the delay that ran when the rules were read again ran on"


def test_whoever_reads_alerts_finds_the_words_of_every_rule_that_was_in_force(running):
    def titles():
        with psycopg.connect(running.dsn) as connection:
            return dict(connection.execute("SELECT code, title_zh FROM rule_words").fetchall())

    until(lambda: titles().get("X-1") == "甲")
    assert titles().keys() > {"LIMIT", "Q-01", "Q-02", "D-10"}
    rewrite(running, PACK.replace("X-1", "X-2").replace("甲", "乙"))
    until(lambda: titles().get("X-2") == "乙")
    assert titles()["X-1"] == "甲", "its alerts stay"


def test_a_bad_pack_changes_nothing(running):
    rewrite(running, PACK.replace("above: 40", "above: hot"), result="failed")
    running.second(10, hopper_temperature=45)
    assert running.alerts()["X-1"].limit == 40
    rewrite(running, PACK.replace("above: 40", "above: 50"))
    running.second(10, hopper_temperature=45)
    assert running.alerts()["X-1"].level_now == 0
