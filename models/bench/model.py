"""Writes the model that is measured: an autoencoder of hidden 64 on 64 steps of 16 features."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "train"))
import export  # noqa: E402

F, H, T = 16, 64, 64
rng = np.random.default_rng(3)


def lstm(i, h):
    return {"W": rng.normal(0, 0.2, (4 * h, i)).astype(np.float32), "R": rng.normal(0, 0.1, (4 * h, h)).astype(np.float32), "b": rng.normal(0, 0.1, 4 * h).astype(np.float32)}


def linear(i, o):
    return {"W": rng.normal(0, 0.2, (i, o)).astype(np.float32), "b": rng.normal(0, 0.1, o).astype(np.float32)}


p = {"enc": lstm(F, H), "lat": linear(H, 16), "dec": lstm(16, H), "out": linear(H, F)}
m = export.autoencoder(p, np.linspace(1, 5, F).tolist(), [1.0] * F)
export.stamp(
    m, rng.normal(3, 1, (T, F)), output="error", name="bench", asset_class="bench", component="bench",
    features=[{"name": f"c{i}/rms", "unit": "m/s²", "agg": "last"} for i in range(F)],
    sampling_period_s="60", window=str(T), stride=str(T), threshold="none", calibration={"n": 0, "alpha": 0.01, "quantiles": []},
    training_sha256="0" * 64, training_window="none", git="none", framework="numpy", license="Apache-2.0")
export.save(m, sys.argv[1])
