"""A provider on loopback that can be told to misbehave; each test double of a real one is a subclass.

with FakeWebhook(secret) as server:
    server.misbehave(Trouble(status=503), Trouble(stall_s=5), Trouble(drop=True))
    ... requests to server.url; the first three meet trouble, later ones are answered properly
"""

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from urllib.parse import parse_qs, urlsplit


@dataclass
class Trouble:
    """How one request goes wrong.

    accept    the provider takes the message all the same (and the sender cannot know)
    drop      the connection is cut instead of an answer
    stall_s   nothing is said for so long
    """

    status: int = 200
    body: object = None
    headers: dict = field(default_factory=dict)
    stall_s: float = 0.0
    drop: bool = False
    accept: bool = False


@dataclass
class Request:
    """What arrived."""

    method: str
    path: str
    query: dict
    headers: dict
    body: bytes
    at: float
    raw_query: str = ""

    @property
    def json(self):
        return json.loads(self.body)


class FakeProvider:
    """Counts, remembers and answers; subclasses say in `answer` what the real one would."""

    def __init__(self):
        self.requests = []
        self._trouble = deque()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def misbehave(self, *troubles):
        self._trouble.extend(troubles)

    def answer(self, request):
        """Return (status, body) as the real provider would; a body that is no bytes is sent as JSON."""
        raise NotImplementedError

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, request):
        """Decide one request under a lock: fakes need no locks of their own."""
        with self._lock:
            self.requests.append(request)
            trouble = self._trouble.popleft() if self._trouble else None
            status, body = self.answer(request) if trouble is None or trouble.accept else (200, b"")
        return trouble, status, body

    def _handler(self):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                parts = urlsplit(self.path)
                length = int(self.headers.get("content-length", 0))
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(length)
                request = Request(self.command, parts.path, query, headers, body, monotonic(), parts.query)
                trouble, status, answer = fake._take(request)
                if trouble:
                    fake._stop.wait(trouble.stall_s)
                    if trouble.drop or trouble.stall_s:
                        self.close_connection = True
                        return
                    status = trouble.status
                    answer = answer if trouble.accept else trouble.body
                self._say(status, answer, trouble.headers if trouble else {})

            do_GET = do_POST  # noqa: N815

            def _say(self, status, answer, headers):
                raw = answer if isinstance(answer, bytes) else json.dumps(answer or {}).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        return Handler
