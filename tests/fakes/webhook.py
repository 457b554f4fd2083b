"""A receiver of signed webhooks that counts keys; it verifies with the snippet of docs/alerts.md."""

import hashlib
import hmac
from collections import Counter
from time import time

from fakes.provider import FakeProvider


class FakeWebhook(FakeProvider):
    """Accepts what is signed with the secret; `keys` counts idempotency keys, `forged` the unsigned."""

    def __init__(self, secret="", tolerance_s=300):
        super().__init__()
        self.secret, self.tolerance_s = secret, tolerance_s
        self.keys = Counter()
        self.notes = {}
        self.received = {}  # key -> monotonic seconds of its first arrival
        self.forged = 0

    def answer(self, request):
        if self.secret and not self._genuine(request):
            self.forged += 1
            return 401, {"error": "signature"}
        key = request.headers["idempotency-key"]
        self.keys[key] += 1
        self.notes.setdefault(key, request.json)
        self.received.setdefault(key, request.at)
        return 200, {}

    def _genuine(self, request):
        stamp = request.headers.get("fengsui-timestamp", "")
        mac = hmac.new(self.secret.encode(), f"{stamp}.".encode() + request.body, hashlib.sha256)
        given = request.headers.get("fengsui-signature", "")
        fresh = stamp.isdigit() and abs(time() - int(stamp)) <= self.tolerance_s
        return fresh and hmac.compare_digest(given, f"v1={mac.hexdigest()}")
