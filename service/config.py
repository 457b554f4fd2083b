"""Configuration: one TOML file and the environment into one frozen tree; open this file to see every key.

Precedence: environment, file, default.  `FENGSUI_MQTT__PORT=1884` is `port` of `[mqtt]`.  For every key there
is also KEY_file (FENGSUI_DATABASE__DSN_FILE), which names a file with the value: secrets stay out of both.
The line about a key in a docstring below is what `fengsui config example` prints.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from alerts.policy import Policy
from alerts.rota_days import WorkDays
from core.errors import ConfigError
from service.config_alerts import check_alerts
from service.config_channel import NEEDED, Channel, LogChannel
from service.config_read import Between, Secret, Without, build, merge, read_environment, read_file
from service.lock import holder

Port = Annotated[int, Between(1, 65535)]
Seconds = Annotated[float, Between(0.001, 366 * 86_400, told=False)]
Count = Annotated[int, Between(1, 1 << 40, told=False)]
Days = Annotated[int, Between(1, 36_500, told=False)]
SecretText = Annotated[str, Secret()]

# MQTT numbers its packets with 16 bits.
MOST_PENDING = 65_535
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Mqtt:
    """The broker that gateways publish to; `fengsui up` starts its own on `port` or the next free one.

    host              name or address of the broker
    port              1883 is customary, 8883 with TLS
    username          empty: none
    password          give it in FENGSUI_MQTT__PASSWORD_FILE rather than here
    client_id         names our persistent session: two pipelines must not share one. Keep it to yourself: whoever may
                      connect and knows it can end the session. `fengsui up` adds random letters to the default
    keepalive_s       the broker holds us for dead after one and a half times this
    max_ack_pending   messages sent to us and not yet committed, for each source; # counts twice; 65535 in all
    ack_wait_s        the embedded broker sends again what we have not acknowledged after this
    settle_s          after our session was resumed hold what arrives for so long: only then has everything come again
                      that was not committed, and the order is right. NATS: ack_wait_s and a second; Mosquitto: 0
    tls               encrypt, and check the broker's certificate
    ca_file           certificates to trust; empty: those of the system
    cert_file         our own certificate, where the broker asks for one
    key_file          the key of our own certificate
    anonymous         gateways may publish without credentials (docs/security.md); `fengsui up`: on loopback only
    users_file        what `fengsui run gatekeeper` writes: who may connect, for nats-server to include
    pid_file          nats-server's pid_file: it is told to read users_file again; empty: tell it yourself
    log_file          nats-server's log_file, from which refused publishes are counted; empty: they are not
    monitor_url       nats-server's monitoring address, which tells whose a refused publish was
    """

    host: str = "127.0.0.1"
    port: Port = 1883
    username: str = ""
    password: SecretText = field(default="", repr=False)
    client_id: str = "fengsui"
    keepalive_s: Annotated[int, Between(5, 3600)] = 30
    max_ack_pending: Annotated[int, Between(1, MOST_PENDING)] = 30_000
    ack_wait_s: Seconds = 5.0
    settle_s: Annotated[float, Between(0, 3600)] = 6.0
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    anonymous: bool = True
    users_file: str = ""
    pid_file: str = ""
    log_file: str = ""
    monitor_url: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """What is subscribed to, and how it is read (docs/wire.md).

    filter   an MQTT topic filter; a level may be {gateway}, {device} or any {name} instead of +
    format   how its messages are read: native, thingsboard, hj212, sparkplug, senml, tasmota, shelly, neuron, mapping,
             dlt645 or modbus
    mapping  with the formats mapping and modbus: a mapping that is shipped, or your file
    names    a TOML file that says which signals the names of the sender are
    gateway  code of the gateway, where neither topic nor message names one
    device   code of the device, where neither topic nor message names one
    reply    topic for answers to the sender, with {levels} of the filter; empty: .../down beside .../up, else none
    host     sparkplug: our name as a host application, told on its STATE topic; empty: none is told
    key      hj212 of 2025: the SM4 key, 32 hexadecimal digits
    """

    filter: str
    format: str
    mapping: str = ""
    names: str = ""
    gateway: str = ""
    device: str = ""
    reply: str = ""
    host: str = ""
    key: SecretText = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Ingest:
    """How messages become batches; a batch is committed as one transaction.

    batch_messages        a batch closes at this many messages
    batch_readings        it closes at about this many readings: what arrives during its commit waits for the end of it
    batch_bytes           it closes at this many bytes
    flush_s               it closes this long after its first message
    tick_s                without messages the detectors are told the time this often
    historical_after_s    older readings raise findings, and notify nobody
    future_tolerance_s    readings further ahead of our clock are rejected
    too_old_days          readings older than this are rejected
    max_payload_bytes     longer messages are rejected
    gateway_messages_per_s  budget of a gateway, unless the registry gives it one; a message counts once per KiB
    gateway_burst_s       so many seconds of its budget a gateway may send at once (a backlog); more is rejected
    queue_messages        messages that wait for the worker; when there are more, the broker has to wait
    queue_bytes           the same in bytes
    """

    batch_messages: Count = 5000
    batch_readings: Count = 25_000
    batch_bytes: Annotated[int, Between(1024, 1 << 30)] = 8 << 20
    flush_s: Seconds = 0.02
    tick_s: Seconds = 1.0
    historical_after_s: Annotated[float, Between(0.001, 100 * 366 * 86_400, told=False)] = 900.0
    future_tolerance_s: Seconds = 300.0
    too_old_days: Days = 90
    max_payload_bytes: Annotated[int, Between(1024, 1 << 26)] = 256 << 10
    gateway_messages_per_s: Annotated[float, Between(0.1, 1_000_000)] = 200.0
    gateway_burst_s: Annotated[float, Between(1, 86_400)] = 900.0
    queue_messages: Count = 60_000
    queue_bytes: Annotated[int, Between(1 << 20, 1 << 34)] = 64 << 20


@dataclass(frozen=True, slots=True)
class Watch:
    """When missing data (rules Q-01, Q-02, Q-10), a wrong clock (Q-06) or bad data (Q-03, Q-08, Q-09) is a fault.

    silence_periods    a series may be silent for so many of its periods ...
    silence_floor_s    ... but never for less: a gateway may send once a minute what it samples each second
    silence_worse_s    a mandatory series silent for so long is orange, but not before twice what it may; 0 = never
    gateway_silence_s  all series of a gateway silent for so long: one alert about it instead of many
    enterprise_silence_s  all gateways of an enterprise silent for so long (rule Q-10): switched off? 0 = not watched
    gap_periods        a gap of more periods than this restarts on- and off-delays: silence is no evidence
    gap_floor_s        ... but never a shorter one
    clock_skew_s       a gateway's clock is wrong when its readings look older, or younger, by more than this on
                       arrival (rule Q-06); older by one more period of its fastest series. 0 = it is not watched
    clock_deadband_s   it is right again when it comes nearer by so much than that
    implausible_count  so many readings of a gateway outside their physical range within ten minutes; 0 = not watched
    missing_count      so many messages of a gateway that its numbering says are missing; 0 = not watched
    unreadable_count   so many readings or messages of a gateway that cannot be read, and ...; 0 = not watched
    unreadable_percent  ... more than this share of what it sent in ten minutes
    """

    silence_periods: Annotated[float, Between(1, 1000)] = 3.0
    silence_floor_s: Seconds = 180.0
    silence_worse_s: Annotated[float, Between(0, 366 * 86_400)] = 3600.0
    gateway_silence_s: Seconds = 180.0
    enterprise_silence_s: Annotated[float, Between(0, 366 * 86_400)] = 86_400.0
    gap_periods: Annotated[float, Between(1, 1000)] = 3.0
    gap_floor_s: Seconds = 60.0
    clock_skew_s: Annotated[float, Between(0, 86_400)] = 60.0
    clock_deadband_s: Annotated[float, Between(0, 86_400)] = 10.0
    implausible_count: Annotated[int, Between(0, 1_000_000)] = 1
    missing_count: Annotated[int, Between(0, 1_000_000)] = 1
    unreadable_count: Annotated[int, Between(0, 1_000_000)] = 3
    unreadable_percent: Annotated[float, Between(0, 100)] = 1.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What is detected beside the limits of the registry (docs/rules.md).

    shipped  the packs anomaly, dust, power and quality that come with the service
    packs    rule packs of your own, YAML files; read again whenever one changes. `fengsui rules check` tries them
    on       rules that are off as they come and shall be in force everywhere, ["A-01"]; a device has the last word
    off      rules that shall not be in force, but where a device says so: "D-21.on" = 1
    """

    shipped: bool = True
    packs: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Database:
    """Where everything is kept; `fengsui up` starts a PostgreSQL of its own.

    dsn                libpq connection string, "host=db dbname=fengsui user=fengsui"
    timescale          auto: use TimescaleDB where the extension is installed; off: never
    connect_timeout_s  how long one attempt to connect may take
    """

    dsn: SecretText = field(default="", repr=False)
    timescale: Literal["auto", "off"] = "auto"
    connect_timeout_s: Annotated[int, Between(1, 300)] = 5


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept; alerts and their history are kept for ever.

    raw_days      readings as they came
    rollup_days   the one-minute and one-hour summaries of them
    rejects_days  what could not be taken, with its raw bytes
    """

    raw_days: Days = 90
    rollup_days: Days = 1095
    rejects_days: Days = 30


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The detectors' state on disk: a restart replays what came since the newest one.

    interval_s  between two checkpoints
    """

    interval_s: Seconds = 30.0


