"""The desk as one would explain it at a table: per key a list of what was said, read from its beginning.

Two facts, about the condition and about the person, stand for the four states; nothing of the desk's code or
table is used.
"""

from dataclasses import dataclass

RAISE, CLEAR = 1, 2


@dataclass
class Life:
    """One alert so far."""

    raised: int
    present: bool = True
    answered: bool = False
    level: int = 0
    level_now: int = 0
    count: int = 1
    closed: bool = False
    stage: str = "new"

    @property
    def state(self):
        return {
            (True, False): "unack",
            (True, True): "acked",
            (False, False): "rtn_unack",
            (False, True): "normal",
        }[self.present, self.answered]


def lives(said, *, data_quality, cap, short_close=2):
    """Return all alerts of one key, oldest first, and the steps that somebody had to be told of.

    said : list of ("raise" | "clear" | "ack" | "close" | "handle" | "feedback" | "reject" | "accept", t, level,
    historical); feedback is complete, and who reviews is another
    """
    alerts, told = [], []
    for word, t, loudness, historical in said:
        level = min(loudness, cap) if data_quality else loudness
        alert = alerts[-1] if alerts and not alerts[-1].closed else None
        if word == "raise" and historical:
            continue
        if word == "raise" and alert is None and alerts and not data_quality:
            # Closed only a moment ago: the same matter, which somebody has to answer and handle anew.
            alert = alerts[-1]
            alert.closed, alert.present, alert.answered, alert.level_now = False, True, False, level
            alert.level, alert.count = max(alert.level, level), alert.count + 1
            alert.stage = "new"
            told.append(f"raise-{alert.count}")
        elif word == "raise" and alert is None:
            alerts.append(Life(t, level=level, level_now=level))
            told.append(f"raise-{1}")
        elif word == "raise" and not alert.present:
            alert.present, alert.answered, alert.level_now = True, False, level
            alert.level, alert.count = max(alert.level, level), alert.count + 1
            if alert.stage == "review":
                alert.stage = "handling"  # what was reported did not help
            told.append(f"raise-{alert.count}")
        elif word == "raise":
            if level > alert.level:
                told.append(f"level-{level}")
                alert.answered = False  # whoever answered a lower level has not answered this one
            alert.level_now, alert.level = level, max(alert.level, level)
        elif alert is None:
            continue
        elif word == "clear" and alert.present:
            alert.present, alert.level_now = False, 0
            if data_quality:
                alert.closed, alert.stage = True, "closed"
            if not historical:
                told.append(f"clear-{alert.count}")
        elif word == "ack":
            alert.answered = True
        elif word == "close" and (data_quality or alert.level <= short_close):
            alert.answered = alert.closed = True
            alert.stage = "closed"
        elif word == "handle":
            alert.answered, alert.stage = True, "handling"
        elif word == "feedback":
            alert.answered, alert.stage = True, "review"
        elif word == "reject" and alert.stage == "review":
            alert.stage = "handling"
        elif word == "accept" and alert.stage == "review" and not alert.present:
            alert.answered = alert.closed = True
            alert.stage = "closed"
    return alerts, told
