"""What the installer of a gateway types in: ready to paste, Chinese first."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from registry.credentials import Issued


@dataclass(frozen=True, slots=True)
class Settings:
    """One gateway's settings; `devices` are codes behind it, `ca_file` "" = no certificate to install."""

    host: str
    port: int
    tls: bool
    ca_file: str
    client_id: str
    user: str
    secret: str
    gateway: str
    devices: Sequence[str] = ()

    @property
    def topic(self) -> str:
        """Where readings go; DEVICE stands for a device's code."""
        return f"fs/v1/{self.gateway}/" + (self.devices[0] if len(self.devices) == 1 else "DEVICE")

    @property
    def example(self) -> str:
        """A command that publishes the gateway's status: it shows that all is right, and is no reading."""
        words = ["mosquitto_pub", "-h", self.host, "-p", str(self.port)]
        if self.tls:
            words += ["--cafile", self.ca_file or "/etc/ssl/certs/ca-certificates.crt"]
        words += ["-i", self.client_id, "-u", self.user, "-P", self.secret, "-q", "1"]
        words += ["-t", f"fs/v1/{self.gateway}/$status", "-m", '{"online": true}']
        return shlex.join(words)

    def as_dict(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "host": self.host, "port": self.port, "tls": self.tls, "client_id": self.client_id,
            "user": self.user, "password": self.secret, "topic": self.topic, "devices": list(self.devices),
            "qos": 1, "example": self.example,
        }  # fmt: skip

    def text(self) -> str:
        """Return it for people."""
        rows = [
            ("服务器 host", self.host),
            ("端口 port", str(self.port)),
            ("加密 TLS", f"是 yes, CA {self.ca_file or '系统 system'}" if self.tls else "否 no"),
            ("协议 protocol", "MQTT 3.1.1, QoS 1, retain 0"),
            ("客户端 client id", self.client_id),
            ("用户名 user name", self.user),
            ("密码 password", self.secret),
            ("主题 topic", self.topic),
        ]
        if len(self.devices) > 1:
            rows.append(("设备 DEVICE", " ".join(self.devices)))
        lines = [f"{name}\t{value}" for name, value in rows]
        return "\n".join([*lines, "", "试一下 try it:", self.example])


def client_id(gateway: str, random: str) -> str:
    """Return a client id: nats-server refuses dots in it, and one that others can guess they can throw out."""
    return f"{gateway.replace('.', '-')}-{random}"


def settings_of(
    issued: Issued, *, host: str, port: int, tls: bool, ca_file: str, random: str, devices: Sequence[str]
) -> Settings:
    """Return the settings that go with a new credential."""
    name = client_id(issued.gateway, random)
    return Settings(host, port, tls, ca_file, name, issued.user, issued.secret, issued.gateway, devices)
