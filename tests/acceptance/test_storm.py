"""Ten minutes of storm, ten times as fast: 10,000 alerts of 500 enterprises, providers in a bad mood, kill -9.

Broker, database, pipeline and notifier are the real ones.  Everything that is a time in the configuration, and
what providers allow per minute, is a tenth or ten times of what it is in service; nothing else is different.
FENGSUI_STORM_KILLS=10 kills ten times instead of three (docs/benchmarks.md has such a run).
"""

import json
import os
import random
import time
from collections import Counter, defaultdict
from pathlib import Path

import psycopg
import pytest
from acceptance.story import Gateways
from acceptance.whole_service import WholeService, wait_for
from fakes.storm import StormyApp, StormyRobot, StormySms
from fakes.webhook import FakeWebhook

from alerts.changes import Note
from alerts.link import Signer
from alerts.notify.http import body
from alerts.notify.wecom_robot.channel import _markdown
from core.time import SECOND
from storage.alerts import columns_of, from_row

N_ENTERPRISES, N_SERIES = 500, 20
N_ALERTS = N_ENTERPRISES * N_SERIES
N_STREETS, N_ROBOTS = 10, 2
STORM_S = 60.0
RED_DEADLINE_S = 30.0  # five minutes, ten times as fast
N_KILLS = int(os.environ.get("FENGSUI_STORM_KILLS", "3"))
VICTIMS = ("pipeline", "notifier", "postgres")
KEY, BASE = "the key of the storm", "https://watch.example"
LANES = 8
SETTINGS = {
    "FENGSUI_NOTIFY__SENDERS": "16",
    "FENGSUI_NOTIFY__RETRY_S": "0.2",
    "FENGSUI_NOTIFY__RETRY_MAX_S": "30",
    "FENGSUI_NOTIFY__RED_MAX_S": "1.5",
    "FENGSUI_NOTIFY__ASK_S": "0.5",
    "FENGSUI_NOTIFY__RECIPIENT_PER_MINUTE": "200",
    "FENGSUI_CONSOLE__SECRET_KEY": KEY,
    "FENGSUI_CONSOLE__PUBLIC_URL": BASE,
}


def level_of(k):
    """One series of an enterprise turns red, three orange, sixteen yellow."""
    return "red" if k == 0 else "orange" if k < 4 else "yellow"


def phone(e):
    return f"138{e:08d}"


def town():
    series = ",\n".join(
        f'{{ signal = "s{k}", name = "测点{k}", unit = "℃", period_s = 60, limits = [{{ level = "{level_of(k)}", high = 70, deadband = 5 }}] }}'
        for k in range(N_SERIES)
    )
    parts = ['[[area]]\ncode = "c"\nname = "县"\nlevel = "county"']
    for s in range(N_STREETS):
        parts.append(f'[[area]]\ncode = "s{s}"\nname = "街道{s}"\nlevel = "street"\nparent = "c"')
        parts.append(
            person(f"si{s}", "street_inspector", f'area = "s{s}"', app=f"si{s}", robot=f"k{s % N_ROBOTS}")
        )
    parts.append(person("ops", "platform_admin", 'area = "c"', app="ops"))
    parts.append(f'[[template]]\nname = "t"\nseries = [{series}]')
    for e in range(N_ENTERPRISES):
        parts.append(f'[[enterprise]]\ncode = "e{e}"\nname = "企业{e}"\narea = "s{e % N_STREETS}"')
        parts.append(person(f"so{e}", "safety_officer", f'enterprise = "e{e}"', app=f"so{e}", sms=phone(e)))
        parts.append(
            person(f"pr{e}", "principal", f'enterprise = "e{e}"', sms=phone(10_000 + e), app=f"pr{e}")
        )
        parts.append(f'[[gateway]]\ncode = "g{e}"\nenterprise = "e{e}"')
        parts.append(
            f'[[device]]\ngateway = "g{e}"\ncode = "d"\nname = "除尘器"\nprofile = "other"\ntemplate = "t"'
        )
    return "\n".join(parts)


