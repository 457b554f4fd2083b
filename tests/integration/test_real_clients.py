"""Clients that nobody here wrote publish, and are understood: mosquitto_pub, mqtt.js, a Sparkplug node, ThingsBoard's SDK.

The two of PyPI pin versions of paho that are not ours, so each stands in an environment of its own:
    FENGSUI_SPARKPLUG_PYTHON     python with mqtt_spb_wrapper        FENGSUI_THINGSBOARD_PYTHON   python with tb-mqtt-client
    FENGSUI_MQTTJS               folder in which `npm install mqtt` was run
"""

import contextlib
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from ingest.feed import Feed
from ingest.open_catalog import OpenCatalog
from ingest.settings import BrokerSettings, IngestSettings
from ingest.source import Source

PATIENCE_S = 15
FEEDS = (
    Feed("fs/v1/{gateway}/{device}", "native"),
    Feed("v1/gateway/+", "thingsboard"),
    Feed("spBv1.0/+/+/+", "sparkplug"),
    Feed("spBv1.0/+/+/+/+", "sparkplug"),
    Feed("tele/{device}/+", "tasmota"),
    Feed("hj212/{gateway}/up", "hj212"),
)
FRAME = (
    "##0140QN=20261121090000123;ST=31;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;"
    "CP=&&DataTime=20261121090000;a34013-Rtd=12.6,a34013-Flag=N&&5880\r\n"
)


@pytest.fixture(params=["nats", "mosquitto"])
def broker(request):
    if request.param == "nats":
        # Six filters share the 65,535 packet ids of a session.
        return request.getfixturevalue("start_nats")(max_ack_pending=10_000)
    return request.getfixturevalue("start_mosquitto")()


class Listener:
    """A source in a registry where everything exists; keeps {(device, signal): newest value} and the rejects."""

    def __init__(self, broker):
        self.everything = OpenCatalog()
        settings = IngestSettings(filters=FEEDS, tick_s=0.05, future_tolerance_s=1e6, too_old_days=1e4)
        self.source = Source(
            settings,
            BrokerSettings(port=broker.port, client_id="listener", settle_s=0),
            self.everything.catalog,
        )
        self.values, self.rejects = {}, []

    def work(self):
        for delivery in self.source.deliveries():
            batch = delivery.batch
            for series, value in zip(batch.series.tolist(), batch.value.tolist(), strict=True):
                self.values[self.everything.owner[series][1:]] = value
            self.rejects += [(str(reject.reason), reject.detail) for reject in delivery.rejects]
            delivery.ack()

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, (self.values, self.rejects)
            time.sleep(0.02)


