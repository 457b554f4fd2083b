"""The configuration: what is not understood stops the start and says what to do."""

import dataclasses
import inspect
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from alerts.notify import ALL as KINDS
from core.errors import ConfigError
from core.levels import Level
from service.config import Config, Source, check, find, load
from service.config_channel import NEEDED, AliyunSms, Channel, LogChannel, Webhook, WecomRobot
from service.config_text import HIDDEN, example, meanings, to_toml
from service.lock import Lock

DOCS = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


@pytest.fixture
def config_file(tmp_path):
    def write(text):
        path = tmp_path / "fengsui.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refused(path, env=None):
    with pytest.raises(ConfigError) as caught:
        load(path, env or {})
    return caught.value


def test_nothing_given_is_the_defaults(config_file):
    assert load(config_file(""), {}) == Config()


def test_the_example_reads_as_the_defaults(config_file):
    assert load(config_file(example()), {}) == Config()


def test_the_examples_commented_channels_are_good_too(config_file):
    text = example()
    ours = text[text.index("# # A group robot of WeCom") :].splitlines()
    filled = (
        "\n".join(line.removeprefix("# ") for line in ours).replace('= ""', '= "x"').replace("= 0", "= 1")
    )
    channels = load(config_file(filled), {}).channels
    assert {channel.kind for channel in channels.values()} == set(KINDS)


@pytest.mark.parametrize("kind", sorted(NEEDED))
def test_a_channel_that_reaches_nobody_is_refused(config_file, kind):
    error = str(refused(config_file(f"[channels.x]\nkind = '{kind}'")))
    assert "[channels.x]" in error
    assert all(key in error for key in NEEDED[kind])


def test_a_templates_variables_are_meant_whole(config_file):
    text = """
    [channels.sms]
    kind = "aliyun_sms"
    access_key_id = "a"
    access_key_secret = "b"
    sign_name = "c"
    template_code = "d"
    params = {what = "subject"}
    """
    config = load(config_file(text), {})
    assert config.channels["sms"].params == {"what": "subject"}
    assert load(config_file(to_toml(config)), {}) == config
    assert AliyunSms().params != {"what": "subject"}


def test_the_example_explains_every_key():
    kinds = [Source, *get_args(Channel)]
    kinds += [type(getattr(Config(), field.name)) for field in dataclasses.fields(Config)]
    for kind in kinds:
        if kind.__module__.startswith("service.config"):
            assert set(meanings(kind)) == {field.name for field in dataclasses.fields(kind)} - {"kind"}, kind


@pytest.mark.parametrize("kind", get_args(Channel))
def test_a_channels_keys_are_what_its_code_takes(kind):
    theirs = KINDS[kind().kind]
    takes = set(inspect.signature(theirs).parameters) - {"client", "clock"}
    assert {field.name for field in dataclasses.fields(kind)} - {"kind"} == takes
    built = theirs(None)
    assert {name: getattr(built, name) for name in takes} == {name: getattr(kind(), name) for name in takes}


def test_every_kind_of_channel_can_be_configured():
    assert {kind().kind for kind in get_args(Channel)} == set(KINDS)


def test_the_manual_holds_the_example():
    assert example() in DOCS.read_text(encoding="utf-8"), "put the output of `fengsui config example` there"


def test_a_tree_written_and_read_is_the_same(config_file):
    odd = 'a "quoted" \\ 火\n\x7f'
    config = dataclasses.replace(
        Config(),
        sources=(Source("a/#", "native"),),
        mqtt=dataclasses.replace(Config().mqtt, password=odd, max_ack_pending=7),
        channels={
            "log": LogChannel(),
            "值班 群": WecomRobot(key="k"),
            "hook": Webhook(url="http://127.0.0.1:1"),
        },
        alerts=dataclasses.replace(Config().alerts, quality_cap=Level.BLUE, tell=frozenset({"raise"})),
    )
    assert load(config_file(to_toml(config)), {}) == config