@dataclass(frozen=True, slots=True)
class Notify:
    """How the notifier works through the outbox.

    senders       notes on their way at the same time
    timeout_s     one attempt to send
    lease_s       a note that was taken and neither sent nor refused is free again after this
    retry_s       pause before the second attempt; it doubles each time, with jitter
    retry_max_s   the longest pause
    red_max_s     the longest pause of a red note
    red_age_s     so long after the decision a red note is dead: somebody else must be told in time
    attempts      after so many the note is dead: the next channel is tried, or the operator told
    max_age_s     so long after the decision it is dead as well
    poll_s        looks at the outbox this often, should a wake-up be lost
    ask_s         after a time-out a provider that can be asked what it sent is given so long to know it
    recipient_per_minute   notes to one recipient by one channel, three tenths of a burst kept for red; log, webhook
                           and [alerts] machines are not counted
    """

    senders: Annotated[int, Between(1, 256)] = 8
    timeout_s: Seconds = 10.0
    lease_s: Seconds = 60.0
    retry_s: Seconds = 2.0
    retry_max_s: Seconds = 300.0
    red_max_s: Seconds = 15.0
    red_age_s: Seconds = 300.0
    attempts: Annotated[int, Between(1, 1000)] = 12
    max_age_s: Seconds = 86_400.0
    poll_s: Seconds = 1.0
    ask_s: Annotated[float, Between(0, 300)] = 5.0
    recipient_per_minute: Count = 20


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A test note through channels on a schedule; the operator is told when one does not get through.

    interval_s   between two notes by one channel
    timeout_s    a note that was not sent by then has failed
    recipients   channel = address of somebody who knows that these are tests; empty: no heartbeat
    """

    interval_s: Annotated[float, Between(1, 366 * 86_400, told=False)] = 3600.0
    timeout_s: Seconds = 120.0
    recipients: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rota:
    """Days that the calendar of Chinese holidays does not know (yet), for duty rotas; written as "2027-02-06".

    work_days   weekends that are worked
    rest_days   days off
    """

    work_days: tuple[str, ...] = ()
    rest_days: tuple[str, ...] = ()

    @property
    def days(self) -> WorkDays:
        """The calendar; `check` has seen that it can be read."""
        return WorkDays.of(self.work_days, self.rest_days)


@dataclass(frozen=True, slots=True)
class Console:
    """The web pages and the HTTP API.

    host         127.0.0.1: this machine only
    port         8080 is customary
    public_url   how people's phones reach the console; in the links of notifications
    hosts        names under which it may be asked
    silent_after_s   a gateway that said nothing for so long is shown as silent
    sign_in_attempts  wrong passwords per account or address in sign_in_window_s; then neither is asked for a while
    sign_in_window_s  see sign_in_attempts
    secret_key   signs sessions and links; empty: a new one at each start, everybody has to sign in again, and the
                 links of notifications ask for an account
    link_hours   so long the link of a notification lets its recipient answer without an account
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = ""
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    silent_after_s: Seconds = 180.0
    sign_in_attempts: Annotated[int, Between(1, 1000)] = 10
    sign_in_window_s: Seconds = 300.0
    secret_key: SecretText = field(default="", repr=False)
    link_hours: Annotated[float, Between(0.01, 8760)] = 72.0


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where each process answers /healthz /readyz /metrics /status.

    host           127.0.0.1: this machine only
    pipeline_port  of the pipeline
    notifier_port  of the notifier
    """

    host: str = "127.0.0.1"
    pipeline_port: Port = 9108
    notifier_port: Port = 9109


@dataclass(frozen=True, slots=True)
class Log:
    """What the processes say about themselves, on standard error.

    level    the least that is told
    format   auto: text on a terminal, JSON lines elsewhere
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


