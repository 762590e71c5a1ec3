"""What the export scripts share: windows of two features, and how answers are kept."""

import json
import pathlib
import sys

import numpy as np

STEPS = 6
FEATURES = [{"name": "oil_temperature/value", "unit": "°C", "agg": "last"}, {"name": "de_acc/rms", "unit": "m/s²", "agg": "mean"}]
MEAN, STD = np.float32([60, 2]), np.float32([5, 0.5])
SPEC = {
    "class": "wind-turbine", "component": "gearbox-bearing", "features": FEATURES, "period_s": 600, "window": STEPS,
    "alpha": 0.1, "license": "Apache-2.0",
}


def folder():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    return out


def windows(n, steps=STEPS, seed=1):
    rng = np.random.default_rng(seed)
    return np.round(MEAN + STD * rng.normal(0, 1, (n, steps, 2)), 3).astype(np.float32)


def keep(out, name, tool, x, answers, **spec):
    """Writes what the framework itself answered to windows, beside the model."""
    body = {"tool": tool, "spec": {**SPEC, "name": name, **spec}, "windows": np.round(x.astype(float), 3).tolist(),
            "answers": [[float(f"{v:.7g}") for v in np.asarray(a, float).ravel()] for a in answers]}
    (out / f"{name}.json").write_text(json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
