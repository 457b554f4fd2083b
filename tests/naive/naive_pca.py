"""T² and Q of one device, row by row, from the formulas of detectors/pca_chart.py."""

import numpy as np


class NaiveChart:
    """One device; `advance` takes a complete row and returns (ratio, alarm)."""

    def __init__(self, tuning):
        self.tuning, self.alarm = tuning, False
        self.begin()

    def begin(self):
        self.rows, self.e = [], 0.0
        self.products, self.learned, self.lasted = 0.0, False, 0

    def advance(self, x):
        tuning = self.tuning
        x = np.clip(np.asarray(x, float), -1e15, 1e15)
        if not self.rows:
            self.m = x.copy()
        self.e = self.e + tuning.fast * (x - self.m - self.e)
        if not self.learned:
            return self.learn(x)
        ratio = self.ratio()
        self.judge(ratio)
        if not self.alarm:
            self.m = self.m + tuning.slow * (x - self.m)
        alarm = self.alarm
        if self.lasted >= 2 * tuning.learn:
            self.begin()
        return ratio, alarm

    def learn(self, x):
        self.products = self.products + np.outer(self.e, self.e)
        self.rows.append(x)
        self.m = self.m + max(self.tuning.slow, 1.0 / len(self.rows)) * (x - self.m)
        if len(self.rows) == self.tuning.learn:
            self.learned, self.alarm = True, False
            self.decompose()
        return np.nan, self.alarm

    def decompose(self):
        tuning, rows = self.tuning, np.array(self.rows)
        noise = (np.diff(rows, axis=0) ** 2).sum(axis=0) / 2 / (len(rows) - 1)
        variance = rows.var(axis=0)
        C = self.products / len(rows) + np.diag(noise * tuning.fast / (2 - tuning.fast))
        self.used = np.flatnonzero(noise > 0)
        C = C[np.ix_(self.used, self.used)]
        deviation = np.sqrt(np.diag(C))
        self.gain = np.sqrt(np.minimum(1, noise[self.used] / variance[self.used])) / deviation
        values, axes = np.linalg.eigh(C / np.outer(deviation, deviation))
        order = np.argsort(-values)
        self.values, self.axes = values[order], axes[:, order]
        held = np.cumsum(self.values) / self.values.sum()
        self.k = min(int(np.searchsorted(held, tuning.share - 1e-9)) + 1, len(held))
        rest = self.values[self.k :]
        self.limit_t = chi2(self.k, tuning.sigma)
        self.limit_q = np.inf
        if rest.sum() > 1e-9:
            g, h = (rest**2).sum() / rest.sum(), rest.sum() ** 2 / (rest**2).sum()
            self.limit_q = g * chi2(h, tuning.sigma)

    def ratio(self):
        p = self.axes.T @ (self.gain * self.e[self.used])
        t2 = (p[: self.k] ** 2 / self.values[: self.k]).sum()
        return max(t2 / self.limit_t, (p[self.k :] ** 2).sum() / self.limit_q)

    def judge(self, ratio):
        if not self.alarm:
            if ratio > 1:
                self.alarm, self.peak, self.quiet, self.lasted = True, ratio, 0, 1
            return
        self.lasted += 1
        self.peak = max(self.peak, ratio)
        self.quiet = self.quiet + 1 if ratio < max(1.0, self.tuning.release * self.peak) else 0
        if self.quiet > self.tuning.hold:
            self.alarm, self.lasted = False, 0
            self.m, self.e = self.m + self.e, self.e * 0


def chi2(k, sigma):
    return k * (1 - 2 / (9 * k) + sigma * np.sqrt(2 / (9 * k))) ** 3
