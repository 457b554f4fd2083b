"""Group robots of DingTalk and Feishu: signatures, and what happens to those who are too fast."""

import base64
import hashlib
import hmac
from collections import defaultdict
from time import monotonic, time

from fakes.provider import FakeProvider


def _signature(key, text=b""):
    return base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


class FakeDingtalk(FakeProvider):
    """Twenty messages a minute, then nothing for ten."""

    def __init__(self, tokens=("t1",), secret="", per_minute=20, clock=monotonic):
        super().__init__()
        self.tokens, self.secret, self.per_minute, self.clock = set(tokens), secret, per_minute, clock
        self.messages = defaultdict(list)
        self._times = []
        self._shut_out = 0.0

    def answer(self, request):
        code = self._judge(request)
        return 200, {"errcode": code, "errmsg": "ok" if not code else "no"}

    def _judge(self, request):
        now = self.clock()
        if request.query.get("access_token") not in self.tokens:
            return 300001
        if self.secret and not self._genuine(request.query):
            return 310000
        self._times = [t for t in self._times if now - t < 60]
        if len(self._times) >= self.per_minute:
            self._shut_out = now + 600
        if now < self._shut_out:
            return 130101
        if len(request.body) > 20_000:
            return 460101
        self._times.append(now)
        self.messages[request.query["access_token"]].append(request.json)
        return 0

    def _genuine(self, query):
        stamp = query.get("timestamp", "0")
        right = _signature(self.secret.encode(), f"{stamp}\n{self.secret}".encode())
        return abs(time() * 1000 - int(stamp)) < 3_600_000 and query.get("sign") == right


class FakeFeishu(FakeProvider):
    """Answers by `code`; the signature's key is made of time and secret."""

    def __init__(self, keys=("f1",), secret="", per_minute=100, clock=monotonic):
        super().__init__()
        self.keys, self.secret, self.per_minute, self.clock = set(keys), secret, per_minute, clock
        self.messages = defaultdict(list)
        self._times = []

    def answer(self, request):
        key = request.path.removeprefix("/open-apis/bot/v2/hook/")
        code = self._judge(request, key)
        return 200, {"code": code, "msg": "success" if not code else "no", "data": {}}

    def _judge(self, request, key):
        if key not in self.keys:
            return 19001
        message = request.json
        if self.secret:
            stamp = message.get("timestamp", "0")
            right = _signature(f"{stamp}\n{self.secret}".encode())
            if abs(time() - int(stamp)) > 3600 or message.get("sign") != right:
                return 19021
        now = self.clock()
        self._times = [t for t in self._times if now - t < 60]
        if len(self._times) >= self.per_minute:
            return 11232
        if len(request.body) > 20 * 1024:
            return 11230
        self._times.append(now)
        self.messages[key].append(message)
        return 0
