"""The general anomaly score of one series, written straight from docs/detection.md: lists, loops, one reading."""

import math

import numpy as np

WARMUP, BINS = 60, 16


class Sketch:
    """A histogram of 16 counters, anchored on the warm-up, that fades by halving how many are at or above a bin."""

    def __init__(self, memory):
        self.memory, self.warm, self.reach = memory, [], [0] * BINS

    def count(self, k):
        for b in range(k + 1):
            self.reach[b] += 1
        if self.reach[0] >= 2 * self.memory:
            self.reach = [n // 2 for n in self.reach]

    def above(self, k):
        return self.reach[k + 1] if k < BINS - 1 else 0


class Spread(Sketch):
    """Two-sided."""

    def learn(self, r):
        self.warm.append(r)
        if len(self.warm) == WARMUP:
            self.a = sum(self.warm) / WARMUP
            self.s = math.sqrt(sum((x - self.a) ** 2 for x in self.warm) / WARMUP)
            self.s = max(self.s, 1e-9 * abs(self.a), 1e-30)

    def bin(self, r):
        return min(max(math.floor(1.5 * math.asinh((r - self.a) / self.s) + 8), 0), BINS - 1)

    def rarity(self, r):
        k = self.bin(r)
        total = self.reach[0]
        p = min(1.0, 2 * (min(self.reach[k], total - self.above(k)) + 1) / (total + 1))
        self.count(k)
        return -math.log10(p)


class Octave(Sketch):
    """One-sided, of what cannot be negative."""

    def learn(self, r):
        if r > 0:
            self.warm.append(math.log2(r))

    def rarity(self, r):
        if r <= 0:
            self.count(0)
            return 0.0
        if not self.warm:
            self.warm.append(math.log2(r))
        self.a = sum(self.warm) / len(self.warm)
        y = math.log2(r) - self.a + 8
        k = min(max(math.floor(y), 0), BINS - 1)
        within = min(max(y - k, 0.0), 1.0)
        tail = self.above(k) + (1 - within) * (self.reach[k] - self.above(k))
        p = (tail + 1) / (self.reach[0] + 1)
        self.count(k)
        return -math.log10(p)


class Shape:
    """How far the newest blocks are from the most alike before."""

    def __init__(self, length, lags):
        self.length, self.lags = length, lags
        self.block, self.blocks, self.distances, self.distance = [], [], {}, 0.0

    def look(self, centred):
        self.block.append(centred)
        if len(self.block) < self.length:
            return
        v = np.float32(sum(self.block) / len(self.block))
        self.block = []
        for lag in range(1, min(len(self.blocks), self.lags) + 1):
            gap = (v - self.blocks[-lag]) * (v - self.blocks[-lag])
            self.distances[lag] = (
                self.distances[lag] * np.float32(0.5) + gap if lag in self.distances else gap
            )
        self.blocks.append(v)
        self.blocks = self.blocks[-self.lags :]
        self.distance = math.sqrt(0.5 * float(min(self.distances.values()))) if self.distances else 0.0


class NaiveScore:
    """S of one series, reading by reading."""

    def __init__(self, window=24, lags=96, memory=5000, smoothing=0.25):
        self.window, self.lags, self.smoothing = window, lags, smoothing
        self.seen, self.smooth = 0, 0.0
        self.x, self.bins = [], []
        self.shapes = [Shape(window // 4, lags), Shape(window // 2, lags)]
        self.spreads = [Spread(memory) for _ in range(4)]
        self.octaves = [Octave(memory) for _ in range(4)]

    def advance(self, x):
        x = min(max(x, -1e15), 1e15)
        if not self.seen:
            self.origin = self.mean = x
        jump = abs(x - self.mean)
        self.mean += 0.5 * (x - self.mean)
        self.x = [*self.x, np.float32(x - self.origin)][-2 * self.window :]
        for shape in self.shapes:
            shape.look(x - self.origin)
        shapes = [shape.distance for shape in self.shapes]
        two = [x, self.mean, self.deviation(self.window // 2), self.deviation(2 * self.window)]
        self.seen += 1
        if self.seen <= WARMUP:
            for sketch, r in zip([*self.spreads, *self.octaves], [*two, jump, 0.0, *shapes], strict=True):
                sketch.learn(r)
            return math.nan
        one = [jump, self.form(x), *shapes]
        rarity = [s.rarity(r) for s, r in zip([*self.spreads, *self.octaves], [*two, *one], strict=True)]
        self.smooth += self.smoothing * (sum(rarity) / 8 - self.smooth)
        return self.smooth

    def deviation(self, length):
        newest = [float(v) for v in [0.0] * length + self.x][-length:]
        mean = sum(newest) / length
        return math.sqrt(sum((v - mean) ** 2 for v in newest) / length)

    def form(self, x):
        self.bins = [*self.bins, self.spreads[0].bin(x)][-self.window :]
        reach = [*self.spreads[0].reach, 0]
        if reach[0] < 2 * self.window:
            return 0.0
        history = [reach[b] - reach[b + 1] + 0.5 for b in range(BINS)]
        form = 0.0
        for b in set(self.bins):
            share = self.bins.count(b) / self.window
            form += share * math.log(share / (history[b] / sum(history)))
        return max(form, 0.0)
