"""Staleness, one subject at a time, every subject at every instant: the oracle."""

SECOND = 1_000_000_000


class NaiveStaleness:
    """series, gateways, enterprises: {subject: (rule, level, allowed, worse, worse_after)}; of: {part: whole}."""

    def __init__(self, series, gateways, gateway_of, enterprises=(), enterprise_of=(), max_step=5 * SECOND):
        self.rows = {1: series, 3: gateways, 4: dict(enterprises)}
        self.gateway_of, self.enterprise_of = gateway_of, dict(enterprise_of)
        self.max_step = max_step
        self.watch = self.now = 0
        self.seen = {}  # (kind, subject) -> (watch, wall)
        self.raised = {}  # (kind, subject) -> the level
        self.graced = {}  # series -> the watch until which it is excused since its gateway came back

    def step(self, batch, now):
        events = []
        if now > self.now:
            events += self.judge()
            self.watch += min(now - self.now, self.max_step)
            self.now = now
        heard = sorted(set(batch.series.tolist()))
        for gateway in {self.gateway_of.get(series, 0) for series in heard}:
            self.welcome(gateway)
        for series in heard:
            gateway = self.gateway_of.get(series, 0)
            for kind, subject in ((1, series), (3, gateway), (4, self.enterprise_of.get(gateway, 0))):
                if (kind, subject) in self.raised:
                    events.append(self.event(2, kind, subject))
                    del self.raised[kind, subject]
                self.seen[kind, subject] = self.watch, now
                if kind == 1:
                    self.graced.pop(subject, None)
        return sorted(events, key=lambda event: event[:4])

    def welcome(self, gateway):
        allowed = self.rows[3].get(gateway, (0, 0, 0, 0, 0))[2]
        away = self.watch - self.seen.get((3, gateway), (0, 0))[0]
        if not allowed or 2 * away <= allowed:
            return
        for series, (_, _, its_own, _, _) in self.rows[1].items():
            if self.gateway_of.get(series, 0) == gateway and its_own and (1, series) not in self.raised:
                excused = self.watch + min(away, its_own)
                self.graced[series] = max(self.graced.get(series, 0), excused)

    def judge(self):
        events = []
        for kind in (1, 3, 4):
            for subject, (_, level, allowed, worse, worse_after) in self.rows[kind].items():
                key = kind, subject
                silent_since = self.seen.get(key, (0, 0))[0]
                if self.raised.get(key) == level < worse and self.watch > silent_since + worse_after:
                    self.raised[key] = worse
                    events.append(self.event(1, kind, subject))
                due = self.seen.get(key, (0, 0))[0] + allowed
                if kind == 1:
                    due = max(due, self.graced.get(subject, 0))
                if not allowed or key in self.raised or self.watch <= due:
                    continue
                gateway = self.gateway_of.get(subject, 0)
                excused = kind == 1 and self.rows[3].get(gateway, (0, 0, 0, 0, 0))[2] > 0
                if excused and self.seen.get((3, gateway), (0, 0))[0] <= due:
                    continue
                self.raised[key] = level
                events.append(self.event(1, kind, subject))
        return events

    def event(self, said, kind, subject):
        rule, level = self.rows[kind][subject][0], self.raised[kind, subject]
        watch, wall = self.seen.get((kind, subject), (0, 0))
        series = subject if kind == 1 else 0
        silence = (self.watch - watch) / SECOND
        return self.now // 1000 * 1000, rule, subject, kind, said, level, series, wall // 1000 * 1000, silence
