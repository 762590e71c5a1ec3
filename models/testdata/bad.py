"""Model files that must be refused, one for each reason. make.py calls it."""

import json
import random

import numpy as np
from onnx import TensorProto, helper, numpy_helper

node = helper.make_node
FLOAT = TensorProto.FLOAT
FEATURES = [{"name": "oil_temperature/value", "unit": "°C", "agg": "last"}, {"name": "de_acc/rms", "unit": "m/s²", "agg": "mean"}]
EXAMPLE = [[60, 2], [61, 2.2], [62, 1.9], [60.5, 2.1], [59, 2.0], [58.5, 1.8]]
META = {
    "contract": "1",
    "name": "bad",
    "features": FEATURES,
    "sampling_period_s": "600",
    "window": "6",
    "stride": "1",
    "threshold": "2.5",
    "calibration": {"n": 3, "alpha": 0.25, "quantiles": [1, 2, 3]},
    "training_sha256": "0" * 64,
    "training_window": "none",
    "asset_class": "wind-turbine",
    "component": "gearbox-bearing",
    "git": "none",
    "framework": "onnx",
    "license": "Apache-2.0",
}


def value(name, dims, elem=FLOAT):
    return helper.make_tensor_value_info(name, elem, dims)


def const(name, v, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(v, dtype), name)


X, Y = value("x", ["batch", "time", 2]), value("err", ["batch", "time", 2])
TWICE = [node("Add", ["x", "x"], ["err"], name="twice")]
DOUBLED = [2 * v for row in EXAMPLE for v in row]


def model(nodes=None, inputs=None, outputs=None, weights=(), opsets=(("", 17),), ir=8, answer=None, **meta):
    """A graph with metadata; a value of None leaves a key out."""
    g = helper.make_graph(nodes or TWICE, "bad", inputs or [X], outputs or [Y], list(weights))
    m = helper.make_model(g, opset_imports=[helper.make_opsetid(*o) for o in opsets], ir_version=ir)
    stamp(m, {"selftest": {"input": EXAMPLE, "output": answer or DOUBLED}, **meta})
    return m


def stamp(m, meta):
    for key, v in {**META, **meta}.items():
        if v is not None:
            m.metadata_props.add(key="pdm." + key, value=v if isinstance(v, str) else json.dumps(v, ensure_ascii=False))


def tampered(change, **kw):
    m = model(**kw)
    change(m)
    return m


def weight(**fields):
    t = TensorProto(name="w", data_type=FLOAT, dims=[2])
    for k, v in fields.items():
        if k == "dims":
            del t.dims[:]
            t.dims.extend(v)
        else:
            setattr(t, k, v)
    return t


def outside(path):
    t = weight()
    t.data_location = TensorProto.EXTERNAL
    e = t.external_data.add()
    e.key, e.value = "location", path
    return model([node("Add", ["x", "w"], ["err"])], weights=[t])


