"""Small good models of the kinds that export.py has no builder for. make.py calls it."""

import numpy as np
from onnx.reference import ReferenceEvaluator

from bad import EXAMPLE, Y, const, model, node, value

rng = np.random.default_rng(11)


def weights(*shape):
    return rng.normal(0, 0.4, shape).astype(np.float32)


def self_test(m, rows, **state):
    x = np.asarray(rows, np.float32)[None]
    if len(m.graph.input[0].type.tensor_type.shape.dim) == 2:
        x = x.reshape(1, -1)
    feeds = {m.graph.input[0].name: x, **state}
    out = ReferenceEvaluator(m).run(None, feeds)[0]
    return {"input": np.asarray(rows, float).tolist(), "output": [float(f"{v:.7g}") for v in out.astype(float).ravel()]}


def proven(build, rows, state=None):
    """Builds twice: once for the answer of ONNX's reference implementation, once with it."""
    return build(self_test(build(None), rows, **(state or {})))


def stateful(test):
    """Two LSTM layers that share one h0 and one c0 [2, batch, 3]; four rows at a time."""
    ops = [
        node("Sub", ["x", "mean"], ["xc"]), node("Div", ["xc", "std"], ["xn"]), node("Transpose", ["xn"], ["xt"], perm=[1, 0, 2]),
        node("Split", ["h0", "halves"], ["ha", "hb"], axis=0), node("Split", ["c0", "halves"], ["ca", "cb"], axis=0),
        node("LSTM", ["xt", "W0", "R0", "B0", "", "ha", "ca"], ["y0", "ha1", "ca1"], hidden_size=3), node("Squeeze", ["y0", "one"], ["z0"]),
        node("LSTM", ["z0", "W1", "R1", "B1", "", "hb", "cb"], ["y1", "hb1", "cb1"], hidden_size=3), node("Squeeze", ["y1", "one"], ["z1"]),
        node("Concat", ["ha1", "hb1"], ["hn"], axis=0), node("Concat", ["ca1", "cb1"], ["cn"], axis=0),
        node("MatMul", ["z1", "Wo"], ["o"]), node("Transpose", ["o"], ["xhat"], perm=[1, 0, 2]), node("Sub", ["xn", "xhat"], ["err"]),
    ]
    w = [
        const("mean", [60, 2]), const("std", [5, 0.5]), const("halves", [1, 1], np.int64), const("one", [1], np.int64),
        *WEIGHTS,
    ]
    h = [value(n, [2, "batch", 3]) for n in ("h0", "c0", "hn", "cn")]
    return model(ops, [value("x", ["batch", "time", 2]), *h[:2]], [Y, *h[2:]], w, name="stateful", window="4", stride="4",
                 state={"inputs": ["h0", "c0"], "outputs": ["hn", "cn"], "on_swap": "keep"}, selftest=test)


WEIGHTS = [const("W0", weights(1, 12, 2)), const("R0", weights(1, 12, 3)), const("B0", weights(1, 24)),
           const("W1", weights(1, 12, 3)), const("R1", weights(1, 12, 3)), const("B1", weights(1, 24)), const("Wo", weights(3, 2))]
HEAD = weights(2, 3)


def masked(test):
    """Errors count only where the second half of the columns says that a value was there."""
    ops = [node("Split", ["x", "halves"], ["v", "m"], axis=2), node("Sub", ["v", "mean"], ["c"]), node("Mul", ["c", "m"], ["err"])]
    return model(ops, [value("x", ["batch", "time", 4])], weights=[const("halves", [2, 2], np.int64), const("mean", [60, 2])],
                 name="masked", mask="1", selftest=test)


def forecast(test):
    """The row that follows is the mean of the window."""
    return model([node("ReduceMean", ["x"], ["next"], axes=[1], keepdims=0)], outputs=[value("next", ["batch", 2])],
                 name="forecast", output="forecast", scale=[2.0, 0.25], selftest=test,
                 reference=[{"n": 50, "quantiles": [55, 60, 65]}, {"n": 50, "quantiles": [1, 2, 3]}])


def modes(test):
    ops = [node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=0), node("Sub", ["m", "mean"], ["c"]), node("MatMul", ["c", "W"], ["z"]),
           node("Softmax", ["z"], ["p"], axis=1)]
    return model(ops, outputs=[value("p", ["batch", 3])], weights=[const("mean", [60, 2]), const("W", HEAD)],
                 name="modes", output="modes", kind="classifier", modes=["", "imbalance", "misalignment"], threshold="0.5", selftest=test,
                 calibration={"n": 3, "alpha": 0.25, "quantiles": [0.1, 0.2, 0.3], "regimes": {"2/3": {"n": 2, "quantiles": [0.1, 0.2]}}})


def flat(test):
    """A graph that reads a window as one row, as those of scikit-learn do."""
    return model([node("MatMul", ["x", "W"], ["rul"])], [value("x", ["batch", 12])], [value("rul", ["batch", 1])],
                 weights=[const("W", np.linspace(0, 1, 12).reshape(12, 1))], name="flat", output="rul", selftest=test)


def files():
    yield "plain", model()
    zero = np.zeros((2, 1, 3), np.float32)
    yield "stateful", proven(stateful, EXAMPLE[:4], {"h0": zero, "c0": zero})
    yield "masked", proven(masked, [r + [1, i % 2] for i, r in enumerate(EXAMPLE)])
    yield "forecast", proven(forecast, EXAMPLE)
    yield "modes", proven(modes, EXAMPLE)
    yield "flat", proven(flat, EXAMPLE)
