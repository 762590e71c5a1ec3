"""Trains LSTMs and boosted trees for the remaining useful life (P10, P50, P90) on telemetry of runs to failure.

    python train_rul.py --data DATA/cmapss --assets "fd001-train-0([0-7][0-9]|80)" --test "fd001-train-(08[1-9]|09.|100)" \\
        --inputs s2,s3,s4 --period 3600 --out build/models/turbofan-rul.onnx

The file is LSTMs with boosted trees: half of the middle (--trees) comes from networks
that read the window row by row, half from gradient-boosted trees that read statistics of
it, all in one graph; P10 and P90 lie around that middle by the gaps that the networks
tell. Assets are split into folds. Each network and each forest is trained without one
fold, so every run is predicted by some that never saw it; those predictions stretch the
interval until it holds what it promises, and are what settings are chosen by. The file
holds all of them and answers with their mean; --trees 0 leaves the networks alone.

Settings tried on FD001, engines 001-080, by the RMSE over runs left out (hours, at
every instant from 30 h after the start to 6 h before the end, each run weighing the
same, an instant before the first full window answered with the cap). 800 steps of 128
windows, noise 0.2 and a fifth of the hidden values left out where nothing else is said:

    window  mean of  hidden  layers             one network  mean of three
    50      1 row    32      1  (64 windows)    13.63
    40      5 rows   32      1  (1600 steps)    12.74
    50      5 rows   32      1                  12.04        11.96
    60      5 rows   32      1  (1600 steps)    12.22
    50      5 rows   32      1  noise 0.5       12.45
    50      5 rows   32      1  neither         12.23
    50      5 rows   32      2                  12.28
    50      5 rows   16      1                  12.18
    50      10 rows  32      1                  11.91        11.78  chosen
    50      10 rows  64      1                  11.77
    60      10 rows  32      1                  11.82
    70      10 rows  32      1                  12.49

A network that learned a share of its answers from trees, errors above the cap made cheap,
statistics of the window beside the last state, half of the networks taught and half not:
no gain beyond chance. Trees on statistics of 50 rows, alone and as half of the middle
(second column: at the 320 instants of eval.csv that lie in engines 001-080):

    trees  leaves  columns a split  alone           with the networks
    200    15      all              11.90  11.54    11.22  10.60
    200    15      0.3              11.88  11.49    11.23  10.57
    100    15      0.3              11.88  11.08    11.25  10.40  chosen: half as many trees
                    another draw        11.89  11.39    11.24  10.52
    100    15      0.1              11.81  11.39    11.28  10.59
    200    8       0.1              11.84  11.11    11.27  10.42
    no trees                                        11.78  10.89

The share of trees: 0.3 11.33, 0.4 11.27, 0.5 11.25, 0.6 11.29, 0.7 11.37. Chance, by a
bootstrap over the 80 engines (90 %): the mix is better than the trees by 0.62 (0.35 to
0.90), than the networks by 0.53 (0.25 to 0.81); at eval.csv's instants by 0.67 (0.29 to
1.06) and by 0.49 (0.16 to 0.85). Trees and networks alone do not differ beyond chance.

On engines 081-100 at the instants of eval.csv the file reaches 11.6, its networks alone
13.4, its trees alone 10.4: twenty engines. The settings and the share come from the runs left
out; that the trees do better than the networks on these twenty was known before the two
were put together, so 11.6 is no figure of a set that nobody had seen.
"""

import argparse
import csv
import glob
import itertools
import os
import re
import sys
import time

import export
import lstm
import numpy as np
import windows

