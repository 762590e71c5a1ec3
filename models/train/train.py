"""Trains an LSTM autoencoder or forecaster on healthy features of a fleet and writes one ONNX file.

    python train.py --features OUT/features.parquet --class wind-turbine --component gearbox-bearing \\
        --inputs "gearbox_oil_temperature/residual_z,generator_bearing_temperature/residual_z" \\
        --window 36 --period 600 --out model.onnx

Turbines are split, and time is: some assets are held out whole for calibration
(with one asset the last quarter of its time), the rest is cut at 85 % of its time into
training and a part on which training is stopped. Windows are never split at random:
neighbours share rows, and a split like that measures memory. training.json beside the
features, which `telltale model export-training` writes, says the split instead.

Kinds: an autoencoder rebuilds the window; a forecaster judges each step by those before
(`--output forecast`: the row after the window alone; `--stateful`: what it remembers
goes on from window to window); a normal model says what `--targets` should be, given
the other inputs.
"""

import argparse
import json
import os
import sys
import time

import export
import lstm
import numpy as np
import windows


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--features", required=True, help="features.parquet of `telltale backtest` or `model export-training`")
    p.add_argument("--labels", help="labels.csv: faults, failures and maintenance are left out, with 7 days around")
    p.add_argument("--class", dest="klass", required=True, help="asset class that the model serves")
    p.add_argument("--component", default="", help="component that it judges")
    p.add_argument("--inputs", required=True, help="channel/feature, separated by commas, in order")
    p.add_argument("--units", default="", help="their units, in the same order; default 1 (a z-score has none)")
    p.add_argument("--name", default="")
    p.add_argument("--kind", choices=["autoencoder", "forecaster", "normal"], default="autoencoder")
    p.add_argument("--output", choices=["error", "forecast"], default="error", help="of a forecaster: its errors, or the next row in raw units")
    p.add_argument("--stateful", action="store_true", help="a forecaster that remembers: it reads each row once, --stride is --window")
    p.add_argument("--targets", default="", help="of a normal model: the inputs that it judges")
    p.add_argument("--score", choices=["mse", "mahalanobis"], default="mse")
    p.add_argument("--past", action="store_true", help="a normal model reads its targets too, one step late: quick to see a jump, blind to a drift")
    p.add_argument("--assets", default="", help="assets to learn from, separated by commas; default all")
    p.add_argument("--from", dest="since", default="", help="RFC 3339; default the beginning")
    p.add_argument("--to", dest="until", default="", help="RFC 3339; default the end")
    p.add_argument("--window", type=int, default=144, help="steps")
    p.add_argument("--period", type=float, default=600, help="seconds a step")
    p.add_argument("--stride", type=int, default=1, help="steps between windows when it serves")
    p.add_argument("--hidden", type=int, default=32)
    p.add_argument("--latent", type=int, default=0, help="default a third of the features, 2 at least")
    p.add_argument("--alpha", type=float, default=0.01, help="false alarm rate of one healthy window")
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--max-windows", type=int, default=8000, help="for training, evenly spread over all there are")
    p.add_argument("--apart-h", type=float, default=6, help="hours from one calibration score to the next: neighbours tell the same")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--license", default="Apache-2.0")
    p.add_argument("--git", default="unknown", help="commit of the program that made the features")
    p.add_argument("--out", required=True)
    a = p.parse_args()
    if (a.stateful or a.output == "forecast") and a.kind != "forecaster":
        p.error("--stateful and --output forecast are for --kind forecaster")
    if a.stateful and a.output == "forecast":
        p.error("--stateful answers with errors: leave --output out")
    if a.past and a.kind != "normal":
        p.error("--past is for --kind normal")
    if a.kind == "normal" and not a.targets:
        p.error("--kind normal needs --targets")
    if a.stateful:
        a.stride = a.window
    return a


def plan(a):
    """The split that training.json beside the features names; empty without one."""
    path = os.path.join(os.path.dirname(os.path.abspath(a.features)), "training.json")
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as f:
        note = json.load(f)
    if note["sha256"] != windows.sha256([a.features]):
        sys.exit(f"{path} belongs to another {os.path.basename(a.features)}: export them together")
    s = note["split"]
    return {"train": s["train"], "held": s["calibration"], "until": windows.seconds(s["train_until"]), "calibrate": windows.seconds(s["calibrate_from"])}


