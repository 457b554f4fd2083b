"""What an operator may set about the intake; the service's configuration is made of these."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.feed import Feed


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """How messages become batches.

    filters            by precedence; (topic filter, format) is short for a Feed of these.  NATS: the
                       `max_ack_pending` of all filters of a session together must stay below 65,536
    batch_messages, batch_bytes, flush_s   whichever comes first closes a batch
    batch_readings     ... or about so many readings: what arrives during a commit waits for its end
    tick_s             a delivery at least this often, empty if nothing came
    historical_after_s in order, but older than this on arrival: recorded, nobody is paged
    future_tolerance_s, too_old_days   beyond these a reading is rejected
    gateway_messages_per_s, gateway_burst_s   budget of a gateway (ingest/budget.py); more is rejected
    identified         gateways have shown who they are: topics that name none are for few (ingest/guard.py)
    held_messages      so many messages may wait for their other packets (HJ 212) without being acknowledged; far fewer
                       than the broker sends without that (its `max_ack_pending`, Mosquitto's `max_inflight_messages`)
    queue_messages, queue_bytes   what may wait for the worker; beyond it we stop reading from the broker
    """

    filters: tuple[tuple[str, str] | Feed, ...] = (
        ("fs/v1/+/+", "native"),
        ("v1/gateway/telemetry", "thingsboard"),
    )
    batch_messages: int = 5_000
    batch_readings: int = 25_000
    batch_bytes: int = 8_388_608
    flush_s: float = 0.02
    tick_s: float = 1.0
    historical_after_s: float = 900.0
    future_tolerance_s: float = 300.0
    too_old_days: float = 90.0
    queue_messages: int = 65_536
    queue_bytes: int = 67_108_864
    max_payload_bytes: int = 262_144
    held_messages: int = 1_000
    gateway_messages_per_s: float = 200.0
    gateway_burst_s: float = 900.0
    identified: bool = False


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Where the broker is and who we are there.

    client_id          names the session that keeps messages while we are away: never two pipelines with one
    tls                encrypt, and check the broker's certificate
    ca_file            certificates to trust, and then `tls` is meant; "" = those of the system
    cert_file, key_file   our own certificate, where the broker asks for one
    settle_s           after a session was resumed, hold what arrives for so long: until then the broker may send
                       again, behind newer messages, what was not acknowledged.  NATS: its ack_wait and a second;
                       a broker that sends it at once and first (Mosquitto): 0
    reconnect_min_s, reconnect_max_s   pause before a new attempt: random, up to a bound that doubles
    """

    host: str = "127.0.0.1"
    port: int = 1883
    client_id: str = "fengsui-pipeline"
    username: str = ""
    password: str = ""
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    keepalive_s: int = 30
    settle_s: float = 6.0
    connect_timeout_s: float = 5.0
    reconnect_min_s: float = 0.5
    reconnect_max_s: float = 30.0