jnp = lstm.jnp


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", required=True, help="dataset folder with telemetry/ and labels.csv")
    p.add_argument("--assets", required=True, help="regular expression of the assets to learn from")
    p.add_argument("--test", default="", help="regular expression of assets to report on, never learned from")
    p.add_argument("--inputs", default="auto", help="metrics, separated by commas; auto: those that move with the remaining life")
    p.add_argument("--units", default="", help="their units, in the same order; default as in the telemetry")
    p.add_argument("--class", dest="klass", default="turbofan")
    p.add_argument("--component", default="engine")
    p.add_argument("--name", default="")
    p.add_argument("--window", type=int, default=50, help="steps")
    p.add_argument("--average", type=int, default=10, help="rows that are averaged before the network reads them; divides --window")
    p.add_argument("--period", type=float, default=3600, help="seconds a step")
    p.add_argument("--cap", type=float, default=125, help="hours: longer lives look alike and are trained as this")
    p.add_argument("--threshold", type=float, default=48, help="hours below which the model speaks up")
    p.add_argument("--hidden", type=int, default=32)
    p.add_argument("--layers", type=int, default=1)
    p.add_argument("--folds", type=int, default=5)
    p.add_argument("--members", type=int, default=3, help="networks of each fold, which start from other weights")
    p.add_argument("--steps", type=int, default=800)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--rate", type=float, default=6e-3)
    p.add_argument("--drop", type=float, default=0.2, help="share of the hidden values that are left out in training")
    p.add_argument("--noise", type=float, default=0.2, help="added to the inputs in training, in their standard deviations")
    p.add_argument("--trees", type=float, default=0.5, help="share of boosted trees in the middle; 0: networks alone")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--license", default="Apache-2.0")
    p.add_argument("--git", default="unknown")
    p.add_argument("--out", required=True)
    return p.parse_args()


def runs(a, names, pattern, telemetry, ends):
    """-> {asset: (times, windows, remaining hours)} for assets whose end is known."""
    out = {}
    for asset in sorted(telemetry):
        if re.fullmatch(pattern, asset) and asset in ends:
            t, x = windows.grid(telemetry[asset], names, a.period)
            last, w = windows.cut(x, a.window)
            if len(last):
                out[asset] = (t[last], w, (ends[asset] - t[last]) / 3600)
    return out


def moving(telemetry, ends, pattern, cap):
    """Names of the metrics that correlate with the capped remaining life, |r| >= 0.1."""
    pool = {}
    for asset, series in telemetry.items():
        if re.fullmatch(pattern, asset) and asset in ends:
            for name, (t, v) in series.items():
                pool.setdefault(name, []).append((v, np.minimum((ends[asset] - t) / 3600, cap)))
    names = []
    for name in sorted(pool, key=lambda n: [int(s) if s.isdigit() else s for s in re.split(r"(\d+)", n)]):
        v, y = (np.concatenate(c) for c in zip(*pool[name]))
        ok = np.isfinite(v)
        if ok.sum() > 10 and v[ok].std() > 1e-9 and abs(np.corrcoef(v[ok], y[ok])[0, 1]) >= 0.1:
            names.append(name)
    return names


def initial(a, width, rng):
    layers = [lstm.lstm_init(rng, width if i == 0 else a.hidden, a.hidden) for i in range(a.layers)]
    hid, out = lstm.linear_init(rng, a.hidden, 16), lstm.linear_init(rng, 16, 1)
    out["b"][:] = 0.6
    bounds = lstm.linear_init(rng, 16, 2)
    bounds["W"] *= 0.3
    bounds["b"][:] = 0.3
    return {"lstm": layers, "hid": hid, "out": out, "hidb": lstm.linear_init(rng, a.hidden, 16), "bounds": bounds}


