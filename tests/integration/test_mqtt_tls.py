"""The session over TLS, against a mosquitto with a certificate of its own."""

import datetime as dt
import ipaddress
import shutil
import socket
import subprocess
import threading
import time

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core.time import clock_ns
from ingest.settings import BrokerSettings, IngestSettings
from ingest.source import Source
from tests.fakes.gateways import TOPIC, catalog, one

PATIENCE_S = 20
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")


def write_certificate(folder):
    """A self-signed certificate for 127.0.0.1, good for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1)).add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "broker.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "broker.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption(),
    ))  # fmt: skip


@pytest.fixture
def secure_port(tmp_path):
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    write_certificate(tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nmax_inflight_messages 0\n"
        f"certfile {tmp_path}/broker.crt\nkeyfile {tmp_path}/broker.key\n"
    )
    process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.DEVNULL)
    until(lambda: answers(port))
    yield port
    process.terminate()
    process.wait(PATIENCE_S)


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def source_of(port, ca_file):
    broker = BrokerSettings(port=port, ca_file=str(ca_file), reconnect_min_s=0.05)
    return Source(IngestSettings(tick_s=0.05), broker, catalog())


def test_readings_come_through_tls(secure_port, tmp_path):
    """More in one go than one TLS record holds: what the TLS layer has buffered must not wait for the next packet."""
    source = source_of(secure_port, tmp_path / "broker.crt")
    values = []

    def read():
        for delivery in source.deliveries():
            values.extend(delivery.batch.value.tolist())
            delivery.ack()

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: source.session.connected)
    gateway = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    gateway.tls_set(str(tmp_path / "broker.crt"))
    gateway.connect("127.0.0.1", secure_port)
    gateway.loop_start()
    start = clock_ns() // 10**6 - 60_000
    receipts = [
        gateway.publish(TOPIC, one("pressure_drop", number, start + number), qos=1) for number in range(1000)
    ]
    receipts[-1].wait_for_publish(PATIENCE_S)
    until(lambda: len(values) == 1000)
    gateway.disconnect()
    gateway.loop_stop()
    source.stop()
    reader.join(PATIENCE_S)
    assert sorted(values) == list(range(1000))


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_certificate_that_cannot_be_checked_is_told(secure_port, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_certificate(other)
    source = source_of(secure_port, other / "broker.crt")
    deliveries = source.deliveries()
    next(deliveries)
    until(lambda: "CERTIFICATE_VERIFY_FAILED" in source.session.problem)
    assert not next(deliveries).connected
    deliveries.close()
