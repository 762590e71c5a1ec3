"""Writes the contract into a model file that another tool exported.

    python annotate.py model.onnx --spec spec.yaml --calibration windows.npy --out model-annotated.onnx

The same as `telltale model annotate`, where only Python is at hand: one file that
needs onnx and numpy. The model runs on onnxruntime where that is installed, else
on ONNX's reference implementation. SPEC is YAML (with PyYAML) or JSON;
docs/models.md lists its keys. windows.npy holds healthy windows
[n, steps, features] in raw units that the model was not trained on; a
forecaster's have one row more, the one that came true.
"""

import argparse
import hashlib
import json
import math

import numpy as np
import onnx

KEYS = {
    "name", "kind", "output", "graph_output", "class", "component", "features", "period_s", "window", "stride", "alpha", "threshold",
    "rul_cap_h", "modes", "scale", "mask", "state", "training", "framework", "git", "license", "note",
    "parent",
}
MAX_SCORES = 1000  # kept one by one; of more, as many quantiles


def read_spec(path):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    try:
        spec = json.loads(text)
    except json.JSONDecodeError:
        try:
            import yaml
        except ImportError:
            raise SystemExit(f"{path}: not JSON, and YAML needs PyYAML: pip install pyyaml") from None
        spec = yaml.safe_load(text)
    unknown = sorted(set(spec) - KEYS)
    if unknown:
        raise SystemExit(f"{path}: unknown keys {', '.join(unknown)}: {', '.join(sorted(KEYS))}")
    missing = [k for k in ("class", "features", "period_s", "window", "license") if not spec.get(k)]
    if missing:
        raise SystemExit(f"{path}: {', '.join(missing)} wanted")
    spec.setdefault("output", "error")
    spec.setdefault("alpha", 0.01)
    spec["stride"] = spec["window"] if spec.get("state") else spec.get("stride", 1)
    spec["features"] = [{"name": f["name"], "unit": f["unit"], "agg": f.get("agg", "last")} for f in spec["features"]]
    return spec


def keep_output(model, spec):
    """The named output first, then those that a stateful model remembers by."""
    name = spec.get("graph_output")
    if not name:
        return
    have = {o.name: o for o in model.graph.output}
    wanted = [name, *spec.get("state", {}).get("outputs", [])]
    for n in wanted:
        if n not in have:
            raise SystemExit(f"graph has no output {n!r}: {', '.join(have)}")
    kept = [have[n] for n in wanted]
    copies = [onnx.ValueInfoProto.FromString(o.SerializeToString()) for o in kept]
    del model.graph.output[:]
    model.graph.output.extend(copies)


class Runner:
    """Runs the graph on one window at a time, from no memory."""

    def __init__(self, model, spec):
        self.spec = spec
        weights = {t.name for t in model.graph.initializer}
        state = spec.get("state") or {}
        inputs = [i for i in model.graph.input if i.name not in weights]
        self.x = next(i for i in inputs if i.name not in state.get("inputs", []))
        self.flat = len(self.x.type.tensor_type.shape.dim) == 2
        self.outputs = [model.graph.output[0].name, *state.get("outputs", [])]
        self.zeros = {}
        for i in inputs:
            if i.name in state.get("inputs", []):
                d = [v.dim_value for v in i.type.tensor_type.shape.dim]
                self.zeros[i.name] = np.zeros((d[0], 1, d[2]), np.float32)
        try:
            import onnxruntime

            o = onnxruntime.SessionOptions()
            o.intra_op_num_threads = 1
            session = onnxruntime.InferenceSession(model.SerializeToString(), o, providers=["CPUExecutionProvider"])
            self.run = lambda feeds: session.run(self.outputs, feeds)
        except ImportError:
            from onnx.reference import ReferenceEvaluator

            reference = ReferenceEvaluator(model)
            self.run = lambda feeds: reference.run(self.outputs, feeds)

    def __call__(self, window):
        x = np.asarray(window, np.float32)[None]
        if self.spec.get("mask"):
            x = np.concatenate([x, np.ones_like(x)], axis=2)
        if self.flat:
            x = x.reshape(1, -1)
        return np.asarray(self.run({self.x.name: x, **self.zeros})[0], np.float64)[0].ravel()


