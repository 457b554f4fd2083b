"""docker-compose.yml, Dockerfile and deploy/: read, because no engine runs here, and held to what they promise."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from service.broker_auth import ServiceUser, nats_users
from service.config import find, load

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
ONE_SHOT = {"migrate", "grants"}
OURS = {name for name, service in SERVICES.items() if service["image"].startswith("fengsui:")}
TAG = re.compile(r":v?\d+\.\d+(\.\d+)?[\w.-]*$")


def each(names=SERVICES):
    return pytest.mark.parametrize("name", sorted(names))


# ── the whole ─────────────────────────────────────────────────────────────────
def test_everything_that_the_service_needs_is_there():
    assert set(SERVICES) == {
        "nats", "timescaledb", "migrate", "grants", "gatekeeper", "pipeline", "notifier", "console", "prometheus", "grafana", "town",
    }  # fmt: skip


def test_the_simulated_town_starts_only_when_asked_for():
    assert SERVICES["town"]["profiles"] == ["demo"]
    assert not any(service.get("profiles") for name, service in SERVICES.items() if name != "town")


@each()
def test_nothing_runs_as_root_or_can_become_it(name):
    service = SERVICES[name]
    uid = str(service["user"]).partition(":")[0]
    assert uid.isdigit()
    assert int(uid) > 0
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["read_only"] is True
    assert not service.get("privileged")


@each(set(SERVICES) - ONE_SHOT)
def test_what_stays_up_has_a_healthcheck_and_is_started_again(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


@each(ONE_SHOT)
def test_what_runs_once_is_not_started_again(name):
    assert SERVICES[name]["restart"] == "no"


@each()
def test_images_are_pinned_by_tag(name):
    assert TAG.search(SERVICES[name]["image"]), SERVICES[name]["image"]


def test_bases_are_pinned_by_tag_and_users_are_ordinary():
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(TAG.search(base) for base in bases)
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    for stage in stages:
        target = re.search(r" AS (\w+)", stage)[1]
        if target != "build":
            uid = re.search(r"^USER (\d+):\d+", stage, re.MULTILINE)[1]
            users = {
                service["user"].partition(":")[0]
                for service in SERVICES.values()
                if service.get("build", {}).get("target") == target
            }
            # The gatekeeper is the broker's user in our image: only that one may read the list of users.
            assert users - (
                {SERVICES["nats"]["user"].partition(":")[0]} if target == "service" else set()
            ) == {uid}


@each()
def test_who_waits_for_another_waits_until_it_is_well(name):
    for other, terms in SERVICES[name].get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert terms == {"condition": wanted}, other


# ── secrets ───────────────────────────────────────────────────────────────────
@each()
def test_secrets_come_as_files_and_only_where_they_are_declared(name):
    service = SERVICES[name]
    mounted = set(service.get("secrets", ()))
    assert mounted <= set(COMPOSE["secrets"])
    for key, value in service.get("environment", {}).items():
        if re.search(r"PASSWORD|SECRET|DSN|TOKEN", key):
            assert key.endswith("_FILE"), key
            assert value.removeprefix("/run/secrets/") in mounted, key
    text = yaml.safe_dump({key: value for key, value in service.items() if key != "secrets"})
    assert set(re.findall(r"/run/secrets/([\w.]+)", text)) <= mounted


def test_every_secret_is_used_and_none_is_committed(tmp_path):
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    for secret in COMPOSE["secrets"].values():
        assert secret["file"].startswith("./deploy/secrets/")
    assert "secrets/" in (ROOT / "deploy" / ".gitignore").read_text("utf-8").split()


def test_the_script_makes_every_secret_once(tmp_path):
    folder = make_secrets(tmp_path / "secrets")
    files = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert set(files) == set(COMPOSE["secrets"])
    assert all(files.values())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # The containers' users differ from the one who ran the script.
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o044 == 0o044 for path in folder.iterdir())
    assert files["database_password"] in files["database_dsn"]
    # Two installations that meet at one broker do not end each other's session, and nobody guesses it.
    assert re.fullmatch(r"fengsui-[0-9a-f]{48}", files["mqtt_client_id"])
    passwords = [text for name, text in files.items() if name.endswith(("password", "key"))]
    assert len(set(passwords)) == len(passwords)
    assert min(map(len, passwords)) >= 32
    make_secrets(folder)
    assert {path.name: path.read_text("utf-8") for path in folder.iterdir()} == files


def make_secrets(folder):
    subprocess.run(["sh", str(ROOT / "deploy" / "secrets.sh"), str(folder)], check=True, capture_output=True)
    return folder


# ── the list of users ─────────────────────────────────────────────────────────
def test_broker_and_gatekeeper_share_the_list_and_the_user_and_nothing_else():
    nats, gatekeeper = SERVICES["nats"], SERVICES["gatekeeper"]
    with_users = {name for name, service in SERVICES.items() if "users:/users" in service.get("volumes", ())}
    assert with_users == {"nats", "gatekeeper"}
    assert nats["user"] == gatekeeper["user"]
    assert not any(key in service for key in ("pid", "ipc", "network_mode") for service in SERVICES.values())
    assert not set(nats["networks"]) & set(gatekeeper["networks"])
    owner = nats["user"].partition(":")[0]
    for stage, user in (
        ("service", rf"useradd --uid {owner} .* nats "),
        ("broker", rf"adduser .* -u {owner} .* nats "),
    ):
        text = stage_of(stage)
        assert re.search(user, text), stage
        assert re.search(r"install -d -o nats -g nats .*/users$", text, re.MULTILINE), stage


def stage_of(name):
    return next(stage for stage in DOCKERFILE.split(" AS ") if stage.startswith(name + "\n"))


def test_the_pipeline_waits_for_the_list_that_the_gatekeeper_writes():
    assert "gatekeeper" in SERVICES["pipeline"]["depends_on"]
    # The broker itself does not: it serves gateways while the database is away.
    assert "depends_on" not in SERVICES["nats"]
    *_, looked_for, file = SERVICES["gatekeeper"]["healthcheck"]["test"]
    assert file == SERVICES["gatekeeper"]["environment"]["FENGSUI_MQTT__USERS_FILE"]
    assert looked_for in nats_users((), ServiceUser("fengsui", "hash"))
    assert looked_for not in (ROOT / "deploy" / "nats" / "start.sh").read_text("utf-8")
    assert file in (ROOT / "deploy" / "nats" / "start.sh").read_text("utf-8")


# ── configuration ─────────────────────────────────────────────────────────────
@each(OURS)
def test_our_processes_accept_exactly_the_configuration_that_they_are_given(name, tmp_path):
    secrets = make_secrets(tmp_path / "secrets")
    env = {
        key: str(value).replace("/run/secrets", str(secrets)).replace(
            "/etc/fengsui/fengsui.toml", str(ROOT / "deploy" / "fengsui.toml")
        )
        for key, value in SERVICES[name]["environment"].items()
    }  # fmt: skip
    assert all(key.startswith("FENGSUI_") for key in env)
    config = load(find(env), env)
    if name != "town":
        assert config.database.dsn == (secrets / "database_dsn").read_text("utf-8")
        assert config.mqtt.anonymous is False
    if name in ("pipeline", "town"):
        assert config.mqtt.host == "nats"
    if name in ("pipeline", "gatekeeper"):
        assert config.mqtt.username == "fengsui"
        assert config.mqtt.password == (secrets / "mqtt_password").read_text("utf-8")
    if name == "pipeline":
        assert config.mqtt.client_id == (secrets / "mqtt_client_id").read_text("utf-8")


def test_healthchecks_ask_the_ports_that_the_configuration_gives():
    config = load(ROOT / "deploy" / "fengsui.toml", {})
    for name, port in {
        "pipeline": config.metrics.pipeline_port,
        "notifier": config.metrics.notifier_port,
        "console": config.console.port,
    }.items():
        assert f"127.0.0.1:{port}/readyz" in " ".join(SERVICES[name]["healthcheck"]["test"])
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    targets = [
        t for job in scraped["scrape_configs"] for static in job["static_configs"] for t in static["targets"]
    ]
    assert targets == [f"pipeline:{config.metrics.pipeline_port}", f"notifier:{config.metrics.notifier_port}"]


def test_broker_and_pipeline_agree_on_what_may_be_pending():
    config = load(ROOT / "deploy" / "fengsui.toml", {})
    broker = (ROOT / "deploy" / "nats" / "nats.conf").read_text("utf-8")
    assert f"max_ack_pending: {config.mqtt.max_ack_pending}" in broker
    assert f'ack_wait: "{config.mqtt.ack_wait_s:g}s"' in broker
    assert int(re.search(r"max_payload: (\d+)", broker)[1]) >= config.ingest.max_payload_bytes


def test_the_console_answers_its_own_healthcheck_and_public_name():
    config = load(ROOT / "deploy" / "fengsui.toml", {})
    assert "127.0.0.1" in config.console.hosts
    assert re.match(r"https?://([^:/]+)", config.console.public_url)[1] in config.console.hosts


# ── networks ──────────────────────────────────────────────────────────────────
def test_database_and_metrics_are_reached_from_inside_only():
    assert COMPOSE["networks"]["data"]["internal"] is True
    assert COMPOSE["networks"]["watch"]["internal"] is True
    for name in ("timescaledb", "prometheus", "pipeline", "notifier"):
        assert "ports" not in SERVICES[name]
    assert SERVICES["timescaledb"]["networks"] == ["data"]


def test_published_ports_are_on_loopback_unless_said_otherwise():
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 3
    assert all(re.match(r"\$\{(MQTT|WEB)_BIND:-127\.0\.0\.1\}:", port) for port in ports)


# ── files ─────────────────────────────────────────────────────────────────────
def test_every_file_that_is_mounted_is_there():
    for entry in COMPOSE["configs"].values():
        assert (ROOT / entry["file"]).is_file(), entry
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (ROOT / source).is_dir() if source.startswith(".") else source in COMPOSE["volumes"]
        for config in service.get("configs", ()):
            assert config["source"] in COMPOSE["configs"]


def test_every_package_is_copied_into_the_image_and_nothing_secret_is():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE)) == packages
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert ignored[0] == "*"
    assert {entry.removeprefix("!") for entry in ignored if entry.startswith("!")} >= packages
    assert "!deploy" not in ignored


def test_grafana_finds_its_sources_and_its_dashboard():
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    sources = yaml.safe_load((folder / "datasources" / "fengsui.yaml").read_text("utf-8"))["datasources"]
    assert {source["type"] for source in sources} == {"grafana-postgresql-datasource", "prometheus"}
    for source in sources:
        host = re.sub(r"^https?://", "", source["url"]).partition(":")[0]
        shared = set(SERVICES[host]["networks"]) & set(SERVICES["grafana"]["networks"])
        assert shared, host
    (password,) = (source["secureJsonData"]["password"] for source in sources if "secureJsonData" in source)
    assert password == "$__file{/run/secrets/grafana_database_password}"
    provider = yaml.safe_load((folder / "dashboards" / "fengsui.yaml").read_text("utf-8"))["providers"][0]
    assert f"./dashboards/json:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "dashboards" / "json" / Path(home).name).is_file()


@pytest.mark.parametrize(
    "script", ["deploy/secrets.sh", "deploy/nats/start.sh", "deploy/timescaledb/10-roles.sh"]
)
def test_scripts_are_valid_and_executable(script):
    subprocess.run(["sh", "-n", str(ROOT / script)], check=True)
    assert os.access(ROOT / script, os.X_OK)
