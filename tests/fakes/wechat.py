"""WeChat's side of template messages."""

from collections import defaultdict

from fakes.provider import FakeProvider


class FakeWechat(FakeProvider):
    """Followers by openid; fields are checked as the real one does."""

    def __init__(self, secret="s3cret", followers=("o1",), template="t1"):
        super().__init__()
        self.secret, self.followers, self.template = secret, set(followers), template
        self.token = ""
        self.messages = defaultdict(list)

    def answer(self, request):
        if request.path == "/cgi-bin/token":
            if request.query.get("secret") != self.secret:
                return 200, {"errcode": 40125, "errmsg": "invalid appsecret"}
            self.token = f"token-{len(self.requests)}"
            return 200, {"access_token": self.token, "expires_in": 7200}
        assert request.path == "/cgi-bin/message/template/send"
        code = self._judge(request)
        return 200, {"errcode": code, "errmsg": "ok" if not code else "no", "msgid": 77}

    def _judge(self, request):
        if request.query.get("access_token") != self.token:
            return 40001
        message = request.json
        if message["template_id"] != self.template:
            return 40037
        if message["touser"] not in self.followers:
            return 40003
        for name, field in message["data"].items():
            value = field["value"]
            too_long = name.startswith("thing") and len(value) > 20
            foreign = name.startswith("character_string") and (len(value) > 32 or not value.isascii())
            if not value or too_long or foreign:
                return 47003
        self.messages[message["touser"]].append(message)
        return 0
