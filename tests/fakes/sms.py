"""Two SMS providers: signatures are checked, nothing is idempotent, what was sent can be asked for."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from fakes.provider import FakeProvider


def _mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class FakeAliyun(FakeProvider):
    """Dysmsapi; `sent` is the list of (number, variables, OutId) that phones got."""

    def __init__(self, key_id="ak", secret="s3cret", per_day=50):
        super().__init__()
        self.key_id, self.secret, self.per_day = key_id, secret, per_day
        self.sent = []

    def answer(self, request):
        if not self._genuine(request):
            return 400, {"Code": "SignatureDoesNotMatch", "Message": "Specified signature is not matched"}
        action = request.headers["x-acs-action"]
        return getattr(self, f"_{action}")(request.query)

    def _SendSms(self, query):  # noqa: N802 - the provider's name
        number = query["PhoneNumbers"]
        if not (number.isdigit() and len(number) == 11):
            return 200, {"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "illegal"}
        if sum(number == other for other, _, _ in self.sent) >= self.per_day:
            return 200, {"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": f"触发天级流控, {number}"}
        self.sent.append((number, json.loads(query["TemplateParam"]), query["OutId"]))
        return 200, {"Code": "OK", "Message": "OK", "BizId": f"biz-{len(self.sent)}", "RequestId": "r"}

    def _QuerySendDetails(self, query):  # noqa: N802
        assert len(query["SendDate"]) == 8
        found = [
            {"OutId": out_id, "SendStatus": 1, "PhoneNum": number}
            for number, _, out_id in self.sent
            if number == query["PhoneNumber"]
        ]
        return 200, {"Code": "OK", "SmsSendDetailDTOs": {"SmsSendDetailDTO": found}}

    def _genuine(self, request):
        algorithm, _, rest = request.headers["authorization"].partition(" ")
        given = dict(part.split("=", 1) for part in rest.split(","))
        names = given["SignedHeaders"].split(";")
        lines = [f"{name}:{request.headers[name].strip()}" for name in names]
        query = "&".join(
            f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}"
            for k, v in sorted(parse_qsl(request.raw_query))
        )
        text = "\n".join(["POST", request.path, query, *lines, "", given["SignedHeaders"],
                          hashlib.sha256(request.body).hexdigest()])  # fmt: skip
        digest = hashlib.sha256(text.encode()).hexdigest()
        right = _mac(self.secret.encode(), f"{algorithm}\n{digest}").hex()
        return given["Credential"] == self.key_id and hmac.compare_digest(right, given["Signature"])


class FakeTencent(FakeProvider):
    """sms.tencentcloudapi.com; the clock of a request may be off by five minutes."""

    def __init__(self, secret_id="id", secret_key="s3cret", now=None, sessions=True):
        super().__init__()
        self.secret_id, self.secret_key, self.now, self.sessions = secret_id, secret_key, now, sessions
        self.sent = []
        self.blacklist = set()

    def answer(self, request):
        stamp = int(request.headers["x-tc-timestamp"])
        if abs((self.now or datetime.now(UTC).timestamp()) - stamp) > 300:
            return self._error("AuthFailure.SignatureExpire")
        if not self._genuine(request, stamp):
            return self._error("AuthFailure.SignatureFailure")
        return getattr(self, f"_{request.headers['x-tc-action']}")(request.json)

    def _SendSms(self, question):  # noqa: N802
        (number,) = question["PhoneNumberSet"]
        assert len(question["SessionContext"]) < 512
        code = "Ok"
        if number in self.blacklist:
            code = "FailedOperation.PhoneNumberInBlacklist"
        elif any(
            number == other and params == question["TemplateParamSet"] for other, params, _ in self.sent
        ):
            code = "LimitExceeded.DeliveryFrequencyLimit"
        else:
            self.sent.append((number, question["TemplateParamSet"], question["SessionContext"]))
        status = {"Code": code, "Message": f"{code} {number}", "SerialNo": f"n-{len(self.sent)}"}
        return 200, {"Response": {"SendStatusSet": [status], "RequestId": "r"}}

    def _PullSmsSendStatusByPhoneNumber(self, question):  # noqa: N802
        found = [
            {"ReportStatus": "SUCCESS", "SerialNo": "n", "SessionContext": session if self.sessions else ""}
            for number, _, session in self.sent
            if number == question["PhoneNumber"]
        ]
        return 200, {"Response": {"PullSmsSendStatusSet": found, "RequestId": "r"}}

    @staticmethod
    def _error(code):
        return 200, {"Response": {"Error": {"Code": code, "Message": code}, "RequestId": "r"}}

    def _genuine(self, request, stamp):
        algorithm, _, rest = request.headers["authorization"].partition(" ")
        given = dict(part.strip().split("=", 1) for part in rest.split(","))
        key_id, date, service, end = given["Credential"].split("/")
        names = given["SignedHeaders"].split(";")
        lines = [f"{name}:{request.headers[name].lower()}" for name in names]
        text = "\n".join(
            ["POST", "/", "", *lines, "", ";".join(names), hashlib.sha256(request.body).hexdigest()]
        )
        digest = hashlib.sha256(text.encode()).hexdigest()
        key = _mac(_mac(_mac(f"TC3{self.secret_key}".encode(), date), service), end)
        right = _mac(key, f"{algorithm}\n{stamp}\n{date}/{service}/{end}\n{digest}").hex()
        today = datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%d") == date
        return key_id == self.secret_id and today and hmac.compare_digest(right, given["Signature"])
