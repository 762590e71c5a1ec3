"""Trains a detector of unusual combinations for rigs that are judged minutes after they were commissioned.

    python train_rig.py --data DATA/skab --healthy anomaly-free --learning-rows 400 --class pump-rig --out build/models/rig-detector.onnx

The service gives each metric in its own spread since the asset's learning span
(METRIC/value_z), so one model serves rigs at different operating points. What a
healthy rig does after its learning span is learned from stretches that repeat that
situation: a longer healthy record is cut into pieces, each normalised by its own
beginning, and the learning span of every other asset into an earlier and a later
half. Nothing after a learning span is read of an asset that is to be judged.

The network bends each value to within --bend of zero, so that no single outlier
speaks for the window; the score is the squared Mahalanobis distance of the window's
mean (Hotelling's T² over all directions, so that what drifts together while healthy
counts little). The threshold is the conformal limit of stretches left out in turn.
"""

import argparse
import glob
import os
import re
import sys

import export
import numpy as np
import windows
from train import kept, ledoit_wolf


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", required=True, help="dataset folder with telemetry/")
    p.add_argument("--healthy", default="", help="regular expression of assets that are healthy throughout")
    p.add_argument("--settled", type=float, default=0.5, help="share at the beginning of a healthy record that is left out: the rig warms up")
    p.add_argument("--assets", default=".*", help="regular expression of assets whose learning span is read")
    p.add_argument("--learning-rows", type=int, required=True, help="as in dataset.yaml")
    p.add_argument("--judged-rows", type=int, default=750, help="after its learning span, in which a rig is judged")
    p.add_argument("--inputs", default="", help="metrics, separated by commas; default all")
    p.add_argument("--class", dest="klass", required=True)
    p.add_argument("--name", default="rig-detector")
    p.add_argument("--window", type=int, default=30, help="rows: long against noise, short against a fault")
    p.add_argument("--period", type=float, default=1, help="seconds a row")
    p.add_argument("--bend", type=float, default=3, help="in spreads of the learning span")
    p.add_argument("--alpha", type=float, default=0.05, help="false alarm rate of one healthy window")
    p.add_argument("--folds", type=int, default=4)
    p.add_argument("--license", default="Apache-2.0")
    p.add_argument("--git", default="unknown")
    p.add_argument("--out", required=True)
    return p.parse_args()


def after_learning(rows, learning):
    """Rows after the learning span, in its spread, as the service's value_z: robust, and the plain deviation for a
    quantised metric, whose median deviation is 0."""
    span = rows[:learning]
    center = np.median(span, axis=0)
    mad, std = 1.4826 * np.median(np.abs(span - center), axis=0), span.std(axis=0)
    floor = 0.01 * (span.max(axis=0) - span.min(axis=0))
    scale = np.where(mad == 0, np.maximum(floor, std), np.maximum(mad, np.maximum(floor, 0.2 * std)))
    return (rows[learning:] - center) / np.maximum(scale, 1e-9 * np.maximum(1, np.abs(center)))


def complete(series, names):
    """One asset's metrics -> rows at the instants at which all are known."""
    times = sorted(set.intersection(*(set(series[n][0][np.isfinite(series[n][1])]) for n in names)))
    return np.stack([series[n][1][np.searchsorted(series[n][0], times)] for n in names], axis=1)


def stretches(a, telemetry, names):
    """-> healthy stretches [rows, metrics] as a rig shows them after its learning span."""
    out = []
    for asset, series in sorted(telemetry.items()):
        if set(names) - set(series):
            continue
        rows = complete(series, names)
        if a.healthy and re.fullmatch(a.healthy, asset):
            whole = a.learning_rows + a.judged_rows
            pieces = [rows[k : k + whole] for k in range(0, len(rows) - whole, a.learning_rows)]
            out += [after_learning(p, a.learning_rows) for p in pieces[int(a.settled * len(pieces)) :]]
        elif re.fullmatch(a.assets, asset):
            out.append(after_learning(rows[: a.learning_rows], a.learning_rows // 2))
    return [z for z in out if len(z) >= a.window]


def means(a, z):
    """Mean of each window of bent values."""
    bent = z / (1 + np.abs(z) / a.bend)
    total = np.cumsum(np.concatenate([np.zeros((1, z.shape[1])), bent]), axis=0)
    return (total[a.window :] - total[: -a.window]) / a.window


def distance(m, mean, precision):
    return np.einsum("ni,ij,nj->n", m - mean, precision, m - mean)


def cloud(parts):
    x = np.concatenate(parts)
    return x.mean(axis=0), np.linalg.inv(ledoit_wolf(x))


def bend(width, by):
    """x -> x / (1 + |x|/by), for every row."""
    g = export.Graph()
    size = g.op("Div", [g.op("Abs", ["x"], ["size"]), g.const("by", np.float32(by))], ["share"])
    g.op("Div", ["x", g.op("Add", [size, g.const("one", np.float32(1))], ["more"])], ["err"])
    return g.model("bend", width, "err", ["batch", "time", width])


def main():
    a = arguments()
    files = sorted(glob.glob(os.path.join(a.data, "telemetry", "*.parquet")))
    if not files:
        sys.exit(f"no telemetry/*.parquet in {a.data}")
    telemetry = windows.read_telemetry(files, None)
    names = [f"{n.strip()}/value" for n in a.inputs.split(",")] if a.inputs else sorted({n for s in telemetry.values() for n in s})
    healthy = stretches(a, telemetry, names)
    if len(healthy) < a.folds:
        sys.exit(f"{len(healthy)} healthy stretches of {', '.join(names)}: at least {a.folds} (--folds) are needed")
    m = [means(a, z) for z in healthy]
    scores = []
    for k in range(a.folds):
        own = cloud([x for i, x in enumerate(m) if i % a.folds != k])
        scores += [distance(x[:: a.window], *own) for x in m[k :: a.folds]]
    scores = np.sort(np.concatenate(scores))
    n, rank = len(scores), int(np.ceil((len(scores) + 1) * (1 - a.alpha) - 1e-9))
    if rank > n:
        sys.exit(f"{n} scores cannot support --alpha {a.alpha}: 1/alpha - 1 are needed")
    mean, precision = cloud(m)
    threshold = float(f"{scores[rank - 1]:.9g}")
    ends = [t[-1] for s in telemetry.values() for t, _ in s.values()]
    meta = dict(
        name=a.name, kind="anomaly", features=[{"name": f"{x}_z", "unit": "1", "agg": "last"} for x in names], output="error", sampling_period_s=repr(a.period),
        window=str(a.window), stride="1", threshold=repr(threshold), reference=windows.reference(healthy, a.window),
        calibration={"n": n, "alpha": a.alpha, "quantiles": kept(scores), "mean": np.round(mean, 9).tolist(), "precision": np.round(precision, 9).tolist()},
        asset_class=a.klass, training_sha256=windows.sha256(files), git=a.git, license=a.license, framework="numpy " + np.__version__,
        training_window=f"{windows.iso(min(t[0] for s in telemetry.values() for t, _ in s.values()))}/{windows.iso(max(ends))}",
        note=f"{len(healthy)} healthy stretches; nothing after the learning span of a judged asset",
    )
    os.makedirs(os.path.dirname(os.path.abspath(a.out)), exist_ok=True)
    export.save(export.stamp(bend(len(names), a.bend), healthy[0][: a.window], **meta), a.out)
    print(f"{a.out}: {len(healthy)} stretches, {n} scores, threshold {threshold:.4g}")


if __name__ == "__main__":
    main()