def test_secrets_are_not_shown():
    config = dataclasses.replace(Config(), mqtt=dataclasses.replace(Config().mqtt, password="geheim"))
    assert "geheim" not in to_toml(config, hide_secrets=True)
    assert HIDDEN in to_toml(config, hide_secrets=True)
    assert "geheim" not in repr(config)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mqtt]\nprot = 1", ["[mqtt] prot", "no key", "Did you mean port?"]),
        ("[mqqt]\nport = 1", ["[mqqt]", "Did you mean mqtt?"]),
        ("[mqtt]\nport = '1883'", ["[mqtt] port", "'1883'", "whole number from 1 to 65535"]),
        ("[mqtt]\nport = true", ["[mqtt] port", "True", "whole number"]),
        ("[mqtt]\nport = 70000", ["[mqtt] port", "70000", "1 to 65535"]),
        ("[ingest]\nflush_s = -1", ["[ingest] flush_s", "-1"]),
        ("[ingest]\nflush_s = nan", ["[ingest] flush_s", "nan"]),
        ("[ingest]\ntick_s = 0", ["[ingest] tick_s", "0"]),
        ("[database]\ntimescale = 'maybe'", ["[database] timescale", "auto, off"]),
        ("mqtt = 1", ["[mqtt]", "a table"]),
        ("[mqtt\nport = 1", ["no TOML", "line 1"]),
        ("[[sources]]\nfilter = 'a'", ["sources", "format"]),
        ("sources = []", ["sources", "none"]),
        ("sources = 'a'", ["sources", "a list"]),
        ("[[sources]]\nfilter = 'a/b#'\nformat = 'native'", ["a/b#", "beside other characters"]),
        ("[[sources]]\nfilter = 'a/#/b'\nformat = 'native'", ["a/#/b", "before its last"]),
        ("[[sources]]\nfilter='a'\nformat='n'\n[[sources]]\nfilter='a'\nformat='n'", ["'a'", "twice"]),
        ("[mqtt]\nmax_ack_pending = 40000", ["max_ack_pending", "80000", "65535", "32767 or less"]),
        ("[channels.x]\nkind = 'pigeon'", ["[channels.x] kind", "'pigeon'", "log, tencent_sms, webhook"]),
        ("[channels.x]\nurl = 'u'", ["[channels.x] kind", "nothing", "webhook"]),
        ("[channels.x]\nkind = 'log'\nurl = 'u'", ["[channels.x] url", "no key"]),
        ("[alerts]\nquality_cap = 'pink'", ["[alerts] quality_cap", "blue, yellow, orange, red"]),
        ("[alerts]\nzone = 'Asia/Nowhere'", ["[alerts] zone", "time zone"]),
        ("[alerts]\nlink = 'x'", ["[alerts] link", "no key"]),
        ("[alerts]\nlast_resort = ['a']", ["[alerts] last_resort", "list of 3"]),
        ("[alerts.red]\nroles = 'x'", ["[alerts.red] roles", "a list"]),
        ("[alerts.blue]\nby = 'pager'", ["[alerts.blue] by", "'pager'", "log"]),
        ("[notify]\nlease_s = 5", ["lease_s", "timeout_s", "twice"]),
        ("[retention]\nrollup_days = 1", ["rollup_days", "shorter"]),
        ("[console]\npublic_url = 'example.org'", ["public_url", "web address"]),
    ],
)
def test_what_is_wrong_is_named_with_a_remedy(config_file, text, words):
    path = config_file(text)
    error = refused(path)
    assert str(path) in error.where
    assert error.remedy
    for word in words:
        assert word in str(error)


def test_a_file_that_is_not_there(tmp_path):
    assert "cannot be read" in str(refused(tmp_path / "absent.toml"))


