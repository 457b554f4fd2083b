"""The broker of `fengsui up` with TLS, with and without certificates of clients; and what the configuration refuses."""

import asyncio
import datetime as dt
import ipaddress
import ssl
import time

import aiomqtt
import pytest
from conftest import new_nats
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core.errors import ConfigError
from ingest.settings import BrokerSettings, IngestSettings
from ingest.source import Source
from service.config import load
from tests.fakes.gateways import catalog


def certificate(folder, name, issuer=None):
    """Write NAME.crt and NAME.key, signed by `issuer` (name, key) or by itself; return (name, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer, signing_key = issuer or (subject, key)
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(signer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1)).add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(signing_key, hashes.SHA256())
    )  # fmt: skip
    (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
    ))  # fmt: skip
    return subject, key


@pytest.fixture
def start(tmp_path):
    """`start(clients=…)` gives a broker that speaks TLS; `clients`: it asks for certificates of our authority."""
    authority = certificate(tmp_path, "authority")
    for name in ("broker", "gateway"):
        certificate(tmp_path, name, authority)
    certificate(tmp_path, "stranger")
    running = []

    def begin(*, clients):
        broker = new_nats(
            tmp_path / "nats", cert_file=str(tmp_path / "broker.crt"), key_file=str(tmp_path / "broker.key"),
            client_ca_file=str(tmp_path / "authority.crt") if clients else "",
        )  # fmt: skip
        running.append(broker)
        broker.start()
        return broker

    yield begin
    for broker in running:
        broker.stop()


def publishes(broker, folder, name=None, *, tls=True):
    """Return whether a gateway with this certificate gets a PUBACK."""

    async def attempt():
        context = ssl.create_default_context(cafile=str(folder / "authority.crt")) if tls else None
        if name:
            context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
        async with aiomqtt.Client(broker.host, broker.port, tls_context=context, timeout=5) as client:
            await client.publish("fs/v1/gw1/dust1", b"{}", qos=1)

    try:
        asyncio.run(attempt())
    except (aiomqtt.MqttError, OSError):
        return False
    return True


def test_the_broker_speaks_tls_and_nothing_else(start, tmp_path):
    broker = start(clients=False)
    assert broker.answers()
    assert publishes(broker, tmp_path)
    assert not publishes(broker, tmp_path, tls=False)


def test_where_certificates_of_clients_are_asked_for_strangers_stay_out(start, tmp_path):
    broker = start(clients=True)
    found = {name: publishes(broker, tmp_path, name) for name in (None, "stranger", "gateway")}
    assert found == {None: False, "stranger": False, "gateway": True}


def test_our_own_session_shows_its_certificate(start, tmp_path):
    broker = start(clients=True)
    where = {name: str(tmp_path / file) for name, file in
             (("ca_file", "authority.crt"), ("cert_file", "gateway.crt"), ("key_file", "gateway.key"))}  # fmt: skip
    settings = BrokerSettings(
        port=broker.port, client_id="tls-reader", tls=True, reconnect_min_s=0.05, **where
    )
    source = Source(IngestSettings(tick_s=0.05), settings, catalog())
    deadline = time.monotonic() + 20
    deliveries = source.deliveries()
    while not next(deliveries).connected:
        assert time.monotonic() < deadline, source.session.problem
    deliveries.close()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[embedded]\nmqtt_host = "0.0.0.0"', "[mqtt] anonymous"),
        ('[embedded]\nmqtt_host = "10.1.2.3"', "[mqtt] anonymous"),
        ('[embedded]\nmqtt_cert_file = "a.crt"', "[embedded] mqtt_cert_file"),
        ('[embedded]\nmqtt_client_ca_file = "a.crt"', "[embedded] mqtt_client_ca_file"),
    ],
)
def test_an_open_door_and_half_a_certificate_stop_the_start(tmp_path, text, key):
    file = tmp_path / "fengsui.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(file, {})
    assert key in str(refused.value)


def test_a_broker_for_everybody_that_asks_who_one_is_may_start(tmp_path):
    file = tmp_path / "fengsui.toml"
    file.write_text('[mqtt]\nanonymous = false\n[embedded]\nmqtt_host = "0.0.0.0"')
    assert load(file, {}).embedded.mqtt_host == "0.0.0.0"
