"""Hold: which notes wait instead of going out at once, for how long, and what carries them then; pure.

Red is never held, but for alerts that a person has shelved.  Nothing is dropped: what waited goes out as it was,
or in a digest to the same recipient by the same channel, and each held note exactly once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from hashlib import blake2b
from zoneinfo import ZoneInfo

from alerts.agenda import Agenda
from alerts.changes import Alert, Digest, Held, Note
from alerts.message import digest_words, n_raises
from alerts.policy import Policy
from alerts.state import Suppression
from core.levels import Level
from core.time import HOUR, from_datetime, seconds, to_datetime


class Hold(StrEnum):
    """Why a note waits, the strongest first."""

    SHELVED = "shelved"
    INHIBITED = "inhibited"
    SETTLE = "settle"
    CHATTER = "chatter"
    QUIET = "quiet"
    DAILY = "daily"
    FLOOD = "flood"
    GROUP = "group"


# Steps about alarms may wait; what is asked of a certain person goes out at once.
_MAY_WAIT = frozenset({"raise", "level", "clear", "close", "escalate", "overdue"})
_ALARMS = frozenset({"raise", "level"})
# A note that waited longer than this goes out in a digest, which says so, even alone.
_AS_IT_WAS = 12 * HOUR


@dataclass(frozen=True, slots=True)
class Scene:
    """What a decision about one note looks at.

    shelf_until    when the shelf over the alert ends, ns; 0 = there is none
    settled        when the settle window after our start ends, ns
    group          what its group is called: enterprise or gateway
    """

    alert: Alert
    word: str
    now: int
    shelf_until: int = 0
    settled: int = 0
    group: str = ""


@dataclass(slots=True)
class Flushed:
    """Keys of notes that go out as they are, digests, and what goes on waiting."""

    released: list[str] = field(default_factory=list)
    digests: list[Digest] = field(default_factory=list)
    postponed: list[Held] = field(default_factory=list)


class Holdings:
    """Notes that wait, and what decides about waiting: who was told how much, which groups are open."""

    def __init__(
        self,
        policy: Policy,
        held: Iterable[Held] = (),
        heard: Iterable[tuple[str, int]] = (),
        group_of: Callable[[str], str] = lambda _alert: "",
    ) -> None:
        """Take over what waited.  group_of : id of an alert -> what its group is called"""
        self.policy = policy
        self._held: dict[str, Held] = {}
        self._of_alert: dict[str, set[str]] = {}
        self._agenda = Agenda()
        self._heard: dict[str, deque[int]] = {}
        self._until: dict[tuple[str, ...], int] = {}
        for recipient, at in heard:
            self._heard.setdefault(recipient, deque()).append(at)
        for one in held:
            self._put(one)
            self._keep_until(one, group_of(one.note.alert))

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: str) -> bool:
        return key in self._held

    def hold(self, notes: Sequence[Note], scene: Scene) -> list[Held]:
        """Return those of an alert's notes that wait; the others go out at once."""
        if scene.word in _ALARMS:
            for recipient in dict.fromkeys(
                note.recipient for note in notes if note.channel not in self.policy.machines
            ):
                self._hear(recipient, scene.now)
        found = []
        for note in notes:
            why = self._why(note, scene)
            if why:
                found.append(Held(note, why[0], why[1], scene.now))
        return found

    def keep(self, held: Iterable[Held]) -> None:
        """Remember what waits."""
        for one in held:
            if one.note.key not in self._held:
                self._put(one)

    def hasten(self, alert: str, now: int) -> None:
        """Let what waited because of a shelf or an inhibition of this alert be looked at now."""
        for key in sorted(self._of_alert.get(alert, ())):
            one = self._held[key]
            if one.reason in (Hold.SHELVED, Hold.INHIBITED) and one.until > now:
                self._put(replace(one, until=now))

    def hasten_orphans(self, now: int, is_open: Callable[[str], bool]) -> None:
        """Let what an inhibition held for alerts that have closed since be looked at now."""
        for alert in [alert for alert in self._of_alert if not is_open(alert)]:
            self.hasten(alert, now)

    def flush(self, now: int, still: Callable[[str], tuple[Suppression, int]]) -> Flushed:
        """Take out what has waited long enough.

        still : alert -> whether, and until when (ns), it is suppressed
        """
        ripe: dict[tuple[str, str], list[Held]] = {}
        done = Flushed()
        for key in self._agenda.take(now):
            one = self._held[key]
            if longer := self._longer(one, now, still(one.note.alert)):
                later = replace(one, reason=longer[0], until=longer[1])
                self._put(later)
                done.postponed.append(later)
            else:
                self._take(one)
                ripe.setdefault((one.note.recipient, one.note.channel), []).append(one)
        for together in ripe.values():
            if len(together) == 1 and now - together[0].since <= _AS_IT_WAS:
                done.released.append(together[0].note.key)
            else:
                done.digests.append(_digest(together, now, self.policy))
        if ripe:
            self._forget(now)
        return done

    def _put(self, one: Held) -> None:
        self._held[one.note.key] = one
        self._of_alert.setdefault(one.note.alert, set()).add(one.note.key)
        self._agenda.set(one.note.key, one.until)

    def _take(self, one: Held) -> None:
        del self._held[one.note.key]
        self._of_alert[one.note.alert].discard(one.note.key)
        if not self._of_alert[one.note.alert]:
            del self._of_alert[one.note.alert]

    # ── why, and until when ───────────────────────────────────────────────────
    def _why(self, note: Note, scene: Scene) -> tuple[Hold, int] | None:
        alert, now, hold = scene.alert, scene.now, self.policy.hold
        if note.channel in self.policy.machines or scene.word not in _MAY_WAIT:
            return None
        if alert.suppression == Suppression.BY_DESIGN:
            return Hold.INHIBITED, now + seconds(hold.inhibit_max_s)
        if alert.suppression != Suppression.NONE:
            return Hold.SHELVED, max(scene.shelf_until, now + 1)
        if note.level == Level.RED:
            return None
        if alert.data_quality and now < scene.settled:
            return Hold.SETTLE, scene.settled
        if self._chatters(scene):
            slot: tuple[str, ...] = (Hold.CHATTER, alert.id, note.recipient, note.channel)
            return Hold.CHATTER, self._together(slot, now, hold.chatter_digest_s)
        if note.level <= Level.YELLOW and (until := quiet_until(now, self.policy)):
            return Hold.QUIET, until
        if note.level == Level.BLUE and (until := daily_until(now, self.policy)):
            return Hold.DAILY, until
        if note.level <= Level.YELLOW and self._flooded(note.recipient, now):
            slot = (Hold.FLOOD, note.recipient, note.channel)
            return Hold.FLOOD, self._together(slot, now, hold.flood_digest_s)
        wait_s = (hold.blue_s, hold.yellow_s, hold.orange_s, 0.0)[note.level - 1]
        if wait_s:
            slot = (Hold.GROUP, scene.group, str(int(note.level)), note.recipient, note.channel)
            return Hold.GROUP, self._together(slot, now, wait_s)
        return None

    def _longer(self, one: Held, now: int, still: tuple[Suppression, int]) -> tuple[str, int] | None:
        """Return why a note that was to go out goes on waiting; nothing waits for ever."""
        kind, until = still
        if kind != Suppression.NONE and until > now:
            why = Hold.INHIBITED if kind == Suppression.BY_DESIGN else Hold.SHELVED
            latest = one.since + seconds(self.policy.hold.inhibit_max_s)
            return None if latest <= now else (why, min(until, latest))
        if one.note.level <= Level.YELLOW and one.reason != Hold.QUIET:
            until = quiet_until(now, self.policy)
            return (Hold.QUIET, until) if until else None
        return None

    def _chatters(self, scene: Scene) -> bool:
        """The first notice of chattering goes out; what comes after it waits."""
        hold, alert = self.policy.hold, scene.alert
        if alert.level > hold.chatter_level or scene.word not in ("raise", "clear"):
            return False
        n_told = hold.chatter_raises + 1
        n = n_raises(alert, self.policy)
        return n > n_told or (n == n_told and scene.word == "clear")

    def _hear(self, recipient: str, now: int) -> None:
        self._heard.setdefault(recipient, deque()).append(now)

    def _flooded(self, recipient: str, now: int) -> bool:
        heard, since = self._heard.get(recipient, ()), now - seconds(self.policy.hold.flood_window_s)
        while isinstance(heard, deque) and heard and heard[0] <= since:
            heard.popleft()
        return len(heard) > self.policy.hold.flood_alarms

    def _together(self, slot: tuple[str, ...], now: int, wait_s: float) -> int:
        """Return when a group goes out: so long after its first note."""
        until = self._until.get(slot, 0)
        if until <= now:
            until = self._until[slot] = now + seconds(wait_s)
        return until

    def _keep_until(self, one: Held, group: str) -> None:
        """After a restart, groups, floods and chattering go on with what they had begun."""
        note = one.note
        if one.reason == Hold.GROUP:
            slot = (Hold.GROUP, group, str(int(note.level)), note.recipient, note.channel)
            self._until[slot] = one.until
        elif one.reason == Hold.FLOOD:
            self._until[Hold.FLOOD, note.recipient, note.channel] = one.until
        elif one.reason == Hold.CHATTER:
            self._until[Hold.CHATTER, note.alert, note.recipient, note.channel] = one.until

    def _forget(self, now: int) -> None:
        self._until = {slot: until for slot, until in self._until.items() if until > now}
        since = now - seconds(self.policy.hold.flood_window_s)
        self._heard = {who: heard for who, heard in self._heard.items() if heard and heard[-1] > since}