def person(code, role, place, **addresses):
    ways = ", ".join(f'{name} = "{address}"' for name, address in addresses.items())
    return (
        f'[[contact]]\ncode = "{code}"\nname = "{code}"\nrole = "{role}"\n{place}\naddresses = {{ {ways} }}'
    )


class Providers:
    """Three providers; what they allow is ten times of what the real ones do per minute."""

    def __init__(self):
        members = [f"{who}{e}" for e in range(N_ENTERPRISES) for who in ("so", "pr")]
        members += ["ops", *(f"si{s}" for s in range(N_STREETS))]
        self.app = StormyApp(1, members=members, per_minute=300)
        self.robot = StormyRobot(2, keys=[f"k{n}" for n in range(N_ROBOTS)], per_minute=300)
        # Every fiftieth officer has had too many messages today.
        self.sms = StormySms(3, exhausted=[phone(e) for e in range(0, N_ENTERPRISES, 50)], per_day=10_000)

    @property
    def all(self):
        return (self.app, self.robot, self.sms)

    def __enter__(self):
        for provider in self.all:
            provider.__enter__()
        return self

    def __exit__(self, *why):
        for provider in self.all:
            provider.__exit__(*why)

    def config(self):
        return f"""
        [channels.app]
        kind = "wecom_app"
        url = "{self.app.url}"
        corp_id = "c1"
        secret = "s3cret"
        agent_id = 7
        per_minute = 270
        [channels.robot]
        kind = "wecom_robot"
        url = "{self.robot.url}/cgi-bin/webhook/send"
        per_minute = 270
        [channels.sms]
        kind = "aliyun_sms"
        url = "{self.sms.url}"
        access_key_id = "ak"
        access_key_secret = "s3cret"
        sign_name = "烽燧"
        template_code = "SMS_1"
        per_minute = 50
        [watch]
        silence_floor_s = 7200.0
        gateway_silence_s = 7200.0
        [alerts.hold]
        quiet_start = ""
        orange_s = 1.0
        yellow_s = 6.0
        blue_s = 6.0
        flood_window_s = 60.0
        flood_digest_s = 30.0
        settle_s = 6.0
        [alerts.ladders.red]
        answer_s = 600.0
        reach_s = 12.0
        [checkpoint]
        interval_s = 3.0
        """