@contextlib.contextmanager
def listening(broker):
    listener = Listener(broker)
    thread = threading.Thread(target=listener.work, daemon=True)
    thread.start()
    listener.until(lambda: listener.source.session.connected)
    yield listener
    listener.source.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **more)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def python_with(variable, module):
    found = os.environ.get(variable, "")
    if (
        not found
        or subprocess.run([found, "-c", f"import {module}"], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"{variable} names no python that can import {module}")
    return found


def test_mosquitto_pub(broker):
    program = shutil.which("mosquitto_pub")
    if not program:
        pytest.skip("mosquitto_pub is not installed (apt-get install mosquitto-clients)")
    with listening(broker) as listener:
        for topic, payload in (
            ("fs/v1/gw/d", '{"m":"hopper_temperature","v":41.5}'),
            (
                "tele/desk/SENSOR",
                '{"Time":"2026-11-21T09:00:00","ENERGY":{"Power":[56,57]},"DS18B20":{"Temperature":20.6}}',
            ),
            ("hj212/gw/up", FRAME),
        ):
            run(program, "-p", str(broker.port), "-q", "1", "-t", topic, "-m", payload)
        listener.until(lambda: len(listener.values) >= 5)
        assert listener.values == {
            ("d", "hopper_temperature"): 41.5, ("desk", "active_power_a"): 56, ("desk", "active_power_b"): 57,
            ("desk", "DS18B20/Temperature"): 20.6, ("010000A8900016F000169DC0", "dust_concentration"): 12.6,
        }  # fmt: skip
        assert listener.rejects == []


MQTTJS = """
const mqtt = require('mqtt');
const client = mqtt.connect('mqtt://127.0.0.1:' + process.argv[2], {protocolVersion: 4});
const body = {t0: Date.now(), dt: [0, 100], series: {current_a: [1.5, 2.5], fan_running: [true, null]}};
client.on('connect', () => client.publish('fs/v1/gw/js', JSON.stringify(body), {qos: 1}, () => client.end()));
"""


def test_mqtt_js(broker, tmp_path):
    folder, node = os.environ.get("FENGSUI_MQTTJS", ""), shutil.which("node")
    if not node or not (Path(folder) / "node_modules" / "mqtt").exists():
        pytest.skip("FENGSUI_MQTTJS names no folder with node_modules/mqtt")
    script = tmp_path / "publish.js"
    script.write_text(MQTTJS)
    with listening(broker) as listener:
        run(node, str(script), str(broker.port), env=os.environ | {"NODE_PATH": f"{folder}/node_modules"})
        listener.until(lambda: len(listener.values) == 2)
        assert listener.values == {("js", "current_a"): 2.5, ("js", "fan_running"): 1.0}


SPARKPLUG = """
import sys, time
from mqtt_spb_wrapper import MqttSpbEntityEdgeNode, MqttSpbEntityDevice
port = int(sys.argv[1])
device = MqttSpbEntityDevice("group", "edge", "collector")
device.data.set_value("Dust/DP", 812.5)
device.data.set_value("Fan/Running", True)
device.connect(host="127.0.0.1", port=port)
deadline = time.time() + 15
while not device.is_connected() and time.time() < deadline:
    time.sleep(0.1)
device.publish_birth()
time.sleep(0.5)
device.data.set_value("Dust/DP", 1030.0)
device.publish_data()
time.sleep(1.0)
device.disconnect()
"""


def test_a_sparkplug_node_of_pypi(broker):
    python = python_with("FENGSUI_SPARKPLUG_PYTHON", "mqtt_spb_wrapper")
    with listening(broker) as listener:
        run(python, "-c", SPARKPLUG, str(broker.port))
        listener.until(lambda: listener.values.get(("collector", "Dust/DP")) == 1030.0)
        # This client puts DATA/ before the names in its births, and not in its data.
        assert listener.values[("collector", "DATA/Dust/DP")] == 812.5
        assert listener.values[("collector", "DATA/Fan/Running")] == 1.0
        assert listener.rejects == []


THINGSBOARD = """
import sys, time
from tb_gateway_mqtt import TBGatewayMqttClient
client = TBGatewayMqttClient("127.0.0.1", int(sys.argv[1]), "token")
client.connect()
client.gw_connect_device("Device A", "default")
telemetry = [{"ts": int(time.time() * 1000), "values": {"temperature": 42.1, "humidity": 80}}]
client.gw_send_telemetry("Device A", telemetry).get()
time.sleep(0.5)
client.gw_disconnect_device("Device A")
client.disconnect()
"""


def test_the_gateway_sdk_of_thingsboard(broker):
    python = python_with("FENGSUI_THINGSBOARD_PYTHON", "tb_gateway_mqtt")
    if "nats" in type(broker).__name__.lower():
        pytest.skip("this SDK speaks MQTT 5 only, and nats-server MQTT 3.1.1")
    with listening(broker) as listener:
        run(python, "-c", THINGSBOARD, str(broker.port))
        listener.until(lambda: len(listener.values) >= 2)
        assert listener.values == {("Device A", "temperature"): 42.1, ("Device A", "humidity"): 80}
        assert listener.rejects == []
