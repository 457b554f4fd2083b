"""E-mail by SMTP with STARTTLS; the standard library's client in a thread.

address    e-mail address
repeats    the Message-ID is made from the note's key: many clients show a repeated message once
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime

import httpx

from alerts.changes import Note
from alerts.notify.contract import ChannelError, ErrorKind, Receipt
from alerts.notify.http import body, mask
from core.time import CHINA, to_datetime

_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Email:
    """Sends through a mail server.  tls: starttls, tls (from the first byte) or none; ca_file: "" = the system's."""

    client: httpx.AsyncClient = field(repr=False)
    host: str = ""
    port: int = 587
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    tls: str = "starttls"
    ca_file: str = ""
    timeout_s: float = 10.0
    per_minute: int = 60

    def credential(self, note: Note) -> str:  # noqa: ARG002 - the server's limit, whoever the note is for
        return f"{self.user}@{self.host}"

    async def send(self, note: Note) -> Receipt:
        message = compose(note, self.sender)
        await asyncio.to_thread(self._deliver, message)
        return Receipt(id=message["Message-ID"])

    def _deliver(self, message: EmailMessage) -> None:
        leaving = False
        try:
            server = self._connect()
            try:
                if self.user:
                    server.login(self.user, self.password)
                server.ehlo_or_helo_if_needed()
                leaving = True
                server.send_message(message)
                # Accepted; how the server takes its leave changes nothing.
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    server.quit()
            finally:
                server.close()
        except smtplib.SMTPRecipientsRefused as refused:
            raise _judged(*next(iter(refused.recipients.values())), whole=ErrorKind.FALLBACK) from None
        except smtplib.SMTPAuthenticationError as refused:
            raise _judged(refused.smtp_code, refused.smtp_error, whole=ErrorKind.CONFIG) from None
        except smtplib.SMTPResponseException as refused:
            raise _judged(refused.smtp_code, refused.smtp_error, whole=ErrorKind.PERMANENT) from None
        except (ssl.SSLError, smtplib.SMTPNotSupportedError) as failed:
            raise ChannelError(ErrorKind.CONFIG, "tls", type(failed).__name__) from None
        except (smtplib.SMTPException, OSError) as lost:
            raise ChannelError(
                ErrorKind.RETRY, "connection", type(lost).__name__, maybe_sent=leaving
            ) from None

    def _connect(self) -> smtplib.SMTP:
        if self.tls == "none":
            return smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.tls == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout_s, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server


def compose(note: Note, sender: str) -> EmailMessage:
    """Return the message; a title or address with a line break cannot smuggle in a header."""
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = sender
    message["To"] = " ".join(note.address.split())
    message["Subject"] = mask(" ".join(note.title.split()))
    message["Date"] = format_datetime(to_datetime(note.created).astimezone(CHINA))
    message["Message-ID"] = f"<{hashlib.sha256(note.key.encode()).hexdigest()[:32]}@fengsui>"
    message.set_content(body(note, _BYTES))
    return message


def _judged(code: int, text: bytes | str, *, whole: ErrorKind) -> ChannelError:
    """4xx is for now, 5xx for good."""
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    kind = ErrorKind.RETRY if code < 500 else whole
    return ChannelError(kind, f"smtp {code}", mask(words)[:200])
