"""Providers in a bad mood: now and then they say slower, forget a token, stall, cut the line, and accept all the same."""

import random
import time
from collections import Counter, defaultdict

from fakes.provider import Trouble
from fakes.sms import FakeAliyun
from fakes.wecom import FakeWecomApp, FakeWecomRobot

STALL_S = 5.0


class Mood:
    """Stands for the queue of troubles of a fake: each request meets trouble by chance, the same in every run."""

    def __init__(self, seed, share, troubles):
        self.rng, self.share, self.troubles = random.Random(seed), share, troubles
        self.met = Counter()
        self.calm = False

    def __bool__(self):
        return not self.calm and self.rng.random() < self.share

    def popleft(self):
        name, trouble = self.rng.choice(self.troubles)
        self.met[name] += 1
        return trouble


def troubles(busy, slower):
    """What goes wrong with HTTP 200 in the provider's own words, and what the network does."""
    return [
        ("busy", Trouble(body=busy)),
        ("slower", Trouble(body=slower)),
        ("http 503", Trouble(status=503)),
        ("stalled", Trouble(stall_s=STALL_S)),
        ("stalled, accepted", Trouble(stall_s=STALL_S, accept=True)),
        ("cut", Trouble(drop=True)),
        ("cut, accepted", Trouble(drop=True, accept=True)),
    ]


WECOM = troubles(
    {"errcode": -1, "errmsg": "system busy"}, {"errcode": 45009, "errmsg": "api freq out of limit"}
)
ALIYUN = troubles({"Code": "isp.SYSTEM_ERROR"}, {"Code": "Throttling.User", "Message": "slower"})


class StormyApp(FakeWecomApp):
    """WeCom's app messages; drops what it has sent to the same member before, as it is asked to."""

    def __init__(self, seed, **more):
        super().__init__(**more)
        self._trouble = Mood(seed, 0.02, WECOM)
        self.shown = defaultdict(Counter)  # member -> text -> how often it was shown
        self.at = {}  # (member, text) -> time_ns of its first acceptance
        self.dropped = self.refused = 0

    def _send(self, request):
        before = {member: len(messages) for member, messages in self.messages.items()}
        if len(self.requests) % 500 == 250:
            self.expire()
        answer = super()._send(request)
        self.refused += answer["errcode"] == 45009
        for member, messages in self.messages.items():
            for message in messages[before.get(member, 0) :]:
                text = message["text"]["content"]
                if message["enable_duplicate_check"] and self.shown[member][text]:
                    self.dropped += 1
                    continue
                self.shown[member][text] += 1
                self.at[member, text] = time.time_ns()
        return answer


class StormyRobot(FakeWecomRobot):
    """Group robots; they repeat whatever they are told."""

    def __init__(self, seed, **more):
        super().__init__(**more)
        self._trouble = Mood(seed, 0.03, WECOM)
        self.shown = defaultdict(Counter)  # key -> text -> how often
        self.at = {}

    def answer(self, request):
        answer = super().answer(request)
        if answer[1]["errcode"] == 0:
            text = request.json["markdown"]["content"]
            self.shown[request.query["key"]][text] += 1
            self.at.setdefault((request.query["key"], text), time.time_ns())
        return answer


class StormySms(FakeAliyun):
    """Aliyun; some numbers have had enough for today."""

    def __init__(self, seed, exhausted=(), **more):
        super().__init__(**more)
        self._trouble = Mood(seed, 0.03, ALIYUN)
        self.exhausted = set(exhausted)
        self.at = {}  # OutId -> time_ns
        self.per_minute = Counter()

    def _SendSms(self, query):  # noqa: N802
        if query["PhoneNumbers"] in self.exhausted:
            return 200, {"Code": "isv.DAY_LIMIT_CONTROL", "Message": "触发天级流控"}
        answer = super()._SendSms(query)
        if answer[1]["Code"] == "OK":
            self.at.setdefault(query["OutId"], time.time_ns())
        return answer