@dataclass(frozen=True, slots=True)
class Embedded:
    """Only for `fengsui up`, which brings its own broker and database.

    mqtt_host            where the broker listens; 0.0.0.0: everybody in the network; needs [mqtt] anonymous = false
    mqtt_cert_file       the broker's certificate: it speaks TLS only; names [mqtt] host too, where we find it
    mqtt_key_file        the key of that certificate
    mqtt_client_ca_file  gateways must have a certificate that this authority has signed, beside their password
    postgres_port        PostgreSQL also listens on this loopback port, for Grafana; 0: on its unix socket only
    """

    mqtt_host: str = "127.0.0.1"
    mqtt_cert_file: str = ""
    mqtt_key_file: str = ""
    mqtt_client_ca_file: str = ""
    postgres_port: Annotated[int, Between(0, 65535)] = 5433


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set; `fengsui config example` prints it."""

    mqtt: Mqtt = Mqtt()
    sources: tuple[Source, ...] = (
        Source("fs/v1/+/+", "native"),
        Source("v1/gateway/telemetry", "thingsboard"),
    )
    ingest: Ingest = Ingest()
    watch: Watch = Watch()
    rules: Rules = Rules()
    database: Database = Database()
    retention: Retention = Retention()
    checkpoint: Checkpoint = Checkpoint()
    alerts: Annotated[Policy, Without("channels", "link")] = Policy()  # noqa: RUF009 - frozen
    notify: Notify = Notify()
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    rota: Rota = Rota()
    channels: Mapping[str, Channel] = field(default_factory=lambda: {"log": LogChannel()})
    console: Console = Console()
    metrics: Metrics = Metrics()
    log: Log = Log()
    embedded: Embedded = Embedded()

    @property
    def policy(self) -> Policy:
        """The alerts' policy, completed with the channels' names and the address of an alert's page."""
        return replace(
            self.alerts, channels=frozenset(self.channels), link=f"{self.console_url}/alerts/{{id}}"
        )

    @property
    def console_url(self) -> str:
        """How people reach the console."""
        return self.console.public_url.rstrip("/") or f"http://{self.console.host}:{self.console.port}"


