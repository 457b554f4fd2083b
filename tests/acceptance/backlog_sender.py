"""A day's backlog of many gateways, oldest first, as fast as the broker takes it; a process of its own.

python backlog_sender.py PORT GATEWAYS NOW_S: ends when every message has its PUBACK.
"""

import json
import sys
import threading

import paho.mqtt.client as mqtt

LIMIT = {"hopper_temperature": 60, "inlet_temperature": 70, "differential_pressure": 1500}
STEP_S, DAY_S, END_S = 60, 86_400, 1_800  # one sample a minute, up to half an hour ago
PER_MESSAGE = 60


def times(now_s):
    return range(now_s - DAY_S, now_s - END_S, STEP_S)


def backlog(now_s):
    """Payloads of one gateway; each hour has a minute above every limit."""
    for first in range(0, len(times(now_s)), PER_MESSAGE):
        part = times(now_s)[first : first + PER_MESSAGE]
        values = {
            signal: [limit * (1.2 if step == 20 else 0.7) for step in range(len(part))]
            for signal, limit in LIMIT.items()
        }
        yield json.dumps({"t0": part[0], "dt": [t - part[0] for t in part], "series": values})


def send(port, n_gateways, now_s):
    payloads, left = list(backlog(now_s)), threading.Semaphore(0)
    clients = []
    for n in range(n_gateways):
        one = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"b{n}", protocol=mqtt.MQTTv311)
        one.max_queued_messages_set(0)
        one.on_publish = lambda *_: left.release()
        one.connect("127.0.0.1", port, keepalive=60)
        one.loop_start()
        clients.append(one)
    for payload in payloads:
        for n, one in enumerate(clients):
            one.publish(f"fs/v1/b{n}/d", payload, qos=1)
    for _ in range(len(payloads) * n_gateways):
        left.acquire()
    for one in clients:
        one.disconnect()
        one.loop_stop()


if __name__ == "__main__":
    send(*map(int, sys.argv[1:4]))
