"""Every method of detectors/methods.py, one reading at a time: the formulas as the papers write them."""

import math
from statistics import median

NAN = float("nan")


class Value:
    def __init__(self, p): ...

    def take(self, t, x):
        return x


class Rate:
    def __init__(self, p):
        self.p, self.t, self.x = p, None, NAN

    def take(self, t, x):
        dt = math.inf if self.t is None else (t - self.t) / 1e9
        y = NAN if self.t is None or dt > self.p["max_gap_s"] else (x - self.x) / dt
        self.t, self.x = t, x
        return y


class Ewma:
    def __init__(self, p):
        self.p, self.m, self.v, self.n = p, None, 0.0, 0

    def take(self, t, x):
        a = self.p["alpha"]
        if self.m is None:
            self.m = x
        d = x - self.m
        y = d / max(math.sqrt(self.v), self.p["floor"])
        self.m = (1 - a) * self.m + a * x
        self.v = (1 - a) * (self.v + a * d * d)
        self.n += 1
        return y if self.n > self.p["warmup"] else NAN


class Cusum:
    def __init__(self, p):
        self.p, self.up, self.down = p, 0.0, 0.0

    def take(self, t, x):
        p = self.p
        z = min(max((x - p["mean"]) / p["sigma"], -p["clip"]), p["clip"])
        self.up = min(p["cap"], max(0.0, self.up + (z - p["k"])))
        self.down = min(p["cap"], max(0.0, self.down + (-z - p["k"])))
        return self.up if self.up >= self.down else -self.down


class Hampel:
    def __init__(self, p):
        self.p, self.window = p, []

    def take(self, t, x):
        y = NAN
        if len(self.window) == 32:
            middle = median(self.window)
            mad = median(abs(w - middle) for w in self.window)
            y = (x - middle) / max(1.4826 * mad, self.p["floor"])
        self.window = [*self.window[-31:], x]
        return y


class Stuck:
    def __init__(self, p):
        self.p, self.t, self.x, self.since = p, None, NAN, None

    def take(self, t, x):
        gap = self.t is None or (t - self.t) / 1e9 > self.p["max_gap_s"]
        if gap or abs(x - self.x) > self.p["eps"]:
            self.since = t
        self.t, self.x = t, x
        return (t - self.since) / 1e9


class Thermal:
    def __init__(self, p):
        self.p, self.t, self.x, self.theta = p, None, 0.0, 0.0

    def take(self, t, x):
        if self.t is not None:
            heat = (max(abs(x), abs(self.x)) / self.p["k_ib"]) ** 2
            passed = -(t - self.t) / 1e9 / self.p["tau_s"]
            self.theta = math.exp(passed) * self.theta - math.expm1(passed) * heat
        self.t, self.x = t, x
        return self.theta


def opens(t, before, every_s, parts=1, offset=0):
    every = int(every_s * (1e9 / parts))
    return before is None or (t + offset) // every != (before + offset) // every


class Slope:
    def __init__(self, p):
        self.p, self.t, self.kept = p, None, []

    def take(self, t, x):
        window = self.p["window_s"]
        points = [(k - t * 1e-9, v - x) for k, v in self.kept if k - t * 1e-9 >= -window] + [(0.0, 0.0)]
        y = NAN
        if len(points) >= 3 and points[0][0] <= -0.5 * window:
            mean_t = math.fsum(a for a, _ in points) / len(points)
            mean_x = math.fsum(b for _, b in points) / len(points)
            above = math.fsum((a - mean_t) * (b - mean_x) for a, b in points)
            y = above / math.fsum((a - mean_t) ** 2 for a, _ in points)
        if opens(t, self.t, window, 30):
            self.kept = [*self.kept[-31:], (t * 1e-9, x)]
        self.t = t
        return y


class Step:
    def __init__(self, p):
        self.p, self.t, self.kept = p, None, []

    def take(self, t, x):
        y = x - median(self.kept) if len(self.kept) >= 8 else NAN
        if opens(t, self.t, self.p["window_s"], 32):
            self.kept = [*self.kept[-31:], x]
        self.t = t
        return y


