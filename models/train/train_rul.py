"""Trains LSTM regressors of the remaining useful life (P10, P50, P90) from telemetry of runs to failure.

    python train_rul.py --data DATA/cmapss --assets "fd001-train-0([0-7][0-9]|80)" --test "fd001-train-(08[1-9]|09.|100)" \\
        --inputs s2,s3,s4 --window 30 --period 3600 --out build/models/turbofan-rul.onnx

Assets are split into folds. Each network is trained without one fold, so every run
is predicted once by a network that never saw it; those predictions stretch the
interval until it holds what it promises. The file holds all the networks and answers
with their mean.
"""

import argparse
import csv
import glob
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
    p.add_argument("--window", type=int, default=30, help="steps")
    p.add_argument("--period", type=float, default=3600, help="seconds a step")
    p.add_argument("--cap", type=float, default=125, help="hours: longer lives look alike and are trained as this")
    p.add_argument("--threshold", type=float, default=48, help="hours below which the model speaks up")
    p.add_argument("--hidden", type=int, default=32)
    p.add_argument("--layers", type=int, default=1)
    p.add_argument("--folds", type=int, default=5)
    p.add_argument("--epochs", type=int, default=24)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--stride", type=int, default=2, help="rows between training windows: neighbours are nearly the same")
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
    out = lstm.linear_init(rng, 16, 3)
    out["W"] *= 0.3
    out["b"][:] = [0.6, 0.3, 0.3]
    return {"lstm": layers, "hid": lstm.linear_init(rng, a.hidden, 16), "out": out}


def quantiles(p, xn):
    """Weights, xn [batch, time, features] -> shares of the cap (low, middle, high), not yet clipped."""
    h = xn.transpose(1, 0, 2)
    for layer in p["lstm"]:
        h, last = lstm.lstm(layer, h)
    raw = lstm.linear(p["out"], jnp.maximum(lstm.linear(p["hid"], last), 0))
    mid = raw[:, 0]
    return mid - raw[:, 1] ** 2, mid, mid + raw[:, 2] ** 2


def loss(p, xn, y):
    """Squared error of the middle, pinball losses of the bounds (Koenker & Bassett 1978).

    The bounds' gradients do not reach the middle: its squared error is what is reported.
    """
    lo, mid, hi = quantiles(p, xn)
    stay = lstm.jax.lax.stop_gradient(mid)
    lo, hi = lo - mid + stay, hi - mid + stay
    pinball = lambda q, e: jnp.mean(jnp.maximum(q * e, (q - 1) * e))  # noqa: E731
    return 3 * jnp.mean((y - mid) ** 2) + pinball(0.1, y - lo) + pinball(0.9, y - hi)


def predict(networks, norm, w):
    """Mean of the networks, as the file answers: shares of the cap within 0 and 1."""
    run = lstm.jax.jit(quantiles)
    q = np.mean([np.stack(run(p, norm(w)), axis=1) for p in networks], axis=0)
    return np.clip(q, 0, 1)


def stretch(lo, mid, hi, y, level):
    """Factor for each gap so that a share level lies within it (split conformal on the ratio of error to gap)."""
    below = np.sort((mid - y) / np.maximum(mid - lo, 1e-3))
    above = np.sort((y - mid) / np.maximum(hi - mid, 1e-3))
    at = min(len(y) - 1, int(np.ceil((len(y) + 1) * level)) - 1)
    return max(0.2, float(below[at])), max(0.2, float(above[at]))


def report(a, networks, norm, test, factors):
    """RMSE, mean error, NASA score and coverage at eval.csv's instants, else at every tenth window."""
    asked = {}
    path = os.path.join(a.data, "eval.csv")
    if os.path.exists(path):
        with open(path, newline="", encoding="utf-8") as f:
            for row in csv.DictReader(f):
                asked.setdefault(row["asset"], []).append(windows.seconds(row["time"]))
    errors, inside, points = [], [], 0
    for asset, (t, w, y) in test.items():
        lo, mid, hi = (predict(networks, norm, w) * a.cap).T
        lo, hi = mid - factors[0] * (mid - lo), mid + factors[1] * (hi - mid)
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
    print(f"{len(test)} assets never learned from, {points} instants: RMSE {np.sqrt((e**2).mean()):.2f} h, mean error {e.mean():+.2f} h, "
          f"NASA score {nasa:.0f}; 80 % interval holds {100 * np.mean(inside):.0f} % of lives below the cap")


def main():
    a = arguments()
    began = time.time()
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
    networks, beyond = [], []
    for fold in range(a.folds):
        out = assets[fold :: a.folds]

        def pool(chosen, stride):
            w = np.concatenate([learn[x][1][::-1][::stride] for x in chosen])
            y = np.concatenate([learn[x][2][::-1][::stride] for x in chosen])
            return norm(w), np.minimum(y / a.cap, 1).astype(np.float32)

        rng = np.random.Generator(np.random.PCG64(a.seed + fold))
        valid = pool(out, 3)
        p, best = lstm.fit(loss, initial(a, len(names), rng), pool([x for x in assets if x not in out], a.stride), valid,
                           seed=a.seed + fold, epochs=a.epochs, batch=a.batch, log=lambda s: None)
        networks.append(p)
        q = np.stack(lstm.jax.jit(quantiles)(p, valid[0]), axis=1)
        beyond.append(np.c_[q, valid[1]])
        print(f"fold {fold + 1}: {len(out)} runs held out, RMSE {a.cap * np.sqrt(np.mean((np.clip(q[:, 1], 0, 1) - valid[1]) ** 2)):.2f} h, {time.time() - began:.0f} s", flush=True)

    lo, mid, hi, y = np.concatenate(beyond).T
    alive = y < 1  # at the cap every life looks alike
    factors = stretch(lo[alive], mid[alive], hi[alive], y[alive], 0.9)
    if a.test:
        report(a, networks, norm, runs(a, names, a.test, telemetry, ends), factors)
    # Scores of windows far from the end are what a healthy machine scores.
    healthy = np.sort(-np.clip(mid[~alive], 0, 1) * a.cap)
    kept = np.quantile(healthy, np.linspace(0, 1, 201)) if len(healthy) > 500 else healthy
    first = learn[assets[0]]
    meta = dict(
        name=a.name or f"{a.klass}-rul",
        features=[{"name": n, "unit": u, "agg": "last"} for n, u in zip(names, units)],
        sampling_period_s=repr(a.period), window=str(a.window), stride="1", threshold=repr(a.threshold), output="rul", rul_cap_h=repr(a.cap),
        calibration={"n": len(healthy), "alpha": 0.01, "quantiles": [float(f"{v:.6g}") for v in kept]},
        asset_class=a.klass, component=a.component, training_sha256=windows.sha256(files + [os.path.join(a.data, "labels.csv")]),
        training_window=f"{windows.iso(min(r[0][0] for r in learn.values()))}/{windows.iso(max(r[0][-1] for r in learn.values()))}",
        framework="jax " + lstm.jax.__version__, git=a.git, license=a.license,
        note=f"{len(assets)} runs: {assets[0]} to {assets[-1]}; {a.folds} networks, seed {a.seed}",
    )
    model = export.stamp(export.rul(networks, mean, std, a.cap, factors), first[1][-1], **meta)
    os.makedirs(os.path.dirname(os.path.abspath(a.out)), exist_ok=True)
    export.save(model, a.out)
    print(f"{a.out}: {time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
