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
OPSET_ML = 3  # of ai.onnx.ml, for trees


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

    def lstm(self, name, x, p, state=(), after=()):
        """x [time, batch, in] -> h of every step [time, batch, hidden] and the last one [batch, hidden].

        With names of h0 and c0 in state it starts from those, and leaves hn and cn under the names in after.
        """
        w = self.const(name + "_W", p["W"][None])  # [1, 4H, in]
        r = self.const(name + "_R", p["R"][None])  # [1, 4H, H]
        # ONNX adds an input bias and a recurrent bias; the trainer has one.
        b = self.const(name + "_B", np.concatenate([p["b"], np.zeros_like(p["b"])])[None])  # [1, 8H]
        last = after[0] if after else name + "_Yh3"
        self.op("LSTM", [x, w, r, b, *(["", *state] if state else [])], [name + "_Y4", last, *after[1:]], hidden_size=p["R"].shape[1])
        if "axis0" not in [t.name for t in self.weights]:
            self.const("axis0", [0], np.int64)
            self.const("axis1", [1], np.int64)
        y = self.op("Squeeze", [name + "_Y4", "axis1"], [name + "_Y"])  # drop the direction
        return y, self.op("Squeeze", [last, "axis0"], [name + "_Yh"])

    def linear(self, name, x, p):
        z = self.op("MatMul", [x, self.const(name + "_W", p["W"])], [name + "_z"])
        return self.op("Add", [z, self.const(name + "_b", p["b"])], [name])

    def statistics(self, wide, window):
        """wide [batch, features, time] -> what trees read, [batch, features * 8]; see train_rul.statistics.

        Means are products with a matrix: a reduction's last bit may depend on where in memory a row stands.
        """
        means = self.op("MatMul", [wide, self.const("views", views(window))], ["means"])
        whole = self.const("whole", np.full((window, 1), 1 / window))
        off = self.op("Sub", [wide, self.op("MatMul", [wide, whole], ["middle"])], ["off"])
        spread = self.op("Sqrt", [self.op("MatMul", [self.op("Mul", [off, off], ["off2"]), whole], ["variance"])], ["deviation"])
        ends = [self.op("Reduce" + k, [wide], [k], axes=[2], keepdims=1) for k in ("Min", "Max")]
        return self.op("Flatten", [self.op("Concat", [means, spread, *ends], ["views_all"], axis=2)], ["read"], axis=1)

    def forest(self, x, forests):
        """The mean of scikit-learn's HistGradientBoostingRegressors, [batch, 1]; no value that they read is missing."""
        columns = {k: [] for k in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")}
        targets = {k: [] for k in ("treeids", "nodeids", "weights")}
        every = [t.nodes for f in forests for (t,) in f._predictors]  # private, but scikit-learn is pinned and the tests look
        for tree, nodes in enumerate(every):
            leaf = nodes["is_leaf"].astype(bool)
            at = nodes["num_threshold"].astype(np.float32)
            at = np.where(at > nodes["num_threshold"], np.nextafter(at, np.float32(-np.inf)), at)  # x <= at stays as it was
            columns["treeids"] += [tree] * len(nodes)
            columns["nodeids"] += range(len(nodes))
            columns["featureids"] += nodes["feature_idx"].tolist()
            columns["values"] += np.where(leaf, 0, at).tolist()
            columns["modes"] += np.where(leaf, "LEAF", "BRANCH_LEQ").tolist()
            columns["truenodeids"] += nodes["left"].tolist()
            columns["falsenodeids"] += nodes["right"].tolist()
            targets["treeids"] += [tree] * int(leaf.sum())
            targets["nodeids"] += np.flatnonzero(leaf).tolist()
            targets["weights"] += (nodes["value"][leaf] / len(forests)).tolist()
        self.op("TreeEnsembleRegressor", [x], ["forest"], domain="ai.onnx.ml", n_targets=1, aggregate_function="SUM", post_transform="NONE",
                base_values=[float(np.mean([f._baseline_prediction for f in forests]))], target_ids=[0] * len(targets["weights"]),
                **{"nodes_" + k: v for k, v in columns.items()}, **{"target_" + k: v for k, v in targets.items()})
        return "forest"

    def normalised(self, mean, std):
        """Input x [batch, time, features] -> (x - mean)/std, batch-first and time-first."""
        self.op("Sub", ["x", self.const("mean", mean)], ["centred"])
        self.op("Div", ["centred", self.const("std", std)], ["xn"])
        self.op("Transpose", ["xn"], ["xt"], perm=[1, 0, 2])
        return "xn", "xt"

    def model(self, name, width, output, shape, states=()):
        """states: (input, output, hidden) of each tensor that a stateful model hands on."""
        info = lambda n, dims: helper.make_tensor_value_info(n, TensorProto.FLOAT, dims)  # noqa: E731
        g = helper.make_graph(
            self.nodes,
            name,
            [info("x", ["batch", "time", width])] + [info(i, [1, "batch", h]) for i, _, h in states],
            [info(output, shape)] + [info(o, [1, "batch", h]) for _, o, h in states],
            self.weights,
        )
        opsets = [helper.make_opsetid("", OPSET)] + [helper.make_opsetid("ai.onnx.ml", OPSET_ML)] * any(n.domain for n in self.nodes)
        m = helper.make_model(g, opset_imports=opsets, ir_version=IR, producer_name="telltale")
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


def forecast(p, mean, std):
    """LSTM -> the row after the window, in raw units [batch, features]: pdm.output is forecast."""
    g = Graph()
    _, xt = g.normalised(mean, std)
    _, last = g.lstm("enc", xt, p["enc"])
    z = g.op("Mul", [g.linear("out", last, p["out"]), "std"], ["spread"])
    g.op("Add", [z, "mean"], ["yhat"])
    return g.model("forecast", len(mean), "yhat", ["batch", len(mean)])


def normal(p, mean, std, target, skip, past):
    """LSTM over the drivers -> the targets at each step: err = xn - expected for targets, 0 for drivers.

    target [features] is 1 for a target, 0 for a driver. With past the network reads
    the targets too, one step late, and says how they change from there. The first skip steps have too little history to be
    judged and are left out.
    """
    g = Graph()
    xn, xt = g.normalised(mean, std)
    one, mask = g.const("one", [1], np.int64), g.const("target", target)
    read = g.op("Mul", [xt, g.const("driver", 1 - np.asarray(target))], ["drivers"])
    if past:
        zero, last = g.const("zero", [0], np.int64), g.const("last", [-1], np.int64)
        first = g.op("Slice", [xt, zero, one, zero], ["first"])
        late = g.op("Concat", [first, g.op("Slice", [xt, zero, last, zero], ["before"])], ["late"], axis=0)
        read = g.op("Add", [read, g.op("Mul", [late, mask], ["past"])], ["read"])
    y, _ = g.lstm("enc", read, p["enc"])
    z = g.linear("out", y, p["out"])
    if past:
        z = g.op("Add", [z, late], ["moved"])
    out = g.op("Transpose", [z], ["xhat"], perm=[1, 0, 2])
    diff = g.op("Mul", [g.op("Sub", [xn, out], ["diff"]), mask], ["judged"])
    g.op("Slice", [diff, g.const("skip", [skip], np.int64), g.const("end", [2**31 - 1], np.int64), one], ["err"])
    return g.model("normal", len(mean), "err", ["batch", "time_judged", len(mean)])


def stateful(p, mean, std):
    """LSTM that goes on from h0, c0: err = xn - what was expected from the rows before, for every row of x.

    Run piece by piece, with hn and cn handed on, it answers as if run at once.
    """
    g = Graph()
    xn, xt = g.normalised(mean, std)
    y, _ = g.lstm("enc", xt, p["enc"], state=("h0", "c0"), after=("hn", "cn"))
    zero, last, one = g.const("zero", [0], np.int64), g.const("last", [-1], np.int64), g.const("one", [1], np.int64)
    earlier = g.op("Slice", [y, zero, last, zero, one], ["earlier"])  # h after each row but the last
    before = g.op("Concat", ["h0", earlier], ["before"], axis=0)
    out = g.op("Transpose", [g.linear("out", before, p["out"])], ["xhat"], perm=[1, 0, 2])
    g.op("Sub", [xn, out], ["err"])
    hidden = p["enc"]["R"].shape[1]
    return g.model("stateful", len(mean), "err", ["batch", "time", len(mean)], [("h0", "hn", hidden), ("c0", "cn", hidden)])


def views(window):
    """[window, 5]: a window times this is its last row, the means of its last 5, last 10 and all rows, and its slope a row."""
    means = [np.r_[np.zeros(window - n), np.full(n, 1 / n)] for n in (1, min(5, window), min(10, window), window)]
    t = np.arange(window) - (window - 1) / 2
    return np.stack([*means, t / (t**2).sum()], axis=1).astype(np.float32)


def lives(g, xt, networks):
    """-> sums over the networks of (p50, gap down, gap up), each [batch, 1].

    The gaps are squares, not Softplus: that operator's last bit depends on where
    in a batch a row stands, and the loader then runs the rows one by one.
    """
    split = g.const("split", [1, 1], np.int64)
    sums = None
    for n, p in enumerate(networks):
        h, last = xt, None
        for i, layer in enumerate(p["lstm"]):
            h, last = g.lstm(f"n{n}l{i}", h, layer)
        z = g.op("Relu", [g.linear(f"n{n}hid", last, p["hid"])], [f"n{n}z"])
        b = g.op("Relu", [g.linear(f"n{n}hidb", last, p["hidb"])], [f"n{n}zb"])
        raw = g.linear(f"n{n}bounds", b, p["bounds"])  # [batch, 2]: any real numbers
        g.op("Split", [raw, split], [f"n{n}d", f"n{n}u"], axis=1)
        part = [g.linear(f"n{n}m", z, p["out"])] + [g.op("Mul", [f"n{n}{k}", f"n{n}{k}"], [f"n{n}{k}2"]) for k in "du"]
        sums = part if sums is None else [g.op("Add", [a, b], [f"n{n}{k}s"]) for a, b, k in zip(sums, part, "mdu")]
    return sums


def rul(networks, mean, std, scale, factors=(1.0, 1.0), average=1, forests=(), share=0.0, window=0):
    """Means of every `average` rows -> LSTM layers -> (p50, gap down, gap up), the mean of the networks; a share of
    p50 is the mean of the forests, which read statistics of the window -> hours p10 <= p50 <= p90, each within 0 and
    scale; factors stretch the gaps."""
    g = Graph()
    xn, _ = g.normalised(mean, std)
    wide = g.op("Transpose", [xn], ["wide"], perm=[0, 2, 1])  # [batch, features, time]
    pooled = g.op("AveragePool", [wide], ["pooled"], kernel_shape=[average], strides=[average])
    xt = g.op("Transpose", [pooled], ["smooth"], perm=[2, 0, 1])
    shares = (1 - share if forests else 1, *factors)
    parts = zip(lives(g, xt, networks), "mdu", shares)
    mid, down, up = (g.op("Mul", [s, g.const(f"share_{k}", f / len(networks))], [f"mean_{k}"]) for s, k, f in parts)
    if forests:
        said = g.op("Mul", [g.forest(g.statistics(wide, window), forests), g.const("share_f", share)], ["share_forest"])
        mid = g.op("Add", [mid, said], ["mid"])
    q = g.op("Concat", [g.op("Sub", [mid, down], ["lo"]), mid, g.op("Add", [mid, up], ["hi"])], ["q"], axis=1)
    q = g.op("Clip", [q, g.const("q0", 0.0), g.const("q1", 1.0)], ["qc"])
    g.op("Mul", [q, g.const("scale", scale)], ["rul"])
    return g.model("rul", len(mean), "rul", ["batch", 3])


def run(model, x, states=None):
    """Runs the file's own graph with ONNX's reference implementation; a stateful model starts from states, default
    zeros, and answers with all its outputs."""
    from onnx.reference import ReferenceEvaluator

    x = np.asarray(x, np.float32)
    feed = {"x": x}
    for i, extra in enumerate(model.graph.input[1:]):
        dims = extra.type.tensor_type.shape.dim
        feed[extra.name] = np.zeros((dims[0].dim_value, len(x), dims[2].dim_value), np.float32) if states is None else states[i]
    out = ReferenceEvaluator(model).run(None, feed)
    return out if len(feed) > 1 else out[0]


def stamp(model, example, **meta):
    """Adds the contract's metadata and a self-test on example [steps, features].

    Beside what every model needs: kind, output, modes, scale, mask, state and
    reference, as the contract spells them; what is None is left out.
    """
    example = np.asarray(np.round(np.asarray(example, np.float64), 6))
    out = run(model, example[None])
    out = (out[0] if isinstance(out, list) else out).astype(np.float64).ravel()
    meta["selftest"] = {"input": example.tolist(), "output": [float(f"{v:.7g}") for v in out]}
    meta = {"contract": "1", **meta}
    for key, value in meta.items():
        if value is None:
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        model.metadata_props.add(key="pdm." + key, value=text)
    return model


def save(model, path):
    with open(path, "wb") as f:
        f.write(model.SerializeToString(deterministic=True))