def score(spec, window, y):
    """What the service makes of an answer: higher is worse."""
    kind = spec["output"]
    if kind == "forecast":
        y = (window[-1] - y) / np.asarray(spec["scale"])
    if kind == "rul":
        return -float(np.sort(np.maximum(y, 0))[len(y) // 2])
    if kind == "modes":
        modes = spec["modes"]
        return 1 - float(y[modes.index("")]) if "" in modes else float(y.max())
    return float(np.mean(np.square(y)))


def limit(scores, alpha):
    """The ceil((n+1)(1-alpha))-th smallest score; None when n is too small for alpha."""
    rank = max(1, math.ceil((len(scores) + 1) * (1 - alpha) - 1e-9))
    return scores[rank - 1] if rank <= len(scores) else None


def quantiles(values, n):
    return [float(v) for v in np.quantile(values, np.linspace(0, 1, n))]


def contract(model, spec, windows, digest):
    """All metadata, by key without pdm."""
    steps = spec["window"] + (spec["output"] == "forecast")
    if windows.ndim != 3 or windows.shape[1:] != (steps, len(spec["features"])) or not np.isfinite(windows).all():
        raise SystemExit(f"calibration is {list(windows.shape)}: finite [n, {steps}, {len(spec['features'])}] is wanted")
    windows = windows.astype(np.float32)
    columns = windows.reshape(-1, windows.shape[2]).astype(np.float64)
    if spec["output"] == "forecast" and not spec.get("scale"):
        sd = columns.std(axis=0)
        spec["scale"] = np.where(sd > 1e-12, sd, 1).tolist()
    run = Runner(model, spec)
    answers = [run(w[: spec["window"]]) for w in windows]
    scores = sorted(score(spec, w.astype(np.float64), y) for w, y in zip(windows, answers))
    kept = scores if len(scores) <= MAX_SCORES else quantiles(scores, MAX_SCORES + 1)
    threshold = spec.get("threshold")
    if threshold is None:
        threshold = None if spec["output"] == "rul" else limit(scores, spec["alpha"])
    example = windows[0, : spec["window"]].astype(np.float64)
    if spec.get("mask"):
        example = np.concatenate([example, np.ones_like(example)], axis=1)
    training = spec.get("training") or {}
    meta = {
        "contract": "1",
        "name": spec.get("name", ""),
        "output": spec["output"],
        "asset_class": spec["class"],
        "component": spec.get("component", ""),
        "features": spec["features"],
        "sampling_period_s": f"{spec['period_s']:.17g}",
        "window": str(spec["window"]),
        "stride": str(spec["stride"]),
        "threshold": "none" if threshold is None else str(threshold),
        "calibration": {"n": len(scores), "alpha": spec["alpha"], "quantiles": kept},
        "reference": [{"n": len(windows), "quantiles": quantiles(c, 41)} for c in columns.T],
        "selftest": {"input": example.tolist(), "output": [float(f"{v:.9g}") for v in answers[0]]},
        "training_sha256": training.get("sha256", digest),
        "training_window": training.get("window", "unknown"),
        "framework": spec.get("framework") or f"{model.producer_name} {model.producer_version}".strip() or "unknown",
        "git": spec.get("git", "none"),
        "license": spec["license"],
    }
    for key in ("kind", "note", "parent", "modes", "scale", "state"):
        if spec.get(key):
            meta[key] = spec[key]
    if spec.get("mask"):
        meta["mask"] = "1"
    if spec.get("rul_cap_h"):
        meta["rul_cap_h"] = f"{spec['rul_cap_h']:.17g}"
    return meta


def annotate(model, meta):
    others = [(p.key, p.value) for p in model.metadata_props if not p.key.startswith("pdm.")]
    del model.metadata_props[:]
    for key, value in others + [("pdm." + k, meta[k]) for k in sorted(meta)]:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        model.metadata_props.add(key=key, value=text)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("file")
    p.add_argument("--spec", required=True)
    p.add_argument("--calibration", required=True)
    p.add_argument("--out", help="default: the file itself")
    o = p.parse_args()
    model = onnx.load(o.file)  # with its external data: it goes into the file
    spec = read_spec(o.spec)
    keep_output(model, spec)
    with open(o.calibration, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    meta = contract(model, spec, np.load(o.calibration), digest)
    annotate(model, meta)
    onnx.save(model, o.out or o.file)
    print(f"threshold {meta['threshold']}, {meta['calibration']['n']} scores")


if __name__ == "__main__":
    main()
