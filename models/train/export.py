"""Writes trained weights as an ONNX file that keeps the model contract.

The graph takes raw engineering units: mean and standard deviation of the
training data are part of it, so serving cannot drift from training. Shapes are
batch-first at the border and time-first inside, because ONNX's LSTM defaults to
layout=0 and ONNX Runtime's CPU provider rejects layout=1.

Gate order is ONNX's: input, output, forget, cell (i, o, f, c). The trainer uses
the same order, so weights are written as they are. (PyTorch and Keras use
i, f, g, o: whoever exports from there has to permute.)
"""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR = 8


class Graph:
    """Collects nodes and weights."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def const(self, name, value, dtype=np.float32):
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def op(self, kind, inputs, outputs, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs[0]

    def lstm(self, name, x, p):
        """x [time, batch, in] -> h of every step [time, batch, hidden] and the last one [batch, hidden]."""
        w = self.const(name + "_W", p["W"][None])  # [1, 4H, in]
        r = self.const(name + "_R", p["R"][None])  # [1, 4H, H]
        # ONNX adds an input bias and a recurrent bias; the trainer has one.
        b = self.const(name + "_B", np.concatenate([p["b"], np.zeros_like(p["b"])])[None])  # [1, 8H]
        self.op("LSTM", [x, w, r, b], [name + "_Y4", name + "_Yh3"], hidden_size=p["R"].shape[1])
        if "axis0" not in [t.name for t in self.weights]:
            self.const("axis0", [0], np.int64)
            self.const("axis1", [1], np.int64)
        y = self.op("Squeeze", [name + "_Y4", "axis1"], [name + "_Y"])  # drop the direction
        return y, self.op("Squeeze", [name + "_Yh3", "axis0"], [name + "_Yh"])

    def linear(self, name, x, p):
        z = self.op("MatMul", [x, self.const(name + "_W", p["W"])], [name + "_z"])
        return self.op("Add", [z, self.const(name + "_b", p["b"])], [name])

    def normalised(self, mean, std):
        """Input x [batch, time, features] -> (x - mean)/std, batch-first and time-first."""
        self.op("Sub", ["x", self.const("mean", mean)], ["centred"])
        self.op("Div", ["centred", self.const("std", std)], ["xn"])
        self.op("Transpose", ["xn"], ["xt"], perm=[1, 0, 2])
        return "xn", "xt"

    def model(self, name, width, output, shape):
        g = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "time", width])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
            self.weights,
        )
        m = helper.make_model(g, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="telltale")
        onnx.checker.check_model(m)
        return m


def autoencoder(p, mean, std):
    """Encoder LSTM -> latent vector -> decoder LSTM -> reconstruction; err = xn - reconstruction."""
    g = Graph()
    xn, xt = g.normalised(mean, std)
    _, last = g.lstm("enc", xt, p["enc"])
    latent = g.op("Tanh", [g.linear("lat", last, p["lat"])], ["latent"])  # [batch, L]
    # The decoder reads the latent vector at every step: Expand it to [time, batch, L].
    shape = g.op("Shape", [xt], ["xt_shape"])
    tb = g.op("Slice", [shape, g.const("s0", [0], np.int64), g.const("s2", [2], np.int64)], ["tb"])
    full = g.op("Concat", [tb, g.const("s1", [1], np.int64)], ["tb1"], axis=0)
    rep = g.op("Expand", [latent, full], ["repeated"])
    y, _ = g.lstm("dec", rep, p["dec"])
    out = g.op("Transpose", [g.linear("out", y, p["out"])], ["xhat"], perm=[1, 0, 2])
    g.op("Sub", [xn, out], ["err"])
    return g.model("autoencoder", len(mean), "err", ["batch", "time", len(mean)])


def forecaster(p, mean, std):
    """LSTM -> next step; err = xn[1:] - forecast[:-1], one step shorter than x."""
    g = Graph()
    xn, xt = g.normalised(mean, std)
    y, _ = g.lstm("enc", xt, p["enc"])
    yhat = g.op("Transpose", [g.linear("out", y, p["out"])], ["xhat"], perm=[1, 0, 2])
    one = g.const("one", [1], np.int64)
    zero = g.const("zero", [0], np.int64)
    last = g.const("last", [-1], np.int64)
    end = g.const("end", [2**31 - 1], np.int64)
    later = g.op("Slice", [xn, one, end, one], ["later"])
    earlier = g.op("Slice", [yhat, zero, last, one], ["earlier"])
    g.op("Sub", [later, earlier], ["err"])
    return g.model("forecaster", len(mean), "err", ["batch", "time_less_1", len(mean)])


def rul(networks, mean, std, scale, factors=(1.0, 1.0)):
    """LSTM layers -> (p50, root of gap down, root of gap up), the mean of the networks
    -> hours p10 <= p50 <= p90, each within 0 and scale; factors stretch the gaps.

    The gaps are squares, not Softplus: that operator's last bit depends on where
    in a batch a row stands, and the loader then runs the rows one by one.
    """
    g = Graph()
    _, xt = g.normalised(mean, std)
    split = g.const("split", [1, 1, 1], np.int64)
    sums = None
    for n, p in enumerate(networks):
        h, last = xt, None
        for i, layer in enumerate(p["lstm"]):
            h, last = g.lstm(f"n{n}l{i}", h, layer)
        z = g.op("Relu", [g.linear(f"n{n}hid", last, p["hid"])], [f"n{n}z"])
        raw = g.linear(f"n{n}out", z, p["out"])  # [batch, 3]: any real numbers
        g.op("Split", [raw, split], [f"n{n}m", f"n{n}d", f"n{n}u"], axis=1)
        part = [f"n{n}m"] + [g.op("Mul", [f"n{n}{k}", f"n{n}{k}"], [f"n{n}{k}2"]) for k in "du"]
        sums = part if sums is None else [g.op("Add", [a, b], [f"n{n}{k}s"]) for a, b, k in zip(sums, part, "mdu")]
    shares = (1, *factors)
    mid, down, up = (g.op("Mul", [s, g.const(f"share_{k}", f / len(networks))], [f"mean_{k}"]) for s, k, f in zip(sums, "mdu", shares))
    q = g.op("Concat", [g.op("Sub", [mid, down], ["lo"]), mid, g.op("Add", [mid, up], ["hi"])], ["q"], axis=1)
    q = g.op("Clip", [q, g.const("q0", 0.0), g.const("q1", 1.0)], ["qc"])
    g.op("Mul", [q, g.const("scale", scale)], ["rul"])
    return g.model("rul", len(mean), "rul", ["batch", 3])


def run(model, x):
    """Runs the file's own graph with ONNX's reference implementation."""
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(model).run(None, {"x": np.asarray(x, np.float32)})[0]


def stamp(model, example, **meta):
    """Adds the contract's metadata and a self-test on example [steps, features]."""
    example = np.asarray(np.round(np.asarray(example, np.float64), 6))
    out = run(model, example[None]).astype(np.float64).ravel()
    meta["selftest"] = {"input": example.tolist(), "output": [float(f"{v:.7g}") for v in out]}
    meta = {"contract": "1", **meta}
    for key, value in meta.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        model.metadata_props.add(key="pdm." + key, value=text)
    return model


def save(model, path):
    with open(path, "wb") as f:
        f.write(model.SerializeToString(deterministic=True))
