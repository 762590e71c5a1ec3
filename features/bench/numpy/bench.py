"""The feature set of a window with numpy and scipy.fft, many windows at a time.

float32 throughout. scipy.fft transforms several rows at once in SIMD registers, which
numpy.fft does not: it is about twice as quick. Cases that end in numpy.fft do
without it.
"""

import argparse
import json
import math
import resource

import numpy as np
import scipy.fft

RATE, SCALE, SHAFT, WINDOWS = 25600, 1e-3, 30.0, 64
G = 3.5 / 25.6  # bearing: 13 elements of 3.5 mm on a pitch of 25.6 mm, 0°
LINES = {
    "bpfo": 13 / 2 * (1 - G) * SHAFT,
    "bpfi": 13 / 2 * (1 + G) * SHAFT,
    "bsf2": 1 / G * (1 - G * G) * SHAFT,
    "ftf": (1 - G) / 2 * SHAFT,
}
STEP = 64  # bins


def window(n, number):
    """One of the windows that every program measures on; README.md gives the formula."""

    def u32(v):
        return np.uint32(v % 2**32)

    def per_sample(millihertz):
        return u32((millihertz << 32) // 25600000)

    powers = np.full(3 * n + 4, 1664525, np.uint32)  # 1, a, a², …
    powers[0] = 1
    np.multiply.accumulate(powers, out=powers, dtype=np.uint32)
    factor, offset = powers[1:], np.add.accumulate(powers[:-1], dtype=np.uint32)
    s = factor * u32(12345 + number * 7919) + offset * u32(1013904223)
    noise = (s[3:] >> 24).reshape(n, 3).sum(axis=1).astype(np.int32)
    i = np.arange(n, dtype=np.uint32)
    shaft = s[0] + i * per_sample(30000)
    gear = s[1] + i * per_sample(1234500)
    every = per_sample(168340)
    since = (s[2] + i * every) // every
    v = 100 - 382 + noise + (wave(shaft) >> 4) + (wave(u32(2) * shaft) >> 5) + (wave(u32(3) * shaft) >> 6) + (wave(gear) >> 5)
    ring = wave(since * per_sample(5200000)) * (8 + number % 8)
    at = since < 64
    v[at] += ring[at] >> (5 + since[at].astype(np.int32) // 8)
    return v.astype(np.int16)


def wave(phase):
    """A sine made of parabolas, ±8192, of a phase that 2³² turns once."""
    t = (phase >> 16).astype(np.uint16).view(np.int16).astype(np.int32)
    return (t * (32768 - np.abs(t))) >> 15


def above(bin):
    return math.ceil(bin - 1e-9)


def smooth(n):
    for f in (2, 3, 5):
        while n % f == 0:
            n //= f
    return n == 1


def squares(z, out):
    """|z|² of complex rows without the square root; z is lost."""
    f = z.view(np.float32)
    np.multiply(f, f, out=f)
    return np.add(f[:, 0::2], f[:, 1::2], out=out)


class Features:
    """Plans, tables and memory for batches of windows of n samples."""

    def __init__(self, n, batch, fft=scipy.fft):
        f32, self.fft = np.float32, fft
        self.n, self.batch, self.df = n, batch, RATE / n
        df, half = self.df, n // 2
        self.lo, self.hi = above(2000 / df), above(10000 / df)
        self.want = math.ceil(3.5 * LINES["bpfi"] / df) + 4
        self.points = (self.hi - self.lo + self.want + 1 + 31) // 32 * 32
        while not smooth(self.points):
            self.points += 32
        self.same = np.empty((batch, n - 1), bool)
        self.x, self.q = np.empty((batch, n), f32), np.empty((batch, n), f32)
        self.h = np.empty((batch, half - 1), np.complex64)
        self.s, self.log = np.empty((batch, half + 1), f32), np.empty((batch, half), f32)
        self.band = np.zeros((batch, self.points), np.complex64)
        self.e = np.empty((batch, self.points), f32)
        k = np.arange(1, half + 1, dtype=f32)
        self.weights = np.stack([k, k * k / half], axis=1)
        self.velocity = (above(10 / df), math.floor(1000 / df + 1e-9) + 1)
        self.inverse = (1 / (2 * np.pi * df * np.arange(*self.velocity)) ** 2).astype(f32)
        self.near = {name: [self.places(h * f, 0.3 * f) for h in (1, 2, 3)] for name, f in LINES.items()}

    def places(self, f, side):
        """The bins of a line, and those around it."""
        at, reach, n = f / self.df, side / self.df, self.want
        half = max(0.02 * at, 2)
        lo, hi = max(math.ceil(at - half), 1), math.floor(at + half)
        left, right = range(max(1, math.ceil(at - reach)), lo), range(hi + 1, min(n - 1, math.floor(at + reach)) + 1)
        if len(left) + len(right) < 3:  # few turns in the window: take what lies next to it
            left, right = range(max(1, lo - 4), lo), range(hi + 1, min(hi + 5, n))
        return slice(lo, hi + 1), np.array([*left, *right])

    def of(self, counts, full):
        out = {}
        self.moments(out, counts, full)
        bins = self.fft.rfft(self.x, axis=1)
        bins[:, 0] = 0
        self.spectrum(out, bins, full)
        self.envelope(out, bins)
        return out

    def moments(self, out, counts, full):
        x, q, n = self.x, self.q, self.n
        np.equal(counts[:, 1:], counts[:, :-1], out=self.same)
        lo, hi = counts.min(axis=1), counts.max(axis=1)
        np.copyto(x, counts)
        mean = x.mean(axis=1)
        out["min"], out["max"], out["mean"] = lo, hi, mean
        out["repeats"] = np.array([np.count_nonzero(row) for row in self.same])
        x -= mean[:, None]
        x *= np.float32(SCALE)
        m2 = np.vecdot(x, x) / n
        np.multiply(x, x, out=q)
        m3, m4 = np.vecdot(x, q) / n, np.vecdot(q, q) / n
        np.abs(x, out=q)
        mean_abs, peak, rms = q.mean(axis=1), np.maximum(hi - mean, mean - lo) * SCALE, np.sqrt(m2)
        out |= {"rms": rms, "std": rms, "peak": peak, "mean_abs": mean_abs, "crest": peak / rms, "shape": rms / mean_abs}
        out |= {"impulse": peak / mean_abs, "skewness": m3 / m2**1.5, "kurtosis": m4 / m2**2}
        if full:
            np.sqrt(q, out=q)
            out["clearance"] = peak / q.mean(axis=1) ** 2

    def spectrum(self, out, bins, full):
        s, df, n, half = self.s, self.df, self.n, self.n // 2
        scale = np.float32(2 / (RATE * n * 3 / 8) / 16)
        f, h = bins.view(np.float32), self.h.view(np.float32)
        np.add(f[:, :-4], f[:, 4:], out=h)  # −4 times the Hann-windowed transform …
        h -= f[:, 2:-2]
        h -= f[:, 2:-2]  # … is X[k−1] + X[k+1] − 2·X[k]
        squares(self.h, s[:, 1:-1])
        s[:, 0] = 0
        s[:, -1] = (bins[:, -1].real - bins[:, -2].real) ** 2 * 2
        s *= scale
        edge = [above(e / df) for e in (10, 100, 1000, 5000, 10000)]
        for i in range(4):
            out[f"band{i + 1}"] = np.sqrt(df * s[:, edge[i] : edge[i + 1]].sum(axis=1))
        total = s.sum(axis=1)
        if not full:
            out["centroid"] = df * (s[:, 1:] @ self.weights[:, 0]) / total
            return
        first, second = (s[:, 1:] @ self.weights).T / total
        out["centroid"], out["spread"] = df * first, df * np.sqrt(second * half - first**2)
        log = self.log
        np.maximum(s[:, 1:], np.float32(1e-37), out=log)
        np.log(log, out=log)
        out["entropy"] = (np.log(total) - np.vecdot(s[:, 1:], log) / total) / math.log(half)
        out["flatness"] = np.exp(log.mean(axis=1)) * half / total
        out["rolloff"] = df * self.rolloff(0.95 * total)
        at = slice(*self.velocity)
        out["velocity"] = 1000 * np.sqrt(df * (s[:, at] @ self.inverse))
        rows = np.arange(self.batch)[:, None]
        for i in (1, 2, 3):
            near, reach = round(i * SHAFT / df), int(0.01 * i * SHAFT / df)
            best = near - reach + s[:, near - reach : near + reach + 1].argmax(axis=1)
            out[f"harmonic{i}"] = np.sqrt(df * s[rows, best[:, None] + np.arange(-2, 3)].sum(axis=1))

    def rolloff(self, power):
        """The first bin at which the sum from below reaches the power."""
        steps = self.s[:, :-1].reshape(self.batch, -1, STEP)
        below = steps.sum(axis=2).cumsum(axis=1, dtype=np.float64)
        step = (below < power[:, None]).sum(axis=1)
        rows = np.arange(self.batch)
        rest = power - np.where(step > 0, below[rows, step - 1], 0)
        return step * STEP + (steps[rows, step].cumsum(axis=1) < rest[:, None]).sum(axis=1)

    def envelope(self, out, bins):
        e, want, p = self.e, self.want, self.points
        self.band[:, : self.hi - self.lo] = bins[:, self.lo : self.hi]
        squares(self.fft.ifft(self.band, axis=1, norm="forward"), e)
        e *= np.float32(4 / self.n**2)
        mean = e.mean(axis=1)
        out["env_mean"], out["env_kurtosis"] = mean, np.vecdot(e, e) / p / mean**2 - 2
        e -= mean[:, None]
        half = self.fft.rfft(e, axis=1)[:, : want + 1]
        lines = np.zeros((self.batch, want), np.float32)
        hann = 2 * half[:, 1:want] - half[:, : want - 1] - half[:, 2:]
        np.multiply(np.abs(hann), np.float32(1 / p), out=lines[:, 1:])
        for name, places in self.near.items():
            ratio = np.empty((3, self.batch), np.float32)
            for h, (at, around) in enumerate(places):
                low, high = (len(around) - 1) // 2, len(around) // 2
                rest = np.partition(lines[:, around], (low, high), axis=1)
                ratio[h] = lines[:, at].max(axis=1) / ((rest[:, low] + rest[:, high]) / 2)
            out[name + "_db"] = np.maximum(0, 20 * np.log10(ratio)).mean(axis=0)
            out[name + "_found"] = (ratio >= 2).sum(axis=0)


def cpu_seconds():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


def rate(work, seconds):
    """Samples that work does in a CPU second; it returns how many it did."""
    work(0)
    done, took, began, i = 0, 0.0, cpu_seconds(), 0
    while took < seconds:
        done, i = done + work(i), i + 1
        took = cpu_seconds() - began
    return done / took


class Bench:
    def __init__(self, options):
        self.options, self.made = options, np.empty((0, 0), np.int16)

    def wanted(self, stage, name):
        return self.options.stage in ("", stage) and name.startswith(self.options.only)

    def report(self, stage, name, batch, value):
        line = {"stage": stage, "case": name, "value": value, "unit": "samples/cpu-s", "better": "higher"}
        print(json.dumps(line | {"n": 1, "min": value, "max": value, "batch": batch}), flush=True)

    def features(self, n, batches):
        for kind in ("full", "core"):
            name = f"{kind}/{n}"
            if not self.wanted("features", name):
                continue
            if self.options.check:
                got = Features(n, 1).of(window(n, 0)[None], kind == "full")
                print(json.dumps({"case": name, "features": {k: float(v[0]) for k, v in got.items()}}))
                continue
            if self.made.shape[1] != n:
                self.made = np.stack([window(n, i) for i in range(WINDOWS)])
            got = [(self.features_rate(n, kind, batch, scipy.fft), batch) for batch in batches]
            for value, batch in got:
                self.report("features", f"{name}/batch={batch}", batch, value)
            self.report("features", f"{name}/numpy.fft", batches[0], self.features_rate(n, kind, batches[0], np.fft))
            self.report("features", name, max(got)[1], max(got)[0])

    def features_rate(self, n, kind, batch, library):
        f = Features(n, batch, library)

        def work(i):
            at = i * batch % WINDOWS
            f.of(self.made[at : at + batch], kind == "full")
            return n * batch

        return rate(work, self.options.seconds)

    def fft(self, n, batches):
        name = f"real/{n}"
        if self.options.check or not self.wanted("fft", name):
            return
        one, got = window(n, 0) * np.float32(SCALE), []
        for batch in batches:
            x = np.tile(one, (batch, 1))

            def work(_):
                scipy.fft.rfft(x, axis=1)
                return n * batch

            got.append((rate(work, self.options.seconds), batch))
            self.report("fft", f"{name}/batch={batch}", batch, got[-1][0])
        self.report("fft", name, max(got)[1], max(got)[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.3, help="CPU seconds for each case")
    parser.add_argument("--only", default="", help="cases that begin so")
    parser.add_argument("--stage", default="", choices=["", "features", "fft"])
    parser.add_argument("--check", action="store_true", help="print the features of the first window")
    bench = Bench(parser.parse_args())
    for n in (4096, 262144, 307200):
        bench.features(n, (8, 64) if n < 65536 else (1, 8))
    for n in (1024, 2048, 4096, 8192, 16384, 25600, 262144, 307200):
        bench.fft(n, (8, 64) if n < 65536 else (8,))


if __name__ == "__main__":
    main()