def load(a, names):
    """-> {asset: (times, rows)} of what may be learned from."""
    rows = windows.labels(a.labels) if a.labels else []
    since, until = windows.seconds(a.since) or -np.inf, windows.seconds(a.until) or np.inf
    chosen = set(filter(None, a.assets.split(",")))
    fleet = {}
    for asset, series in sorted(windows.read_features(a.features, names).items()):
        if chosen and asset not in chosen:
            continue
        t, x = windows.grid(series, names, a.period)
        x[~(windows.healthy(t, asset, rows) & (t >= since) & (t <= until))] = np.nan
        if len(windows.cut(x, a.window)[0]):
            fleet[asset] = (t, x)
    if not fleet:
        sys.exit("no asset has a window of all the inputs: check --inputs, --period, --from and --to against " + a.features)
    return fleet


REGIME_SCORES = 100  # a regime with fewer calibration scores is judged by all of them


def split(a, fleet, said=None):
    """-> windows for training, for stopping, and for calibration, the assets held out, and (asset, time) of each
    window for calibration. These are as far apart as --apart-h says, and a window at least."""
    said = said or {}
    assets = sorted(fleet)
    held = said.get("held", assets[2::4] if len(assets) >= 3 else [])  # a quarter of the turbines, at least one of three
    # A forecaster is held against the row after its window, one that remembers learns on longer stretches.
    learn, judged = a.window * (4 if a.stateful else 1), a.window + (a.output == "forecast")
    learn += a.output == "forecast"
    apart = max(a.window, int(np.ceil(a.apart_h * 3600 / a.period)))
    train, stop, calibrate, when = [], [], [], []

    def keep(asset, t, x):
        last, w = windows.cut(x, judged, a.window if a.stateful else apart)
        calibrate.append(w)
        when.extend((asset, t[k]) for k in last)

    for asset in assets:
        t, x = fleet[asset]
        seen = np.flatnonzero(np.isfinite(x).any(axis=1))
        lo, hi = seen[0], seen[-1] + 1
        if asset in held:
            lo = max(lo, np.searchsorted(t, said.get("calibrate", -np.inf)))
            keep(asset, t[lo:hi], x[lo:hi])
            continue
        end = lo + int((hi - lo) * (1 if held else 0.75))
        mid = lo + int((end - lo) * 0.85)
        if said:
            mid = max(lo, np.searchsorted(t, said["until"]))
            end = hi if held else max(mid, np.searchsorted(t, said["calibrate"]))
        train.append(windows.cut(x[lo:mid], learn)[1])
        stop.append(windows.cut(x[mid:end], learn, max(1, a.window // 4))[1])
        if not held:
            keep(asset, t[end:hi], x[end:hi])
    train, stop, calibrate = (np.concatenate(w) if w else np.zeros((0,)) for w in (train, stop, calibrate))
    if min(len(train), len(stop), len(calibrate)) < 5:
        sys.exit(f"too few windows: {len(train)} to train on, {len(stop)} to stop on, {len(calibrate)} to calibrate on; at least 5 of each")
    train = train[np.linspace(0, len(train) - 1, min(len(train), a.max_windows)).astype(int)]
    return train, stop, calibrate, held, when


def network(a, names, rng):
    """-> weights, error(weights, xn [batch, time, features]), graph builder."""
    width = len(names)
    if a.kind != "autoencoder":
        params = {"enc": lstm.lstm_init(rng, width, a.hidden), "out": lstm.linear_init(rng, a.hidden, width)}

        def expected(p, xt):
            return lstm.linear(p["out"], lstm.lstm(p["enc"], xt)[0]).transpose(1, 0, 2)

        if a.kind == "normal":
            targets = [t.strip() for t in a.targets.split(",")]
            if set(targets) - set(names) or len(targets) == width:
                sys.exit(f"--targets {a.targets}: some of --inputs, not all of them")
            target, skip = np.array([n in targets for n in names], np.float32), a.window // 2

            def unexplained(p, xn):
                late = lstm.jnp.concatenate([xn[:, :1], xn[:, :-1]], axis=1) if a.past else lstm.jnp.zeros_like(xn)
                read = xn * (1 - target) + late * target
                return ((xn - late - expected(p, read.transpose(1, 0, 2))) * target)[:, skip:]

            return params, unexplained, lambda p, mean, std: export.normal(p, mean, std, target, skip, a.past)
        if a.output == "forecast":
            return params, lambda p, xn: xn[:, -1:] - expected(p, xn[:, :-1].transpose(1, 0, 2))[:, -1:], export.forecast
        if a.stateful:  # the first row is expected from nothing, as in service

            def remembers(p, xn):
                first = lstm.jnp.broadcast_to(p["out"]["b"], (len(xn), 1, width))
                return xn - lstm.jnp.concatenate([first, expected(p, xn.transpose(1, 0, 2))[:, :-1]], axis=1)

            return params, remembers, export.stateful
        return params, lambda p, xn: xn[:, 1:] - expected(p, xn.transpose(1, 0, 2))[:, :-1], export.forecaster
    latent = a.latent or max(2, width // 3)  # fewer than features: it must not learn to copy
    params = {
        "enc": lstm.lstm_init(rng, width, a.hidden),
        "lat": lstm.linear_init(rng, a.hidden, latent),
        "dec": lstm.lstm_init(rng, latent, a.hidden),
        "out": lstm.linear_init(rng, a.hidden, width),
    }

    def error(p, xn):
        xt = xn.transpose(1, 0, 2)
        _, last = lstm.lstm(p["enc"], xt)
        z = lstm.jnp.tanh(lstm.linear(p["lat"], last))
        y, _ = lstm.lstm(p["dec"], lstm.jnp.broadcast_to(z, (xt.shape[0], *z.shape)))
        return xn - lstm.linear(p["out"], y).transpose(1, 0, 2)

    return params, error, export.autoencoder


def judged(a, error, params, w, when):
    """Errors of the windows for calibration, and which of them count. One that remembers reads those of a stretch
    without holes as one, and one in so many counts."""
    run = lstm.jax.jit(error)
    if not a.stateful:
        return np.asarray(run(params, w), np.float64), np.arange(len(w))
    starts = [k for k in range(len(w)) if k == 0 or when[k][0] != when[k - 1][0] or when[k][1] - when[k - 1][1] > 1.5 * a.window * a.period]
    parts = [np.asarray(run(params, w[lo:hi].reshape(1, -1, w.shape[2])), np.float64).reshape(hi - lo, a.window, -1)
             for lo, hi in zip(starts, [*starts[1:], len(w)])]
    every = max(1, int(np.ceil(a.apart_h * 3600 / a.period / a.window)))
    return np.concatenate(parts), np.concatenate([np.arange(lo, hi, every) for lo, hi in zip(starts, [*starts[1:], len(w)])])


def ledoit_wolf(x):
    """Shrunk covariance of x [n, d] (Ledoit & Wolf 2004, J. Multivariate Anal. 88:365), 1/n convention."""
    n, d = x.shape
    x = x - x.mean(axis=0)
    s = x.T @ x / n
    mu = np.trace(s) / d
    delta = ((s - mu * np.eye(d)) ** 2).sum() / d
    beta = min(delta, ((x**2).T @ (x**2) / n - s**2).sum() / (n * d))
    shrink = beta / delta if delta > 0 else 0.0
    return (1 - shrink) * s + shrink * mu * np.eye(d)


def kept(scores):
    """Up to 500 scores travel as they are, more as 401 quantiles."""
    scores = np.sort(scores)
    scores = scores if len(scores) <= 500 else np.quantile(scores, np.linspace(0, 1, 401))
    return [float(f"{v:.9g}") for v in scores]


def calibrate(a, err, regimes=()):
    """Errors of healthy windows -> (calibration as the contract wants it, threshold as text); regimes names that of
    each window."""
    k = {"n": len(err), "alpha": a.alpha}
    scores, regimes = (err**2).mean(axis=(1, 2)), np.asarray(list(regimes) or [""] * len(err), object)
    if a.score == "mahalanobis":
        # Mean and covariance come from every second window, the scores from the
        # others: a distance from one's own mean is too small.
        bias = err.mean(axis=1)
        mean, precision = bias[::2].mean(axis=0), np.linalg.inv(ledoit_wolf(bias[::2]))
        d = bias[1::2] - mean
        scores, regimes = np.einsum("ni,ij,nj->n", d, precision, d), regimes[1::2]
        k.update(n=len(scores), mean=np.round(mean, 9).tolist(), precision=np.round(precision, 9).tolist())
    n = len(scores)
    rank = int(np.ceil((n + 1) * (1 - a.alpha) - 1e-9))  # split conformal
    threshold = "none"
    if rank <= n:
        threshold = repr(float(f"{np.sort(scores)[rank - 1]:.9g}"))
    else:
        print(f"{n} calibration windows cannot support alpha = {a.alpha}: the model will never speak up; 1/alpha - 1 are needed", file=sys.stderr)
    k["quantiles"] = kept(scores)
    own = {r: scores[regimes == r] for r in sorted(set(regimes) - {""})}
    own = {r: {"n": len(v), "alpha": a.alpha, "quantiles": kept(v)} for r, v in own.items() if len(v) >= REGIME_SCORES}
    if own:
        k["regimes"] = own
    return k, threshold


def main():
    a = arguments()
    began = time.time()
    names = [n.strip() for n in a.inputs.split(",")]
    units = [u.strip() for u in a.units.split(",")] if a.units else ["1"] * len(names)
    if len(units) != len(names):
        sys.exit(f"--units names {len(units)} units, --inputs {len(names)} features")
    said = plan(a)
    fleet = load(a, names)
    train, stop, held_out, held, when = split(a, fleet, said)
    flat = train.reshape(-1, len(names)).astype(np.float64)
    mean, std = flat.mean(axis=0), np.maximum(flat.std(axis=0), 1e-6)
    mean, std = mean.astype(np.float32), std.astype(np.float32)
    print(f"{len(fleet)} assets, held out: {', '.join(held) or 'the last quarter of the time'}; "
          f"windows: {len(train)} to train on, {len(stop)} to stop on, {len(held_out)} to calibrate on")

    params, error, graph = network(a, names, np.random.Generator(np.random.PCG64(a.seed)))
    norm = lambda w: (w - mean) / std  # noqa: E731
    params, best = lstm.fit(lambda p, x: lstm.jnp.mean(error(p, x) ** 2), params, (norm(train),), (norm(stop),), seed=a.seed, epochs=a.epochs)

    err, count = judged(a, error, params, norm(held_out), when)
    scale = None
    if a.output == "forecast":
        # What an error is divided by comes from the part that training was stopped on, not from what it judges.
        scale = np.maximum(np.asarray(lstm.jax.jit(error)(params, norm(stop)), np.float64).std(axis=(0, 1)), 1e-6)
        err, scale = err / scale, [float(f"{v:.7g}") for v in scale * std]
    found = windows.read_regimes(a.features)
    regimes = [windows.regime_at(found, *[when[k][0], [when[k][1]], a.period])[0] for k in count]
    calibration, threshold = calibrate(a, err[count], regimes)
    meta = dict(
        kind="anomaly", scale=scale, state={"inputs": ["h0", "c0"], "outputs": ["hn", "cn"], "on_swap": "reset"} if a.stateful else None,
        features=[{"name": n, "unit": u, "agg": "last"} for n, u in zip(names, units)],
        sampling_period_s=repr(a.period), window=str(a.window), stride=str(a.stride), threshold=threshold, calibration=calibration,
        reference=windows.reference([x for k, (_, x) in fleet.items() if k not in held], int(np.ceil(a.apart_h * 3600 / a.period))),
        output=a.output, asset_class=a.klass, training_sha256=windows.sha256([a.features]), git=a.git, license=a.license,
        training_window="/".join(windows.iso(f(g(t) for t, _ in fleet.values())) for f, g in ((min, lambda t: t[0]), (max, lambda t: t[-1]))),
        framework="jax " + lstm.jax.__version__,
        note=json.dumps({"assets": sorted(fleet), "held_out": held, "kind": a.kind, "seed": a.seed, "windows": len(train), "mse": float(f"{best:.6g}")}),
    )
    if a.component:
        meta["component"] = a.component
    meta["name"] = a.name or "-".join(filter(None, [a.klass, a.component, a.kind]))
    model = export.stamp(graph(params, mean, std), held_out[0][: a.window], **meta)
    export.save(model, a.out)
    own = f", {len(calibration['regimes'])} regimes of their own" if "regimes" in calibration else ""
    print(f"{a.out}: held-out error {(err**2).mean():.4f} of 1, threshold {threshold}{own}, {time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
