"""What storage keeps of a desk, in memory: alerts, outbox with held notes, shelves, and who heard what."""

from alerts.changes import Held
from alerts.memory import Memory
from core.time import seconds


class DeskStore:
    def __init__(self, policy):
        self.policy = policy
        self.alerts, self.shelves, self.held, self.wanted, self.sent, self.carried = {}, {}, {}, {}, {}, {}
        self.lines = []

    def write(self, changes, now):
        """Take over a step; refuse what would be two of something that there may be one of."""
        for alert in sorted(changes.alerts, key=lambda a: a.closed == 0):
            self.alerts[alert.id] = alert
        open_keys = [alert.key for alert in self.alerts.values() if not alert.closed]
        assert len(open_keys) == len(set(open_keys)), "one open alert per rule and subject"
        self.lines += changes.transitions
        self.shelves |= {shelf.id: shelf for shelf in changes.shelves}
        held = {one.note.key: one for one in changes.held}
        for note in changes.notes:
            assert note.key not in self.wanted, f"{note.key} is wanted twice"
            self.wanted[note.key] = note
            if note.key in held:
                self.held[note.key] = held[note.key]
            else:
                self.sent[note.key] = now
        assert held.keys() <= {note.key for note in changes.notes}
        for one in changes.postponed:
            assert one.note.key in self.held
            self.held[one.note.key] = one
        for key in changes.released:
            del self.held[key]
            self.sent[key] = now
        for digest in changes.digests:
            assert digest.note.key not in self.sent, "a digest goes out once"
            self.sent[digest.note.key] = now
            for key in digest.carries:
                one = self.held.pop(key)
                assert (one.note.recipient, one.note.channel) == (digest.note.recipient, digest.note.channel)
                self.carried[key] = digest.note.key

    def memory(self, now):
        """What a new desk starts from."""
        since = now - seconds(self.policy.hold.flood_window_s)
        heard = {}
        for note in self.wanted.values():
            if note.step.split("-")[0] in ("raise", "level") and note.channel not in self.policy.machines:
                heard.setdefault((note.recipient, note.alert, note.step), note.created)
        closed = sorted((a for a in self.alerts.values() if a.closed), key=lambda a: a.closed)
        return Memory(
            alerts=(*closed, *(alert for alert in self.alerts.values() if not alert.closed)),
            held=tuple(Held(one.note, one.reason, one.until, one.note.created) for one in self.held.values()),
            shelves=tuple(shelf for shelf in self.shelves.values() if not shelf.ended),
            heard=tuple(sorted((key[0], at) for key, at in heard.items() if at > since)),
        )
