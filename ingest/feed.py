"""Feed: what is subscribed to and how it is read; the levels of its topic filter may have names."""

from __future__ import annotations

import re
from typing import NamedTuple

_NAMED = re.compile(r"\{(\w+)\}")


class Feed(NamedTuple):
    """One source of messages.

    filter    MQTT topic filter in which a level may be `{gateway}`, `{device}` or any `{name}` instead of `+`
    format    name of the format
    mapping   for the format "mapping": name of one that is shipped, or a file
    names     table of foreign names: name of one that is shipped, or a file; "" = none
    gateway, device   codes of the registry for messages that name neither
    reply     topic on which the sender waits for answers; its {levels} are filled from the message's topic
    host      Sparkplug: our name as a host application; "" = we publish no STATE
    key       HJ 212 of 2025: SM4 key as 32 hex digits
    """

    filter: str
    format: str
    mapping: str = ""
    names: str = ""
    gateway: str = ""
    device: str = ""
    reply: str = ""
    host: str = ""
    key: str = ""

    @property
    def subscription(self) -> str:
        """The filter as the broker knows it."""
        return _NAMED.sub("+", self.filter)

    @property
    def reply_pattern(self) -> str:
        """Where answers go: what is configured, else `…/down` beside `…/up`, else nowhere."""
        if self.reply:
            return self.reply
        return self.filter.removesuffix("/up") + "/down" if self.filter.endswith("/up") else ""

    def sender(self, topic: str) -> str:
        """Return whose messages keep their order among each other, and have one share of a full queue."""
        levels = topic.split("/")
        if self.format == "native" and len(levels) == 4:
            return levels[2]
        if self.format == "sparkplug" and len(levels) > 3:
            return f"{levels[1]}/{levels[3]}"
        return self.parts(topic)["gateway"] or topic

    def parts(self, topic: str) -> dict[str, str]:
        """Return what a topic says under the names of this filter's levels."""
        levels = topic.split("/")
        found = {"gateway": self.gateway, "device": self.device}
        for place, level in enumerate(self.filter.split("/")):
            if (match := _NAMED.fullmatch(level)) and place < len(levels):
                found[match[1]] = levels[place]
        return found


def filled(pattern: str, parts: dict[str, str]) -> str:
    """Return a pattern with its {levels} filled; "" when one of them is not known."""
    names = _NAMED.findall(pattern)
    if not all(parts.get(name) for name in names):
        return ""
    return _NAMED.sub(lambda match: parts[match[1]], pattern)
