"""Order and duplicates, one row at a time: what ingest/order.py must equal."""

from core.batch import HISTORICAL, LATE


class NaiveOrder:
    def __init__(self, historical_after):
        self.historical_after = historical_after
        self.marks = {}

    def step(self, rows, gateway, now):
        """Take rows of (series, t, value, quality) in order of arrival; return flagged rows, duplicates."""
        kept, duplicates = {}, {}
        for series, t, value, quality in rows:
            if (series, t) in kept:
                duplicates[gateway[series]] = duplicates.get(gateway[series], 0) + 1
                continue
            flag = 0
            if t <= self.marks.get(series, float("-inf")):
                flag = int(LATE)
            elif t < now - self.historical_after:
                flag = int(HISTORICAL)
            kept[series, t] = (value, quality | flag)
        for series, t in kept:
            self.marks[series] = max(t, self.marks.get(series, t))
        return [(*key, *kept[key]) for key in sorted(kept)], duplicates