def network(a):
    """-> quantiles(weights, xn [batch, time, features], key) as shares of the cap (low, middle, high), not yet clipped.

    With a key it is training: values are dropped, inputs made noisy. What the bounds
    learn does not reach the layers that they share with the middle.
    """

    def drop(key, x):
        if key is None or a.drop == 0:
            return x
        return jnp.where(lstm.jax.random.bernoulli(key, 1 - a.drop, x.shape), x / (1 - a.drop), 0)

    def quantiles(p, xn, key=None):
        keys = [None] * (a.layers + 2) if key is None else lstm.jax.random.split(key, a.layers + 2)
        h = xn.transpose(1, 0, 2)
        if key is not None:
            h = h + a.noise * lstm.jax.random.normal(keys[0], h.shape)
        h = h.reshape(h.shape[0] // a.average, a.average, *h.shape[1:]).mean(axis=1)
        for layer, k in zip(p["lstm"], keys[2:]):
            h, _ = lstm.lstm(layer, h)
            h = drop(k, h)
        last = h[-1]
        mid = lstm.linear(p["out"], drop(keys[1], jnp.maximum(lstm.linear(p["hid"], last), 0)))[:, 0]
        raw = lstm.linear(p["bounds"], jnp.maximum(lstm.linear(p["hidb"], lstm.jax.lax.stop_gradient(last)), 0))
        return mid - raw[:, 0] ** 2, mid, mid + raw[:, 1] ** 2

    return quantiles


def loss(quantiles):
    """Squared error of the middle, pinball losses of the bounds (Koenker & Bassett 1978)."""

    def value(p, key, xn, y):
        lo, mid, hi = quantiles(p, xn, key)
        stay = lstm.jax.lax.stop_gradient(mid)
        lo, hi = lo - mid + stay, hi - mid + stay
        pinball = lambda q, e: jnp.mean(jnp.maximum(q * e, (q - 1) * e))  # noqa: E731
        return jnp.mean((y - mid) ** 2) + pinball(0.1, y - lo) + pinball(0.9, y - hi)

    return value


def train(a, learn, folds, norm, width):
    """-> networks, those of one fold after the other; each run weighs the same however long it lived."""
    assets = sorted(learn)
    x = np.concatenate([norm(learn[k][1]) for k in assets]).astype(np.float32)
    y = np.concatenate([np.minimum(learn[k][2] / a.cap, 1) for k in assets]).astype(np.float32)
    count = {k: len(learn[k][0]) for k in assets}
    first = dict(zip(assets, np.cumsum([0] + [count[k] for k in assets[:-1]])))
    members = [(f, m) for f in range(len(folds)) for m in range(a.members)]
    rngs = [np.random.Generator(np.random.PCG64([a.seed, f, m])) for f, m in members]
    seen = [[k for k in assets if k not in folds[f]] for f, _ in members]
    start = lstm.stack([initial(a, width, rng) for rng in rngs])

    def draw(_):
        rows = np.empty((len(members), a.batch), np.int64)
        for i, (rng, runs_) in enumerate(zip(rngs, seen)):
            chosen = rng.integers(len(runs_), size=a.batch)
            share = rng.random(a.batch)
            rows[i] = [first[runs_[c]] + int(s * count[runs_[c]]) for c, s in zip(chosen, share)]
        return x[rows], y[rows]

    return lstm.fit_many(loss(network(a)), start, draw, seed=a.seed, steps=a.steps, lr=a.rate, decay=0.01)


def predict(run, networks, x):
    """Normalised windows -> (middle, gap down, gap up), the mean of the networks: shares of the cap, not yet clipped.

    run is network(a), compiled.
    """
    pad = -len(x) % 128  # one shape, so that it is compiled once
    padded = np.concatenate([x, np.repeat(x[-1:], pad, axis=0)]).astype(np.float32)
    parts = [np.mean([np.stack(run(p, padded[k : k + 128])) for p in networks], axis=0) for k in range(0, len(padded), 128)]
    lo, mid, hi = np.concatenate(parts, axis=1)[:, : len(x)]
    return mid, mid - lo, hi - mid


def mixed(a, run, networks, forests, x):
    """Normalised windows -> (middle, gap down, gap up) as the file computes them."""
    mid, down, up = predict(run, networks, x)
    return ((1 - a.trees) * mid + a.trees * grown(forests, x) if forests else mid), down, up


def grown(forests, x):
    """Normalised windows -> the mean of the forests."""
    seen = statistics(x)
    return np.mean([m.predict(seen) for m in forests], axis=0)


def bounded(said, factors):
    """(middle, gap down, gap up) -> [windows, 3]: p10, p50, p90 as shares of the cap within 0 and 1."""
    mid, down, up = said
    return np.clip(np.stack([mid - factors[0] * down, mid, mid + factors[1] * up], axis=1), 0, 1)


def rmse(a, learn, answer):
    """Over the instants of a life from 30 steps after its start to 6 before its end, each run weighing the same; hours."""
    per = []
    for asset, (t, w, y) in learn.items():
        missing = a.window - 1  # rows before the first window: no answer counts as the cap
        truth = np.concatenate([y[0] + np.arange(missing, 0, -1) * a.period / 3600, y])
        said = np.concatenate([np.full(missing, a.cap), answer[asset] * a.cap])
        asked = slice(29, len(truth) - 6)
        per.append(np.mean((said - np.minimum(truth, a.cap))[asked] ** 2))
    return np.sqrt(np.mean(per))


def statistics(x):
    """Windows [n, time, features] -> what trees read of each feature: last value, means of the last 5, last 10 and all
    rows, slope, spread, extremes."""
    wide = np.asarray(x, np.float32).transpose(0, 2, 1)
    ends = np.stack([wide.std(axis=2), wide.min(axis=2), wide.max(axis=2)], axis=2)
    return np.concatenate([wide @ export.views(x.shape[1]), ends], axis=2).reshape(len(x), -1)


def trees(a, learn, norm, left_out):
    """-> model of boosted trees learned without some runs, each run weighing the same."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    use = [k for k in sorted(learn) if k not in left_out]
    x = np.concatenate([statistics(norm(learn[k][1])) for k in use])
    y = np.concatenate([np.minimum(learn[k][2] / a.cap, 1) for k in use])
    weight = np.concatenate([np.full(len(learn[k][0]), 1 / len(learn[k][0])) for k in use])
    m = HistGradientBoostingRegressor(max_iter=100, learning_rate=0.05, min_samples_leaf=40, max_leaf_nodes=15, l2_regularization=1.0,
                                      max_features=0.3, early_stopping=False, random_state=a.seed)
    return m.fit(x, y, sample_weight=weight / weight.mean())


def stretch(said, y, level):
    """Factor for each gap so that a share level lies within it (split conformal on the ratio of error to gap)."""
    mid, down, up = said
    below = np.sort((mid - y) / np.maximum(down, 1e-3))
    above = np.sort((y - mid) / np.maximum(up, 1e-3))
    at = min(len(y) - 1, int(np.ceil((len(y) + 1) * level)) - 1)
    return max(0.2, float(below[at])), max(0.2, float(above[at]))


def report(a, said, test):
    """RMSE, mean error, NASA score and coverage at eval.csv's instants, else at every tenth window."""
    asked = {}
    path = os.path.join(a.data, "eval.csv")
    if os.path.exists(path):
        with open(path, newline="", encoding="utf-8") as f:
            for row in csv.DictReader(f):
                asked.setdefault(row["asset"], []).append(windows.seconds(row["time"]))
    errors, inside, points = [], [], 0
    for asset, (t, w, y) in test.items():
        lo, mid, hi = (said(w) * a.cap).T
        for at in asked.get(asset, t[::10]):
            k = np.searchsorted(t, at + 1e-6) - 1
            remaining = y[0] + (t[0] - at) / 3600
            truth = min(remaining, a.cap)
            errors.append((mid[k] if k >= 0 else a.cap) - truth)
            points += 1
            if k >= 0 and truth < a.cap:
                inside.append(lo[k] <= truth <= hi[k])
    e = np.array(errors)
    nasa = np.where(e < 0, np.exp(-e / 13) - 1, np.exp(e / 10) - 1).sum()
    return (f"{len(test)} assets never learned from, {points} instants: RMSE {np.sqrt((e**2).mean()):.2f} h, mean error {e.mean():+.2f} h, "
            f"NASA score {nasa:.0f}; 80 % interval holds {100 * np.mean(inside):.0f} % of lives below the cap")


def measure(a, learn, folds, norm, networks, forests, test):
    """-> middles of all windows, from models that never saw them, which of them lie below the cap, and the factors
    that stretch the gaps.

    Prints what the file reaches, and what networks and trees alone would.
    """
    run = lstm.jax.jit(network(a))
    kinds = {"file": lambda n, f, x: mixed(a, run, n, f, x), "networks alone": lambda n, f, x: predict(run, n, x)}
    if forests:
        kinds["trees alone"] = lambda n, f, x: (grown(f, x),) + (np.zeros(len(x)),) * 2
    unseen = {kind: {} for kind in kinds}
    for k, out in enumerate(folds):
        own = networks[k * a.members : (k + 1) * a.members], forests[k : k + 1]
        for kind, asset in itertools.product(kinds, out):
            unseen[kind][asset] = kinds[kind](*own, norm(learn[asset][1]))
    for kind, said in unseen.items():
        print(f"{kind}: RMSE over runs left out {rmse(a, learn, {k: np.clip(v[0], 0, 1) for k, v in said.items()}):.2f} h")
    said = np.concatenate([unseen["file"][k] for k in sorted(learn)], axis=1)
    y = np.concatenate([np.minimum(learn[k][2] / a.cap, 1) for k in sorted(learn)])
    alive = y < 1  # at the cap every life looks alike
    factors = stretch(said[:, alive], y[alive], 0.9)
    for kind, answer in kinds.items() if test else ():
        line = report(a, lambda w: bounded(answer(networks, forests, norm(w)), factors), test)
        print(f"{kind}: " + (line if kind == "file" else line.split(";")[0]), flush=True)
    return said[0], alive, factors


def main():
    a = arguments()
    began = time.time()
    if a.window % a.average:
        sys.exit(f"--window {a.window} is no multiple of --average {a.average}")
    files = sorted(glob.glob(os.path.join(a.data, "telemetry", "*.parquet")))
    if not files:
        sys.exit(f"no telemetry/*.parquet in {a.data}")
    given = None if a.inputs == "auto" else [n.strip().removesuffix("/value") + "/value" for n in a.inputs.split(",")]
    telemetry = windows.read_telemetry(files, given)
    ends = {r["asset"]: r["end"] for r in windows.labels(os.path.join(a.data, "labels.csv")) if r["kind"] == "failure"}
    names = given or moving(telemetry, ends, a.assets, a.cap)
    units = a.units.split(",") if a.units else ["1"] * len(names)
    learn = runs(a, names, a.assets, telemetry, ends)
    if len(learn) < a.folds:
        sys.exit(f"{len(learn)} runs to failure match --assets: at least {a.folds} (--folds) are needed")
    print(f"{len(learn)} runs, inputs {', '.join(names)}")

    flat = np.concatenate([w[:: a.window].reshape(-1, len(names)) for _, w, _ in learn.values()]).astype(np.float64)
    mean, std = flat.mean(axis=0).astype(np.float32), np.maximum(flat.std(axis=0), 1e-6).astype(np.float32)
    norm = lambda w: (w - mean) / std  # noqa: E731
    assets = sorted(learn)
    folds = [assets[k :: a.folds] for k in range(a.folds)]
    networks = train(a, learn, folds, norm, len(names))
    forests = [trees(a, learn, norm, out) for out in folds] if a.trees > 0 else []
    print(f"{len(networks)} networks, {len(forests)} forests: {time.time() - began:.0f} s", flush=True)
    test = runs(a, names, a.test, telemetry, ends) if a.test else {}
    mid, alive, factors = measure(a, learn, folds, norm, networks, forests, test)
    # Scores of windows far from the end are what a healthy machine scores.
    healthy = np.sort(-np.clip(mid[~alive], 0, 1) * a.cap)
    kept = np.quantile(healthy, np.linspace(0, 1, 201)) if len(healthy) > 500 else healthy
    first = learn[assets[0]]
    meta = dict(
        name=a.name or f"{a.klass}-rul", kind="rul",
        features=[{"name": n, "unit": u, "agg": "last"} for n, u in zip(names, units)],
        sampling_period_s=repr(a.period), window=str(a.window), stride="1", threshold=repr(a.threshold), output="rul", rul_cap_h=repr(a.cap),
        calibration={"n": len(healthy), "alpha": 0.01, "quantiles": [float(f"{v:.6g}") for v in kept]},
        reference=windows.reference([w[:, -1] for _, w, _ in learn.values()], a.window),
        asset_class=a.klass, component=a.component, training_sha256=windows.sha256(files + [os.path.join(a.data, "labels.csv")]),
        training_window=f"{windows.iso(min(r[0][0] for r in learn.values()))}/{windows.iso(max(r[0][-1] for r in learn.values()))}",
        framework="jax " + lstm.jax.__version__, git=a.git, license=a.license,
        note=f"{len(assets)} runs: {assets[0]} to {assets[-1]}; {len(networks)} LSTMs and {len(forests)} forests of boosted trees, seed {a.seed}",
    )
    model = export.stamp(export.rul(networks, mean, std, a.cap, factors, a.average, forests, a.trees, a.window), first[1][-1], **meta)
    os.makedirs(os.path.dirname(os.path.abspath(a.out)), exist_ok=True)
    export.save(model, a.out)
    print(f"{a.out}: {time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