def load(path: Path | None = None, env: Mapping[str, str] = os.environ, *, running: bool = True) -> Config:
    """Read the configuration.  Raises ConfigError naming file, key, what was expected and the remedy.

    Without `path` that of `find`, or of `written` when what runs here is not meant; without that nothing but
    defaults and environment.
    """
    path = path or (find(env) if running else written(env))
    given = merge(read_file(path) if path else {}, read_environment(Config, env))
    config = build(Config, given, file=str(path or "configuration"))
    check(config, str(path or "configuration"))
    return config


def find(env: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that `load` reads when none is named; None when there is none.

    That of FENGSUI_CONFIG; the one that a running `fengsui up` wrote into its folder (FENGSUI_DATA or .fengsui);
    fengsui.toml here.
    """
    folder = Path(env.get("FENGSUI_DATA") or ".fengsui")
    if not env.get("FENGSUI_CONFIG") and holder(folder):
        return folder / "config.toml"
    return written(env)


def written(env: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file that a person wrote; None when there is none."""
    if named := env.get("FENGSUI_CONFIG"):
        return Path(named)
    return Path("fengsui.toml") if Path("fengsui.toml").exists() else None


def check(config: Config, where: str) -> None:
    """Refuse what each key allows and the whole does not."""
    _check_pending(config, where)
    _check_sources(config, where)
    _check_times(config, where)
    _check_channels(config, where)
    check_alerts(config.alerts, where)
    _check_identity(config, where)
    try:
        _ = config.rota.days
    except ValueError as error:
        raise ConfigError(
            f"{where} [rota] work_days, rest_days", str(error), 'Write days as "2027-02-06"'
        ) from error
    url = config.console.public_url
    if url and not url.startswith(("http://", "https://")):
        raise ConfigError(
            f"{where} [console] public_url", f"{url!r} is no web address", "Write it with https://"
        )


def _check_pending(config: Config, where: str) -> None:
    pending = sum(config.mqtt.max_ack_pending * (2 if "#" in s.filter else 1) for s in config.sources)
    if pending > MOST_PENDING:
        raise ConfigError(
            f"{where} [mqtt] max_ack_pending",
            f"{config.mqtt.max_ack_pending} for each of {len(config.sources)} sources (# counts twice) "
            f"is {pending}, and a session has {MOST_PENDING}",
            f"Set it to {config.mqtt.max_ack_pending * MOST_PENDING // pending} or less",
        )


def _check_identity(config: Config, where: str) -> None:
    """Refuse an open door to the network, and half a certificate."""
    mqtt, embedded = config.mqtt, config.embedded
    if mqtt.anonymous and embedded.mqtt_host not in LOOPBACK:
        raise ConfigError(
            f"{where} [mqtt] anonymous",
            f"is true, and the broker would listen on {embedded.mqtt_host}: everybody in the network could publish",
            "Set anonymous = false, and give each gateway its credentials: `fengsui gateway add`",
        )
    if bool(embedded.mqtt_cert_file) != bool(embedded.mqtt_key_file):
        raise ConfigError(
            f"{where} [embedded] mqtt_cert_file", "has no mqtt_key_file, or the other way round", "Set both"
        )
    if embedded.mqtt_client_ca_file and not embedded.mqtt_cert_file:
        raise ConfigError(
            f"{where} [embedded] mqtt_client_ca_file",
            "asks gateways for certificates, and the broker has none itself",
            "Set mqtt_cert_file and mqtt_key_file",
        )


def _check_times(config: Config, where: str) -> None:
    notify, retention = config.notify, config.retention
    if notify.lease_s <= notify.timeout_s:
        raise ConfigError(
            f"{where} [notify] lease_s",
            f"{notify.lease_s:g} is not longer than timeout_s = {notify.timeout_s:g}, so that notes still on "
            "their way would be sent twice",
            "Make lease_s at least three times timeout_s",
        )
    if retention.rollup_days < retention.raw_days:
        raise ConfigError(
            f"{where} [retention] rollup_days",
            f"{retention.rollup_days} is shorter than raw_days = {retention.raw_days}",
            "Keep summaries at least as long as readings",
        )


def _check_sources(config: Config, where: str) -> None:
    if not config.sources:
        raise ConfigError(f"{where} [[sources]]", "there is none", "Name at least one filter and its format")
    filters = [source.filter for source in config.sources]
    for one in filters:
        if filters.count(one) > 1:
            raise ConfigError(
                f"{where} [[sources]] filter", f"{one!r} stands there twice", "Remove one of them"
            )
        if problem := _filter_problem(one):
            raise ConfigError(f"{where} [[sources]] filter", f"{one!r} {problem}", "Write it as a/+/b or a/#")


def _filter_problem(topic_filter: str) -> str:
    """Return what MQTT 3.1.1 (4.7) has against a filter, "" when nothing."""
    parts = topic_filter.split("/")
    if not topic_filter:
        return "is empty"
    if any(("+" in part or "#" in part) and len(part) > 1 for part in parts):
        return "has + or # beside other characters of a level"
    if any(("{" in part or "}" in part) and not re.fullmatch(r"\{\w+\}", part) for part in parts):
        return "has { or } beside other characters of a level"
    if "#" in parts[:-1]:
        return "has # before its last level"
    return ""


def _check_channels(config: Config, where: str) -> None:
    """Refuse channels that can reach nobody, and names of channels that nobody defined."""
    for name, chosen in config.channels.items():
        missing = [key for key in NEEDED.get(chosen.kind, ()) if not getattr(chosen, key)]
        if missing:
            raise ConfigError(
                f"{where} [channels.{name}]",
                f"{chosen.kind} lacks {', '.join(missing)}",
                "Set them; KEY_file names a file with a secret",
            )
    alerts = config.alerts
    named = {"alerts] last_resort": alerts.last_resort[1]}
    tiers = {"red": alerts.red, "orange": alerts.orange, "yellow": alerts.yellow, "blue": alerts.blue}
    named |= {f"alerts.{name}] by": tier.by for name, tier in tiers.items() if tier.by}
    named |= {f"heartbeat.recipients] {name}": name for name in config.heartbeat.recipients}
    for key, channel in named.items():
        if channel not in config.channels:
            raise ConfigError(
                f"{where} [{key}",
                f"names the channel {channel!r}, and there are {', '.join(config.channels)}",
                f"Define [channels.{channel}], or name another",
            )
