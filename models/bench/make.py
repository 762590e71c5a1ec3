"""Makes the two models of "telltale bench models": LSTM forecasters of 64 steps of 16
features with 64 hidden units, of different random weights. Needs numpy and onnx.

    python make.py      writes cmd/telltale/bench/lstm64-{1,2}.onnx
"""

import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "train"))
import export  # noqa: E402

STEPS, WIDTH, HIDDEN = 64, 16, 64

for seed in (1, 2):
    rng = np.random.default_rng(seed)
    weights = {
        "enc": {
            "W": rng.normal(0, 0.2, (4 * HIDDEN, WIDTH)).astype(np.float32),
            "R": rng.normal(0, 0.1, (4 * HIDDEN, HIDDEN)).astype(np.float32),
            "b": np.zeros(4 * HIDDEN, np.float32),
        },
        "out": {"W": rng.normal(0, 0.1, (HIDDEN, WIDTH)).astype(np.float32), "b": np.zeros(WIDTH, np.float32)},
    }
    example = np.round(rng.normal(0, 1, (STEPS, WIDTH)), 3)
    model = export.stamp(
        export.forecaster(weights, np.zeros(WIDTH), np.ones(WIDTH)),
        example,
        name="bench-lstm64",
        features=[{"name": f"bench/f{k}", "unit": "1", "agg": "last"} for k in range(WIDTH)],
        sampling_period_s="1",
        window=str(STEPS),
        stride="1",
        threshold="1000000",
        calibration={"n": 199, "alpha": 0.01, "quantiles": np.round(np.linspace(0.5, 2, 199), 6).tolist()},
        training_sha256="0" * 64,
        training_window="2020-01-01T00:00:00Z/2020-01-02T00:00:00Z",
        asset_class="bench",
        component="bench",
        git="none",
        framework="numpy, random weights",
        license="Apache-2.0",
        output="error",
    )
    export.save(model, HERE.parents[1] / "cmd" / "telltale" / "bench" / f"lstm64-{seed}.onnx")
