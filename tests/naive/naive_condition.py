"""Conditions one sample at a time: Kleene's three values as None, everything looked up afresh at every instant."""

import math


class NaiveCondition:
    """One subject. `rule(now)` gives the condition from `now.value(name)`, `.since(key, condition)`."""

    def __init__(self, rule, max_age):
        self.rule, self.max_age = rule, max_age
        self.samples = {name: [] for name in max_age}
        self.t = None
        self.runs = {}

    def take(self, samples):
        """samples: (name, t, x), all of one instant, which is not before the last one."""
        self.t = max(samples[0][1], self.t or 0)
        for name, t, x in samples:
            self.samples[name].append((t, x))
        return self.rule(self)

    def value(self, name):
        if not self.samples[name]:
            return None
        t, x = self.samples[name][-1]
        return x if self.t - t <= self.max_age[name] else None

    def since(self, key, condition, exact):
        """Seconds for which the condition has been true."""
        was, began, seen = self.runs.get(key, (None, None, False))
        if condition and not was:
            began, seen = self.t, was is False
        self.runs[key] = (condition, began, seen)
        return (self.t - began) / 1e9 if condition and (seen or not exact) else None


def both(a, b):
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def opposite(a):
    return None if a is None else not a


def compare(a, b, how):
    return None if a is None or b is None or math.isnan(a) or math.isnan(b) else how(a, b)
