"""WeCom's side of group robots, after its public description: HTTP 200 whatever happens, errcode tells."""

from collections import Counter, defaultdict
from time import monotonic

from fakes.provider import FakeProvider


class FakeWecomRobot(FakeProvider):
    """Robots by key; `messages` holds what each group saw."""

    def __init__(self, keys=("k1",), per_minute=20, clock=monotonic):
        super().__init__()
        self.keys, self.per_minute, self.clock = set(keys), per_minute, clock
        self.messages = defaultdict(list)
        self.codes = Counter()
        self._times = defaultdict(list)

    def answer(self, request):
        code, text = self._judge(request)
        self.codes[code] += 1
        return 200, {"errcode": code, "errmsg": text}

    def _judge(self, request):
        key = request.query.get("key", "")
        if request.path != "/cgi-bin/webhook/send" or key not in self.keys:
            return 93000, "invalid webhook url"
        now = self.clock()
        self._times[key] = [t for t in self._times[key] if now - t < 60]
        if len(self._times[key]) >= self.per_minute:
            return 45009, "api freq out of limit"
        message = request.json
        kind = message.get("msgtype")
        limit = {"text": 2048, "markdown": 4096}.get(kind)
        if limit is None:
            return 40008, "invalid message type"
        content = message[kind]["content"]
        if not content or len(content.encode()) > limit:
            return 40058, "content exceed max length"
        self._times[key].append(now)
        self.messages[key].append(message)
        return 0, "ok"


class FakeWecomApp(FakeProvider):
    """WeCom's side of app messages: tokens that end early, unknown members, limits per member."""

    def __init__(self, secret="s3cret", members=("li", "wang"), per_minute=30, clock=monotonic):
        super().__init__()
        self.secret, self.members, self.per_minute, self.clock = secret, set(members), per_minute, clock
        self.n_tokens = 0
        self.expired = set()
        self.messages = defaultdict(list)
        self._times = defaultdict(list)

    @property
    def token(self):
        return f"token-{self.n_tokens}"

    def expire(self):
        """End the present token before its time."""
        self.expired.add(self.token)

    def answer(self, request):
        if request.path == "/cgi-bin/gettoken":
            return 200, self._new_token(request.query)
        assert request.path == "/cgi-bin/message/send"
        return 200, self._send(request)

    def _new_token(self, query):
        if query.get("corpsecret") != self.secret:
            return {"errcode": 40001, "errmsg": "invalid credential"}
        self.n_tokens += 1
        return {"errcode": 0, "errmsg": "ok", "access_token": self.token, "expires_in": 7200}

    def _send(self, request):
        token = request.query.get("access_token")
        if token in self.expired:
            return {"errcode": 42001, "errmsg": "access_token expired"}
        if token != self.token:
            return {"errcode": 40014, "errmsg": "invalid access_token"}
        message = request.json
        wanted = message["touser"].split("|")
        known = [member for member in wanted if member in self.members]
        if not known:
            return {"errcode": 81013, "errmsg": "user & party & tag all invalid"}
        if len(message["text"]["content"].encode()) > 2048:
            return {"errcode": 40058, "errmsg": "content too long"}
        now = self.clock()
        for member in known:
            self._times[member] = [t for t in self._times[member] if now - t < 60]
            if len(self._times[member]) >= self.per_minute:
                return {"errcode": 45009, "errmsg": "api freq out of limit"}
        for member in known:
            self._times[member].append(now)
            self.messages[member].append(message)
        unknown = "|".join(member for member in wanted if member not in self.members)
        return {"errcode": 0, "errmsg": "ok", "invaliduser": unknown, "msgid": "m1"}