def files():
    """name -> model or bytes."""
    mean = np.float32(EXAMPLE).mean(axis=0).tolist()
    good = model().SerializeToString(deterministic=True)
    pick = random.Random(5)
    yield "empty", b""
    yield "text", b"weights: 1\n"
    yield "random", bytes(pick.randrange(256) for _ in range(512))
    yield "truncated", good[: len(good) * 2 // 3]

    add = [node("Add", ["x", "w"], ["err"])]
    yield "huge-dims", model(add, weights=[weight(dims=[1 << 31, 1 << 31], raw_data=b"1234")])
    yield "short-weight", model(add, weights=[weight(dims=[2], raw_data=b"1234")])
    yield "empty-weight", model(add, weights=[weight(dims=[2])])
    yield "odd-type", model(add, weights=[weight(data_type=99, raw_data=b"12345678")])
    yield "nan-weight", model(add, weights=[const("w", [1, np.nan])])
    yield "text-weight", model(add, weights=[helper.make_tensor("w", TensorProto.STRING, [2], [b"a", b"b"])])
    yield "external-absolute", outside("/etc/passwd")
    yield "external-parent", outside("../../../etc/passwd")
    sparse = model(add)
    dense = const("w", [2.0])
    sparse.graph.sparse_initializer.append(helper.make_sparse_tensor(dense, const("", [1], np.int64), [2]))
    yield "sparse-weight", sparse

    yield "custom-operator", model([node("Twice", ["x"], ["err"], name="mine", domain="com.example")], opsets=(("", 17), ("com.example", 1)))
    branch = lambda n, domain: helper.make_graph([node("Identity", ["x"], [n], domain=domain)], n, [], [value(n, None)])  # noqa: E731
    flag = helper.make_tensor("flag", TensorProto.BOOL, [], [True])
    yield "custom-in-branch", model(
        [node("If", ["flag"], ["err"], then_branch=branch("a", "com.example"), else_branch=branch("b", ""))], weights=[flag],
        opsets=(("", 17), ("com.example", 1)))
    deep = TWICE
    for i in range(12):
        g = helper.make_graph(deep, f"g{i}", [], [value("err", None)])
        deep = [node("If", ["flag"], ["err"], then_branch=g, else_branch=helper.make_graph(TWICE, "e", [], [value("err", None)]))]
    yield "deep", model(deep, weights=[flag])
    own = model([node("Twice", ["x"], ["err"], domain="local")], opsets=(("", 17), ("local", 1)))
    own.functions.append(helper.make_function("local", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]))
    yield "function", own
    yield "unknown-operator", model([node("Tripel", ["x"], ["err"], name="typo")])
    yield "opset-new", model(opsets=(("", 27),))
    yield "opset-ml-new", model(opsets=(("", 17), ("ai.onnx.ml", 6)))
    yield "opset-none", model(opsets=(("ai.onnx.ml", 3),))
    yield "ir-new", model(ir=14)
    lstm = [
        node("LSTM", ["x", "W", "R"], ["y4"], name="lstm", hidden_size=2, layout=1),
        node("Squeeze", ["y4", "two"], ["err"]),
    ]
    yield "lstm-layout", model(lstm, weights=[const("W", np.ones((1, 8, 2))), const("R", np.ones((1, 8, 2))), const("two", [2], np.int64)])

    yield "batch-fixed", model(inputs=[value("x", [1, "time", 2])])
    yield "output-batch-fixed", model(outputs=[value("err", [1, "time", 2])])
    yield "rank-4", model(inputs=[value("x", ["batch", 1, "time", 2])])
    yield "width", model(inputs=[value("x", ["batch", "time", 3])], outputs=[value("err", ["batch", "time", 2])])
    yield "steps", model(inputs=[value("x", ["batch", 9, 2])])
    yield "flat-width", model(inputs=[value("x", ["batch", 11])], outputs=[value("err", ["batch", 12])])
    yield "input-float16", model(inputs=[value("x", ["batch", "time", 2], TensorProto.FLOAT16)])
    yield "input-double", model(inputs=[value("x", ["batch", "time", 2], TensorProto.DOUBLE)])
    yield "input-int", model(inputs=[value("x", ["batch", "time", 2], TensorProto.INT64)])
    yield "input-second", model([node("Add", ["x", "mask"], ["err"])], inputs=[X, value("mask", ["batch", "time", 2])])
    yield "input-none", tampered(lambda m: m.graph.ClearField("input"))
    yield "output-none", tampered(lambda m: m.graph.ClearField("output"))
    yield "output-double", model([node("Cast", ["x"], ["err"], to=TensorProto.DOUBLE)], outputs=[value("err", ["batch", "time", 2], TensorProto.DOUBLE)])
    yield "output-text", model([node("Cast", ["x"], ["err"], to=TensorProto.STRING)], outputs=[value("err", ["batch", "time", 2], TensorProto.STRING)])
    seq = helper.make_tensor_sequence_value_info("err", FLOAT, None)
    yield "output-sequence", model([node("SequenceConstruct", ["x"], ["err"])], outputs=[seq])
    yield "output-order", model(
        [node("ReduceMean", ["x"], ["score"], axes=[1, 2], keepdims=0), *TWICE], outputs=[value("score", ["batch"]), Y])
    yield "output-narrow", model(
        [node("ReduceMean", ["x"], ["err"], axes=[2], keepdims=1)], outputs=[value("err", ["batch", "time", 1])])
    yield "output-undeclared", model(
        [node("ReduceMean", ["x"], ["err"], axes=[1], keepdims=0)], outputs=[value("err", None)], answer=mean)

    for key in ("license", "features", "window", "calibration", "selftest", "training_sha256"):
        yield "missing-" + key, model(**{key: None})
    yield "contract-2", model(contract="2")
    yield "features-not-json", model(features="a, b")
    yield "features-twice", model(features=[FEATURES[0], FEATURES[0]])
    yield "features-name", model(features=[FEATURES[0], {"name": "rms", "unit": "m/s²"}])
    yield "features-unit", model(features=[FEATURES[0], {"name": "de_acc/rms", "unit": "furlong"}])
    yield "features-agg", model(features=[FEATURES[0], {"name": "de_acc/rms", "unit": "m/s²", "agg": "median"}])
    yield "period", model(sampling_period_s="ten minutes")
    yield "threshold", model(threshold="-1")
    yield "output-unknown", model(output="logits")
    yield "kind", model(kind="rul")
    yield "mask-width", model(mask="1", selftest={"input": [r + [1, 1] for r in EXAMPLE], "output": DOUBLED})
    yield "calibration-unsorted", model(calibration={"n": 3, "alpha": 0.25, "quantiles": [1, 3, 2]})
    yield "calibration-many", model(calibration={"n": 2, "alpha": 0.25, "quantiles": [1, 2, 3]})
    yield "calibration-regime", model(calibration={**META["calibration"], "regimes": {"2/3": {"n": 2, "quantiles": [2, 1]}}})
    yield "calibration-precision", model(calibration={**META["calibration"], "mean": [0, 0], "precision": [[1, 0]]})
    yield "reference-width", model(reference=[{"n": 9, "quantiles": [1, 2]}])
    yield "selftest-width", model(selftest={"input": [[1, 2, 3]], "output": [1]})
    yield "selftest-off", model(answer=[0.0] * 12)
    yield "selftest-long", model(answer=DOUBLED + [1.0])

    k = const("k", -1.0)
    yield "nan-output", model([node("Mul", ["x", "k"], ["m"]), node("Sqrt", ["m"], ["err"])], weights=[k])
    yield "inf-output", model([node("Sub", ["x", "x"], ["z"]), node("Div", ["x", "z"], ["err"])])
    yield "batch-mean", model([node("ReduceMean", ["x"], ["m"], axes=[0]), node("Sub", ["x", "m"], ["err"])], answer=[0.0] * 12)
    shape_by_data = [
        node("ReduceSum", ["x"], ["s"], keepdims=0), node("Cast", ["s"], ["i"], to=TensorProto.INT64),
        node("Mod", ["i", "five"], ["r"]), node("Add", ["r", "one"], ["n"]), node("Unsqueeze", ["n", "zero1"], ["n1"]),
        node("Slice", ["x", "zero1", "n1", "one1"], ["err"]),
    ]
    ints = [const("five", 5, np.int64), const("one", 1, np.int64), const("zero1", [0], np.int64), const("one1", [1], np.int64)]
    yield "shape-by-data", model(shape_by_data, weights=ints, answer=DOUBLED[:2])
    body = helper.make_graph(
        [node("Add", ["v", "v"], ["w"]), node("Identity", ["go"], ["on"])], "body",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("v", ["batch", "time", 2])],
        [value("on", [], TensorProto.BOOL), value("w", ["batch", "time", 2])])
    yield "endless-loop", model(
        [node("Loop", ["trips", "yes", "x"], ["err"], body=body)],
        weights=[const("trips", 1 << 62, np.int64), const("yes", True, np.bool_)])
    yield "memory-bomb", model(
        [node("Expand", ["x", "many"], ["big"]), node("ReduceSum", ["big", "axis"], ["sum"], keepdims=0), node("Add", ["x", "sum"], ["err"])],
        weights=[const("many", [1_000_000_000, 1, 1, 2], np.int64), const("axis", [0], np.int64)])

    h = lambda n, *d: value(n, list(d))  # noqa: E731
    state = {"inputs": ["h"], "outputs": ["hn"]}
    carry = [node("Add", ["x", "x"], ["err"]), node("Identity", ["h"], ["hn"])]
    st = dict(window="6", stride="6", state=state)
    yield "state-undeclared", model(carry, [X, h("h", 1, "batch", 3)], [Y, h("hn", 1, "batch", 3)])
    yield "state-stride", model(carry, [X, h("h", 1, "batch", 3)], [Y, h("hn", 1, "batch", 3)], **{**st, "stride": "1"})
    yield "state-dims", model(carry, [X, h("h", "batch", 3)], [Y, h("hn", "batch", 3)], **st)
    yield "state-batch", model(carry, [X, h("h", 1, 1, 3)], [Y, h("hn", 1, 1, 3)], **st)
    yield "state-unlike", model(carry, [X, h("h", 1, "batch", 3)], [Y, h("hn", 1, "batch", 4)], **st)
    yield "state-unlike-run", model(
        [node("Add", ["x", "x"], ["err"]), node("Concat", ["h", "h"], ["hn"], axis=2)], [X, h("h", 1, "batch", 3)],
        [Y, value("hn", [1, "batch", "h2"])], **st)
    yield "state-unknown", model(carry, [X, h("h", 1, "batch", 3)], [Y, h("hn", 1, "batch", 3)], **{**st, "state": {"inputs": ["h"], "outputs": ["c"]}})
    yield "state-order", model(carry, [X, h("h", 1, "batch", 3)], [h("hn", 1, "batch", 3), Y], **st)
    yield "state-swap", model(carry, [X, h("h", 1, "batch", 3)], [Y, h("hn", 1, "batch", 3)], **{**st, "state": {**state, "on_swap": "merge"}})

    last = node("ReduceMean", ["x"], ["err"], axes=[1], keepdims=0)
    modes = dict(outputs=[value("err", ["batch", 2])], output="modes", kind="classifier")
    yield "modes-sum", model([last], answer=mean, modes=["", "imbalance"], **modes)
    yield "modes-unknown", model([last], answer=mean, modes=["", "wobble"], **modes)
    yield "modes-one", model([last], answer=mean, modes=[""], **{**modes, "outputs": [value("err", ["batch", 1])]})
    yield "modes-width", model([last], answer=mean, modes=["", "imbalance", "crack"], **modes)
    yield "forecast-scale", model([last], outputs=[value("err", ["batch", 2])], output="forecast", answer=mean)
    yield "forecast-shape", model(output="forecast", scale=[1, 1])
    yield "rul-width", model([last], outputs=[value("err", ["batch", 2])], output="rul", answer=mean)


def make(folder):
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.onnx"):
        old.unlink()
    for name, m in files():
        raw = m if isinstance(m, bytes) else m.SerializeToString(deterministic=True)
        (folder / (name + ".onnx")).write_bytes(raw)
