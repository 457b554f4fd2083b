"""A mail server on loopback: STARTTLS, AUTH, refusals by address, and connections that break."""

# ruff: noqa: N802 - handlers are named by the protocol's verbs
import base64
import datetime as dt
import socketserver
import ssl
import threading
from email import message_from_bytes
from email.policy import default

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(folder):
    """Write a certificate for localhost and its key into a folder; return their paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_path, key_path


class FakeMail:
    """`messages` are parsed mails; `refuse` maps an address to the answer it gets; `drop` cuts at a command."""

    def __init__(self, certificate=None, user="", password="", drop=""):
        self.messages, self.refuse = [], {}
        self.user, self.password, self.drop = user, password, drop
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self._server = socketserver.ThreadingTCPServer(
            ("127.0.0.1", 0), self._handler(), bind_and_activate=True
        )
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def port(self):
        return self._server.server_address[1]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self):
        fake = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.encrypted = False
                self.say("220 mail")
                while line := self.rfile.readline().decode().strip():
                    verb = line.split()[0].upper()
                    if verb == fake.drop:
                        return
                    if verb == "QUIT":
                        self.say("221 bye")
                        return
                    if getattr(self, f"do_{verb}")(line) == "end":
                        return

            def finish(self):
                super().finish()
                self.request.close()

            def say(self, *lines):
                self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

            def do_EHLO(self, _line):
                extra = ["250-STARTTLS"] if fake.context and not self.encrypted else []
                self.say("250-mail", *extra, "250 AUTH PLAIN")

            def do_STARTTLS(self, _line):
                self.say("220 go")
                try:
                    self.request = fake.context.wrap_socket(self.request, server_side=True)
                except ssl.SSLError:
                    return "end"
                self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
                self.encrypted = True
                return ""

            def do_AUTH(self, line):
                _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
                good = self.encrypted and (user, password) == (fake.user, fake.password)
                self.say("235 ok" if good else "535 authentication failed")

            def do_MAIL(self, _line):
                self.say("250 ok")

            def do_RCPT(self, line):
                address = line.partition("<")[2].partition(">")[0]
                self.say(fake.refuse.get(address, "250 ok"))

            def do_RSET(self, _line):
                self.say("250 ok")

            def do_DATA(self, _line):
                self.say("354 go")
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                fake.messages.append(message_from_bytes(b"".join(lines), policy=default))
                self.say("250 accepted")

        return Handler
