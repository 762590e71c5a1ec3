"""From rows of a Parquet file to the windows that the service would cut.

The same rules as in the service: one row a period, the last value within it;
gaps are held for at most a tenth of a window; what is still missing is no
window. Nothing is ever filled with zero.
"""

import csv
import datetime
import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pd

MAX_MISSING = 0.1
GOOD = 80  # quality below is shown to people, but nothing is learned from it
AROUND_S = 7 * 86400  # nothing is learned this close to a failure or to maintenance


def sha256(paths):
    """One digest over the files that were trained on."""
    h = hashlib.sha256()
    for path in sorted(paths):
        with open(path, "rb") as f:
            for block in iter(lambda: f.read(1 << 20), b""):
                h.update(block)
    return h.hexdigest()


def seconds(text):
    """RFC 3339 -> seconds since 1970; empty -> None. Without a zone it is UTC."""
    if not text:
        return None
    t = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (t if t.tzinfo else t.replace(tzinfo=datetime.timezone.utc)).timestamp()


def iso(t):
    return datetime.datetime.fromtimestamp(t, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_features(path, names):
    """features.parquet -> {asset: {channel/feature: (seconds, values)}}; poor quality becomes missing, and so does
    what a training export labels as anything but healthy."""
    return _read(pd.dataset(path), names, "channel", "feature")


def read_regimes(path):
    """features.parquet of a training export -> {asset: (seconds, regimes)}; empty where it names none."""
    d = pd.dataset(path)
    if "regime" not in d.schema.names:
        return {}
    t = d.to_table(columns=["time", "asset", "regime"], filter=pc.field("regime") != "")
    out = {}
    time = _seconds(t["time"])
    asset, regime = (np.asarray(t[c].to_pylist(), object) for c in ("asset", "regime"))
    for a in sorted(set(asset)):
        mine = asset == a
        first = np.unique(time[mine], return_index=True)
        out[a] = (first[0], regime[mine][first[1]])
    return out


def regime_at(regimes, asset, times, period):
    """Regime of each row of a grid: that of the newest instant within its period; empty where there is none."""
    t, r = regimes.get(asset, (np.zeros(0), np.zeros(0, object)))
    k = np.searchsorted(t, np.asarray(times) + 1e-6) - 1
    return [r[i] if i >= 0 and at - t[i] < period else "" for i, at in zip(k, times)]


def _seconds(column):
    return pc.cast(pc.cast(column, pa.timestamp("us", tz="UTC"), safe=False), pa.int64()).to_numpy() / 1e6


def read_telemetry(paths, names):
    """telemetry/*.parquet -> the same, each metric under the name metric/value."""
    return _read(pd.dataset(paths), names, "metric", None)


def _read(dataset, names, group, feature):
    wanted = [n.rsplit("/", 1) for n in names] if names else None
    keep = None
    if wanted:
        keep = pc.field(group).isin(sorted({w[0] for w in wanted}))
        if feature:
            keep = keep & pc.field(feature).isin(sorted({w[1] for w in wanted}))
    labelled = "label" in dataset.schema.names
    columns = ["time", "asset", group, "value", "quality"] + ([feature] if feature else []) + (["label"] if labelled else [])
    t = dataset.to_table(columns=columns, filter=keep)
    time = _seconds(t["time"])
    value = t["value"].to_numpy(zero_copy_only=False).astype(np.float64)
    quality = t["quality"].to_numpy(zero_copy_only=False)
    value = np.where(np.nan_to_num(quality.astype(np.float64), nan=0) >= GOOD, value, np.nan)
    if labelled:
        value = np.where(pc.equal(t["label"], "healthy").to_numpy(zero_copy_only=False), value, np.nan)

    def codes(name):
        d = pc.dictionary_encode(t[name].combine_chunks())
        d = d.combine_chunks() if isinstance(d, pa.ChunkedArray) else d
        return d.indices.to_numpy(zero_copy_only=False).astype(np.int64), d.dictionary.to_pylist()

    a, assets = codes("asset")
    g, groups = codes(group)
    f, feats = codes(feature) if feature else (np.zeros(len(a), np.int64), ["value"])
    # Rows sorted by (asset, name) and by time within: each series is one slice.
    key = (a * len(groups) + g) * len(feats) + f
    order = np.lexsort((time, key))
    key, time, value = key[order], time[order], value[order]
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    out = {}
    for lo, hi in zip(starts, np.r_[starts[1:], len(key)]):
        k = key[lo]
        asset = assets[k // (len(groups) * len(feats))]
        name = f"{groups[k // len(feats) % len(groups)]}/{feats[k % len(feats)]}"
        if names and name not in names:
            continue
        out.setdefault(asset, {})[name] = (time[lo:hi], value[lo:hi])
    return out


def grid(series, names, period):
    """One asset's series -> (seconds of each row, [rows, features]); a row holds the last value within (t - period, t]."""
    series = {n: series[n] for n in names if n in series}
    if len(series) < len(names):
        return np.zeros(0), np.zeros((0, len(names)))
    first = min(t[0] for t, _ in series.values())
    last = max(t[-1] for t, _ in series.values())
    k0, k1 = int(np.ceil(first / period - 1e-9)), int(np.ceil(last / period - 1e-9))
    rows = np.full((k1 - k0 + 1, len(names)), np.nan)
    for j, n in enumerate(names):
        t, v = series[n]
        cell = np.ceil(t / period - 1e-9).astype(np.int64) - k0
        ok = np.isfinite(v)
        rows[cell[ok], j] = v[ok]  # in time order, so the last one stays
    return (np.arange(k0, k1 + 1)) * period, rows


def cut(rows, window, stride=1):
    """[rows, features] -> (index of each window's last row, windows [n, window, features]), held within MAX_MISSING."""
    n = len(rows)
    if n < window:
        return np.zeros(0, np.int64), np.zeros((0, window, rows.shape[1]), np.float32)
    ends = np.arange(window - 1, n, stride)
    w = np.lib.stride_tricks.sliding_window_view(rows, window, axis=0)[ends - window + 1].transpose(0, 2, 1).copy()
    missing = np.isnan(w)
    keep = missing.mean(axis=(1, 2)) <= MAX_MISSING
    keep &= ~missing.all(axis=1).any(axis=1)  # a feature that is not there at all cannot be held
    w, ends = w[keep], ends[keep]
    for k in range(1, window):  # hold the last value
        w[:, k] = np.where(np.isnan(w[:, k]), w[:, k - 1], w[:, k])
    for k in range(window - 2, -1, -1):  # a gap at the beginning takes the first value
        w[:, k] = np.where(np.isnan(w[:, k]), w[:, k + 1], w[:, k])
    return ends, w.astype(np.float32)


def labels(path):
    """labels.csv -> list of dicts with start and end in seconds."""
    with open(path, newline="", encoding="utf-8") as f:
        return [{**row, "start": seconds(row["start"]), "end": seconds(row["end"])} for row in csv.DictReader(f)]


def healthy(times, asset, rows):
    """Which instants may be learned from: not in a fault, not around failures and maintenance."""
    ok = np.ones(len(times), bool)
    for r in rows:
        if r["asset"] != asset or r["kind"] == "healthy":
            continue
        lo = r["start"] if r["start"] is not None else r["end"]
        hi = r["end"] if r["end"] is not None else np.inf
        if lo is None:
            return np.zeros(len(times), bool)  # faulty throughout
        ok &= (times < lo - AROUND_S) | (times > hi + AROUND_S)
    return ok


def reference(rows, apart):
    """Parts [n, features] of what was trained on -> of each feature 41 evenly spaced quantiles from the least to the
    greatest, and how many values are independent: neighbours closer than `apart` rows are not."""
    x = np.concatenate(rows).astype(np.float64)
    out = []
    for j in range(x.shape[1]):
        v = x[np.isfinite(x[:, j]), j]
        quantiles = np.quantile(v, np.linspace(0, 1, 41)) if len(v) else []
        out.append({"n": max(len(v) // max(apart, 1), min(len(v), 1)), "quantiles": [float(f"{q:.7g}") for q in quantiles]})
    return out