def test_the_environment_wins(config_file):
    env = {
        "FENGSUI_MQTT__PORT": "1999",
        "FENGSUI_MQTT__TLS": "true",
        "FENGSUI_INGEST__FLUSH_S": "0.5",
        "FENGSUI_CONSOLE__HOSTS": "a.example, b.example",
        "FENGSUI_SOURCES": '[{"filter": "x/+", "format": "native"}]',
        "FENGSUI_CHANNELS__DUTY__KIND": "wecom_robot",
        "FENGSUI_CHANNELS__DUTY__KEY": "k-1",
        "FENGSUI_ALERTS__QUALITY_CAP": "黄",
        "FENGSUI_ALERTS__RED__ROLES": "principal",
        "UNRELATED": "x",
    }
    config = load(config_file("[mqtt]\nport = 1884\nhost = 'h'"), env)
    assert (config.mqtt.port, config.mqtt.tls, config.mqtt.host) == (1999, True, "h")
    assert config.ingest.flush_s == 0.5
    assert config.console.hosts == ("a.example", "b.example")
    assert config.sources == (Source("x/+", "native"),)
    assert config.channels["duty"] == WecomRobot(key="k-1")
    assert config.alerts.quality_cap is Level.YELLOW
    assert config.alerts.red.roles == ("principal",)
    assert config.alerts.red.n_channels == Config().alerts.red.n_channels


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("FENGSUI_MQTT__PORT", "x", ["FENGSUI_MQTT__PORT", "'x'", "whole number"]),
        ("FENGSUI_MQTT__PROT", "1", ["FENGSUI_MQTT__PROT", "Did you mean port?"]),
        ("FENGSUI_MQTT_PORT", "1", ["FENGSUI_MQTT_PORT", "two underlines"]),
        ("FENGSUI_MQQT__PORT", "1", ["FENGSUI_MQQT__PORT", "mqtt"]),
        ("FENGSUI_MQTT__TLS", "perhaps", ["FENGSUI_MQTT__TLS", "true or false"]),
        ("FENGSUI_SOURCES", "[{]", ["FENGSUI_SOURCES", "JSON"]),
        (
            "FENGSUI_MQTT__PASSWORD_FILE",
            "/nonexistent/secret",
            ["FENGSUI_MQTT__PASSWORD_FILE", "cannot be read"],
        ),
    ],
)
def test_a_wrong_variable_is_named(config_file, name, value, words):
    error = str(refused(config_file(""), {name: value}))
    for word in words:
        assert word in error


def test_a_secret_may_lie_in_a_file(config_file, tmp_path):
    (tmp_path / "secret").write_text("p w\n")
    from_env = load(config_file(""), {"FENGSUI_MQTT__PASSWORD_FILE": str(tmp_path / "secret")})
    from_toml = load(config_file(f"[mqtt]\npassword_file = '{tmp_path}/secret'"), {})
    assert from_env.mqtt.password == from_toml.mqtt.password == "p w"


def test_a_key_that_ends_in_file_is_not_read_as_one(config_file):
    assert load(config_file(""), {"FENGSUI_MQTT__CA_FILE": "/x/ca.pem"}).mqtt.ca_file == "/x/ca.pem"


def test_a_wrong_secret_is_not_repeated(config_file):
    error = str(refused(config_file("[mqtt]\npassword = 12345678")))
    assert "12345678" not in error


def test_where_the_file_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find({}) is None
    Path("fengsui.toml").touch()
    assert find({}) == Path("fengsui.toml")
    with Lock(Path(".fengsui")):
        assert find({}) == Path(".fengsui/config.toml")
        assert find({"FENGSUI_DATA": "elsewhere"}) == Path("fengsui.toml")
    assert find({}) == Path("fengsui.toml")
    assert find({"FENGSUI_CONFIG": "x.toml"}) == Path("x.toml")


def test_the_policy_knows_channels_and_the_consoles_address():
    config = dataclasses.replace(
        Config(), console=dataclasses.replace(Config().console, public_url="https://x.example/")
    )
    assert config.policy.channels == {"log"}
    assert config.policy.link.format(id="7K3") == "https://x.example/alerts/7K3"


def test_defaults_pass_their_own_checks():
    check(Config(), "defaults")
    assert tomllib.loads(example())
