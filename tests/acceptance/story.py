"""A deterministic story: devices whose readings go over their limits and come back, as MQTT messages in order."""

import json
import math
import random
import threading

import paho.mqtt.client as mqtt

GATEWAYS = 4
DEVICES = 10  # per gateway
SIGNALS = (
    "hopper_temperature",
    "inlet_temperature",
    "differential_pressure",
    "bearing_temperature",
    "current_a",
)
HIGH = {
    "hopper_temperature": 60, "inlet_temperature": 70, "differential_pressure": 1500,
    "bearing_temperature": 70, "current_a": 400,
}  # fmt: skip
STEPS_PER_MESSAGE = 2


def town():
    """Return the registry of the story as a town file."""
    lines = [
        '[[area]]\ncode = "c"\nname = "县"\nlevel = "county"',
        '[[enterprise]]\ncode = "e"\nname = "企业"\narea = "c"',
        *(
            f'[[contact]]\ncode = "{role}"\nname = "{role}"\nrole = "{role}"\n{place}\naddresses = {{ webhook = "" }}'
            for role, place in (
                ("safety_director", 'enterprise = "e"'),
                ("safety_officer", 'enterprise = "e"'),
                ("principal", 'enterprise = "e"'),
                ("county_inspector", 'area = "c"'),
            )
        ),
    ]
    series = ",\n".join(
        f'{{ signal = "{signal}", period_s = 1, limits = ['
        f'{{ level = "orange", high = {HIGH[signal]}, deadband = {HIGH[signal] * 0.1}, on_delay_s = 3, off_delay_s = 2 }},'
        f'{{ level = "red", high = {HIGH[signal] * 1.3}, deadband = {HIGH[signal] * 0.1} }}] }}'
        for signal in SIGNALS
    )
    for g in range(GATEWAYS):
        lines.append(f'[[gateway]]\ncode = "g{g}"\nenterprise = "e"')
        lines += [
            f'[[device]]\ngateway = "g{g}"\ncode = "d{d}"\nname = "设备{g}-{d}"\nprofile = "dry_dust_collector"\n'
            f"series = [{series}]"
            for d in range(DEVICES)
        ]
    return "\n".join(lines)


def messages(n_steps, start_ms, seed=7):
    """Yield (gateway, topic, payload) in order of event time, one step a second; every series has its own story."""
    rng = random.Random(seed)
    excursions = {}
    for g in range(GATEWAYS):
        for d in range(DEVICES):
            for signal in SIGNALS:
                starts = sorted(rng.sample(range(n_steps), 2))
                excursions[g, d, signal] = [
                    (s, s + rng.randint(1, 30), rng.choice([1.1, 1.2, 1.5])) for s in starts
                ]
    for first in range(0, n_steps, STEPS_PER_MESSAGE):
        steps = range(first, min(first + STEPS_PER_MESSAGE, n_steps))
        for g in range(GATEWAYS):
            for d in range(DEVICES):
                readings = [
                    {
                        "m": signal,
                        "ts": start_ms + 1000 * step,
                        "v": value(step, signal, excursions[g, d, signal]),
                    }
                    for step in steps
                    for signal in SIGNALS
                ]
                yield f"g{g}", f"fs/v1/g{g}/d{d}", json.dumps({"readings": readings})


def value(step, signal, excursions):
    factor = 0.7 + 0.05 * math.sin(step / 9)
    for start, end, height in excursions:
        if start <= step < end:
            factor = height
    return round(HIGH[signal] * factor, 3)


class Gateways:
    """One MQTT client per gateway, QoS 1, that keeps what has no PUBACK over any loss of the broker."""

    def __init__(self, port, names):
        self.acked = 0
        self._lock = threading.Lock()
        self.clients = {name: self._client(name, port) for name in names}

    def _client(self, name, port):
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=False, protocol=mqtt.MQTTv311
        )
        client.reconnect_delay_set(0.1, 0.5)
        client.max_inflight_messages_set(50)
        client.max_queued_messages_set(0)
        client.on_publish = self._on_publish
        client.connect("127.0.0.1", port, keepalive=10)
        client.loop_start()
        return client

    def _on_publish(self, *_):
        with self._lock:
            self.acked += 1

    def publish(self, gateway, topic, payload):
        self.clients[gateway].publish(topic, payload, qos=1)

    def close(self):
        for client in self.clients.values():
            client.disconnect()
            client.loop_stop()