def quiet_until(now: int, policy: Policy) -> int:
    """Return when the quiet hours around `now` end, ns; 0 outside them.

    Local time decides: a night in which the clocks change is longer or shorter, and ends at its hour all the same.
    """
    begin, end = clock_time(policy.hold.quiet_start), clock_time(policy.hold.quiet_end)
    if begin is None or end is None or begin == end:
        return 0
    local = to_datetime(now).astimezone(policy.zone)
    at = local.time()
    quiet = begin <= at < end if begin < end else at >= begin or at < end
    return _next_at(local, end, now, policy.zone) if quiet else 0


def daily_until(now: int, policy: Policy) -> int:
    """Return the next time of the daily digest, ns; 0 without one."""
    at = clock_time(policy.hold.daily)
    return _next_at(to_datetime(now).astimezone(policy.zone), at, now, policy.zone) if at else 0


def clock_time(text: str) -> time | None:
    """Return "22:00" as a time, None for "".  Raises ValueError."""
    return time.fromisoformat(text) if text else None


def _next_at(local: datetime, at: time, now: int, zone: ZoneInfo) -> int:
    """Return the first instant after `now` at which a clock shows `at`."""
    for days in range(3):
        moment = datetime.combine(local.date() + timedelta(days=days), at, zone)
        if (found := from_datetime(moment)) > now:
            return found
    raise AssertionError("a clock shows every time of day within three days")


def _digest(together: Sequence[Held], now: int, policy: Policy) -> Digest:
    """Return one note for several, the worst first."""
    keys = tuple(sorted(one.note.key for one in together))
    name = blake2b("\n".join(keys).encode(), digest_size=6).hexdigest()
    newest = max(together, key=lambda one: (one.note.created, one.note.key)).note
    words = digest_words([one.note for one in together], [one.reason for one in together], policy)
    step = f"digest-{name}"
    note = Note(
        key=f"{DIGEST}:{step}:{newest.recipient}:{newest.channel}",
        alert=DIGEST,
        step=step,
        recipient=newest.recipient,
        channel=newest.channel,
        address=newest.address,
        level=max(one.note.level for one in together),
        title=words.title,
        text_zh=words.text_zh,
        text_en=words.text_en,
        link=words.link,
        created=now,
    )
    return Digest(note, keys)


DIGEST = "DIGEST"