class Storm:
    """The storm, and what is left of it."""

    def __init__(self, folder):
        with Providers() as self.providers, FakeWebhook() as hook:
            service = WholeService(folder, town=town(), hook=hook.url, config=self.providers.config())
            try:
                self.kills = self._rage(service)
                wait_for(lambda: settled(service), 240, lambda: state(service), pause_s=0.5)
                self._look(service)
            finally:
                service.close()

    def _rage(self, service):
        rng = random.Random(5)
        lanes = Gateways(service.broker.port, [f"lane{n}" for n in range(LANES)])
        plan = [(e, k) for e in range(N_ENTERPRISES) for k in range(N_SERIES)]
        rng.shuffle(plan)
        victims = [(STORM_S * (n + 0.7) / (N_KILLS + 0.7), VICTIMS[n % 3]) for n in range(N_KILLS)]
        kills, dead, begin = [], [], time.monotonic()
        for n, (e, k) in enumerate(plan):
            due = begin + STORM_S * n / len(plan)
            while (now := time.monotonic()) < due or not n % 100:
                for at, name in [one for one in dead if now >= one[0]]:
                    start_again(service, name)
                    dead.remove((at, name))
                if victims and now >= begin + victims[0][0]:
                    _at, name = victims.pop(0)
                    service.kill(name)
                    kills.append(name)
                    dead.append((now + 0.5, name))
                if now >= due:
                    break
                time.sleep(min(0.01, due - now))
            if not n % 500:
                service.revive()
            reading = {"m": f"s{k}", "ts": time.time_ns() // 1_000_000, "v": 71 + e / 1000}
            lanes.publish(f"lane{e % LANES}", f"fs/v1/g{e}/d", json.dumps({"readings": [reading]}))
        for _at, name in dead:
            start_again(service, name)
        wait_for(lambda: lanes.acked >= len(plan), 60)
        lanes.close()
        for provider in self.providers.all:
            provider._trouble.calm = True  # the storm is over
        self.published_s = time.monotonic() - begin
        return kills

    def _look(self, service):
        self.alerts = service.rows("SELECT id, level, raised_ns, enterprise, subject FROM alert")
        columns = columns_of(Note)
        rows = service.rows(f"SELECT state, carried_by, id, {', '.join(columns)} FROM outbox")
        self.notes = {row[3]: from_row(Note, row[3:]) for row in rows}
        self.state = {row[3]: row[0] for row in rows}
        self.carried_by = {row[3]: row[1] for row in rows}
        key_of = {row[2]: row[3] for row in rows}
        attempts = service.rows("SELECT outbox_id, result, reason FROM receipt")
        unknowable = ("timeout", "connection", "not_json")
        self.unknown = Counter(
            key_of[id_] for id_, result, reason in attempts if not result or reason.startswith(unknowable)
        )
        self.n_attempts = len(attempts)
        self.sms_count = Counter(out_id for _number, _text, out_id in self.providers.sms.sent)

    # ── what the providers have seen of a note ────────────────────────────────
    def shown(self, note):
        """Return how often a note was shown to its recipient, and when it was first accepted (ns)."""
        providers, signed = self.providers, Signer(BASE, KEY, 72 * 3600).sign(note)
        if note.channel == "sms":
            return self.sms_count[note.key], providers.sms.at.get(note.key)
        if note.channel == "app":
            text = body(signed, 2048)
            return providers.app.shown[note.address][text], providers.app.at.get((note.address, text))
        if note.channel == "robot":
            text = _markdown(signed)["markdown"]["content"]
            return providers.robot.shown[note.address][text], providers.robot.at.get((note.address, text))
        return 1, note.created  # the log


def start_again(service, name):
    """Start what was killed, unless it was revived meanwhile."""
    if name not in service.programs or service.programs[name].poll() is not None:
        service.start(name)


def settled(service):
    """All alerts are open, and no note waits, is held or on its way."""
    service.revive()
    try:
        n_alerts = service.one("SELECT count(*) FROM alert")
        waiting = service.one("SELECT count(*) FROM outbox WHERE state IN ('todo', 'leased', 'held')")
    except psycopg.OperationalError:
        return False
    return n_alerts >= N_ALERTS and waiting == 0


def state(service):
    rows = service.rows(
        "SELECT state, channel, level, count(*) FROM outbox GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    return f"{service.one('SELECT count(*) FROM alert')} alerts; {rows}; {service.log('notifier')[-1500:]}"


@pytest.fixture(scope="module")
def storm(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        found = Storm(tmp_path_factory.mktemp("storm"))
    report(found)
    return found


def red_delays_s(storm):
    """Return per red alert the seconds from its reading to the first acceptance by a provider."""
    first = {}
    for note in storm.notes.values():
        if note.step == "raise-1" and note.level == 4 and note.channel != "log":
            at = storm.shown(note)[1]
            if at:
                first[note.alert] = min(first.get(note.alert, at), at)
    return {
        id_: (first[id_] - raised) / SECOND
        for id_, level, raised, *_ in storm.alerts
        if level == 4 and id_ in first
    }


def report(storm):
    """Write what a person wants to know of a run, where FENGSUI_STORM_REPORT says."""
    if not (path := os.environ.get("FENGSUI_STORM_REPORT")):
        return
    delays = sorted(red_delays_s(storm).values())
    sent = [storm.notes[key] for key, state in storm.state.items() if state == "sent"]
    copies = Counter({note.key: storm.shown(note)[0] for note in sent})
    Path(path).write_text(json.dumps({
        "kills": storm.kills, "alerts": len(storm.alerts), "notes": len(storm.notes), "attempts": storm.n_attempts,
        "states": Counter(storm.state.values()), "messages_by_channel": Counter(note.channel for note in sent),
        "digests": sum(note.step.startswith("digest") for note in sent),
        "carried": Counter(storm.state.values())["carried"],
        "unknowable_attempts": sum(storm.unknown.values()), "shown_twice": sum(n > 1 for n in copies.values()),
        "dropped_by_wecom": storm.providers.app.dropped,
        "troubles": {type(one).__name__: one._trouble.met for one in storm.providers.all},
        "red_s": {"n": len(delays), "p50": delays[len(delays) // 2], "p99": delays[int(0.99 * len(delays))], "max": delays[-1]},
        "published_s": round(storm.published_s, 1),
    }, ensure_ascii=False, indent=1))  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestStorm:
    def test_it_was_a_storm(self, storm):
        assert len(storm.kills) == N_KILLS
        for provider in storm.providers.all:
            assert len(provider._trouble.met) >= 5, "a bad mood shows in many ways"
        assert storm.providers.sms.exhausted
        assert len(storm.providers.app.expired) >= 1

    def test_every_alert_is_raised_once(self, storm):
        assert len(storm.alerts) == N_ALERTS
        assert len({subject for *_rest, subject in storm.alerts}) == N_ALERTS
        assert Counter(level for _id, level, *_ in storm.alerts) == {
            4: N_ENTERPRISES, 3: 3 * N_ENTERPRISES, 2: 16 * N_ENTERPRISES
        }  # fmt: skip

    def test_no_red_alert_reaches_people_later_than_its_deadline(self, storm):
        delays = red_delays_s(storm)
        assert len(delays) == N_ENTERPRISES
        assert max(delays.values()) <= RED_DEADLINE_S

    def test_nothing_is_lost(self, storm):
        for key, state in storm.state.items():
            assert state in ("sent", "carried", "dead"), key
            if state == "sent":
                assert storm.shown(storm.notes[key])[0] >= 1, f"{key} is marked as sent, and nobody has it"
            elif state == "carried":
                assert storm.state[storm.carried_by[key]] in ("sent", "dead"), key
            else:
                assert self.instead(storm, storm.notes[key]), f"{key} was given up, and nobody was told"

    def instead(self, storm, note):
        """Return the notes that went out for one that was given up: another channel, or the operator."""
        begin = f"{note.alert}:{note.step}:{note.recipient}:"
        others = [key for key in storm.state if key.startswith(begin) and key != note.key]
        operator = f"{note.alert}:dead-{note.step}-{note.recipient}-{note.channel}:"
        return [key for key in storm.state if key.startswith(operator)] or [
            k for k in others if storm.state[k] == "sent"
        ]

    def test_everybody_who_had_to_hear_of_an_alert_has_it_by_itself_or_in_a_digest(self, storm):
        heard = defaultdict(set)
        for key, state in storm.state.items():
            note = storm.notes[key]
            if state == "sent" or (state == "carried" and storm.state[storm.carried_by[key]] == "sent"):
                heard[note.alert].add(note.recipient)
        for id_, level, _raised, _enterprise, _subject in storm.alerts:
            assert len(heard[id_]) >= {4: 3, 3: 2, 2: 1}[level], id_

    def test_nothing_is_shown_twice_except_where_nobody_can_know(self, storm):
        for key, state in storm.state.items():
            note = storm.notes[key]
            n = storm.shown(note)[0]
            if note.channel in ("sms", "app"):
                assert n <= 1, f"{key}: providers that can be asked, or drop repeats, show nothing twice"
            elif note.channel == "robot":
                assert n <= 1 + storm.unknown[key], key
            assert n <= 1 or state == "sent"

    def test_no_budget_is_exceeded(self, storm):
        assert storm.providers.app.refused == 0
        assert storm.providers.robot.codes[45009] == 0

    def test_people_get_a_digest_instead_of_hundreds_of_messages(self, storm):
        quiet = Counter()
        for key, state in storm.state.items():
            note = storm.notes[key]
            if state == "sent" and note.level < 4 and note.recipient.startswith("so"):
                quiet[note.recipient, note.channel] += 1
        assert max(quiet.values()) <= 12, "nineteen alerts below red, in at most a few messages"
        digests = Counter(note.recipient for note in storm.notes.values() if note.step.startswith("digest"))
        assert sum(recipient.startswith("so") for recipient in digests) > 0.9 * N_ENTERPRISES
        carried = sum(state == "carried" for state in storm.state.values())
        assert carried > 0.6 * 16 * N_ENTERPRISES