class Mean:
    def __init__(self, p):
        self.p, self.t, self.x, self.kept, self.area, self.time = p, None, NAN, [], 0.0, 0.0

    def take(self, t, x):
        p = self.p
        if self.t is not None and (t - self.t) / 1e9 <= p["max_gap_s"]:
            dt = (t - self.t) / 1e9
            self.area += dt * (self.x if math.isnan(p["above"]) else float(self.x > p["above"]))
            self.time += dt
        inside = [k for k in self.kept if k[0] > t * 1e-9 - p["window_s"]]
        area = math.fsum([k[1] for k in inside] + [self.area])
        time = math.fsum([k[2] for k in inside] + [self.time])
        y = area / time if time >= 0.5 * p["window_s"] else NAN
        if opens(t, self.t, p["window_s"], 30):
            self.kept = [*self.kept[-31:], (t * 1e-9, self.area, self.time)]
            self.area = self.time = 0.0
        self.t, self.x = t, x
        return y


class Count:
    def __init__(self, p):
        self.p, self.x, self.rises = p, NAN, []

    def take(self, t, x):
        before = self.rises
        rose = x >= self.p["above"] and not self.x >= self.p["above"]
        self.rises, self.x = [*before, t][-32:] if rose else before, x
        return float(sum(k * 1e-9 > t * 1e-9 - self.p["window_s"] for k in before) + rose)


class Counter:
    def __init__(self, p):
        self.p, self.x = p, NAN

    def take(self, t, x):
        y = x - self.x
        self.x = x
        if y < 0 and 0 <= y + self.p["modulus"] <= self.p["most"]:
            y += self.p["modulus"]
        return y


class Production:
    def __init__(self, p):
        self.p, self.t, self.low, self.days, self.states = p, None, None, [], [False, False]

    def take(self, t, x):
        p = self.p
        new_day = opens(t, self.t, p["day_s"], offset=8 * 3600 * 10**9)
        idle = sorted(self.days)[int(0.2 * len(self.days))] if len(self.days) >= 3 else p["idle"]
        if new_day and self.low is not None:
            self.days = [*self.days[-31:], self.low]
        self.low = x if new_day else min(self.low, x)
        works = self.states[-1]
        if x >= idle + p["margin"]:
            works = True
        elif x < idle + 0.8 * p["margin"]:
            works = False
        self.states = [*self.states[-2:], works]
        self.t = t
        return float(sum(self.states[-3:]) >= 2)


class Seasonal:
    def __init__(self, p):
        self.p, self.hour, self.seen, self.usual = p, None, [], {}

    def take(self, t, x):
        hour = (t + 8 * 3600 * 10**9) // int(self.p["slot_s"] * 1e9)
        if hour != self.hour and self.seen:
            slot, mean = self.hour % 168, sum(self.seen) / len(self.seen)
            old = self.usual.get(slot)
            if old is None:
                self.usual[slot] = mean
            else:
                most = self.p["clip"] * abs(old)
                self.usual[slot] = old + self.p["weight"] * min(max(mean - old, -most), most)
            self.seen = []
        self.hour = hour
        self.seen.append(x)
        usual = self.usual.get(hour % 168)
        return NAN if usual is None else x / max(usual, self.p["floor"])


METHODS = {
    "value": Value, "rate": Rate, "ewma": Ewma, "cusum": Cusum, "hampel": Hampel, "stuck": Stuck,
    "thermal": Thermal, "slope": Slope, "step": Step, "mean": Mean, "count": Count, "counter": Counter, "production": Production,
    "seasonal": Seasonal,
}  # fmt: skip


class NaiveStatistics:
    """One method on many series; `params` gives the parameters of a series."""

    def __init__(self, method, params):
        self.make = lambda series: METHODS[method](params(series))
        self.of = {}

    def step(self, batch):
        """The statistic of every row; NaN where a row cannot be used."""
        found = []
        for series, t, x, quality in zip(
            *(getattr(batch, c).tolist() for c in ("series", "t", "value", "quality")), strict=True
        ):
            if x != x or quality & 3 == 0:
                found.append(NAN)
                continue
            one = self.of.get(series)
            if one is None:
                one = self.of[series] = self.make(series)
            found.append(one.take(t, min(max(x, -1e15), 1e15)))
        return found
