"""[alerts]: what would be found out at night is refused at the start."""

import pytest

from core.errors import ConfigError
from core.levels import Level
from service.config import Config, load


def read(tmp_path, text):
    path = tmp_path / "fengsui.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[alerts.hold]\nquiet_start = '25:00'", "quiet_start|time of day"),
        ("[alerts.hold]\ndaily = '8:30'", "daily|time of day"),
        ("[alerts.hold]\norange_s = -1.0", "orange_s|negative"),
        ("[alerts]\nreopen_s = -1.0", "reopen_s|negative"),
        ("[alerts]\ntell = ['raise', 'escalated']", "tell|escalated|escalate"),
        ("[alerts]\nreviewers = ['inspektor']", "reviewers|inspektor"),
        ("[alerts.red]\nroles = ['princpal']", "alerts.red|princpal|Did you mean principal"),
        ("[alerts.ladders.red]\nanswer_s = -5.0", "ladders.red|negative"),
        ("[alerts.ladders.blue]\nrungs = []\nrepeat_s = 5.0", "ladders.blue|repeat"),
        ("[alerts.ladders.red]\nrungs = [{after_s = 60.0, roles = ['boss']}]", "ladders.red|boss"),
        ("[alerts.ladders.red]\nrungs = [{after_s = 60.0}]", "ladders.red|nobody"),
        ("[alerts.ladders.red]\nrungs = [{roles = ['principal']}]", "after_s"),
        ("[alerts.hold]\ngroup_by = 'town'", "group_by|enterprise"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    for word in words.split("|"):
        assert word in str(caught.value)


def test_what_an_officer_disputes_can_be_changed(tmp_path):
    text = """
    [alerts]
    short_close = "red"
    [alerts.hold]
    quiet_start = ""
    inhibit = [{sources = ["E-00"], targets = ["*"], same = "enterprise", up_to = "yellow"}]
    [[alerts.ladders.red.rungs]]
    after_s = 60.0
    roles = ["principal"]
    """
    policy = read(tmp_path, text).policy
    assert policy.short_close == Level.RED
    assert policy.hold.inhibit[0].up_to == Level.YELLOW
    assert [rung.after_s for rung in policy.ladders.red.rungs] == [60.0]
    assert policy.ladders.red.answer_s == Config().alerts.ladders.red.answer_s
