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
        dt = math.inf if self.t is None else (t - self.t) * 1e-9
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
        gap = self.t is None or (t - self.t) * 1e-9 > self.p["max_gap_s"]
        if gap or abs(x - self.x) > self.p["eps"]:
            self.since = t
        self.t, self.x = t, x
        return (t - self.since) * 1e-9


class Thermal:
    def __init__(self, p):
        self.p, self.t, self.x, self.theta = p, None, 0.0, 0.0

    def take(self, t, x):
        if self.t is not None:
            heat = (max(abs(x), abs(self.x)) / self.p["k_ib"]) ** 2
            passed = -(t - self.t) * 1e-9 / self.p["tau_s"]
            self.theta = math.exp(passed) * self.theta - math.expm1(passed) * heat
        self.t, self.x = t, x
        return self.theta


METHODS = {
    "value": Value, "rate": Rate, "ewma": Ewma, "cusum": Cusum, "hampel": Hampel, "stuck": Stuck,
    "thermal": Thermal,
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
