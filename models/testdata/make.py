"""Makes the small model files beside it: one good one of each kind, and one for
each thing that the loader refuses. Needs numpy and onnx; deterministic.

    python make.py
"""

import copy
import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "train"))
import bad  # noqa: E402
import export  # noqa: E402
import kinds  # noqa: E402

rng = np.random.default_rng(7)


def lstm(width, hidden):
    return {
        "W": rng.normal(0, 0.5, (4 * hidden, width)).astype(np.float32),
        "R": rng.normal(0, 0.5, (4 * hidden, hidden)).astype(np.float32),
        "b": rng.normal(0, 0.1, 4 * hidden).astype(np.float32),
    }


def linear(width, out):
    return {"W": rng.normal(0, 0.5, (width, out)).astype(np.float32), "b": rng.normal(0, 0.1, out).astype(np.float32)}


FEATURES = [{"name": "oil_temperature/value", "unit": "°C", "agg": "last"}, {"name": "de_acc/rms", "unit": "m/s²", "agg": "mean"}]
MEAN, STD = [60.0, 2.0], [5.0, 0.5]
EXAMPLE = np.array([[60, 2], [61, 2.2], [62, 1.9], [60.5, 2.1], [59, 2.0], [58.5, 1.8]])

# Calibration scores of a window far from anything: the numbers matter to no test but the conformal ones.
SCORES = np.sort(np.round(rng.gamma(4, 0.25, 199), 6)).tolist()
META = dict(
    name="gearbox-lstm-ae",
    features=FEATURES,
    sampling_period_s="600",
    window="6",
    stride="1",
    threshold="2.5",
    calibration={"n": 199, "alpha": 0.01, "quantiles": SCORES},
    training_sha256="0" * 64,
    training_window="2020-01-01T00:00:00Z/2020-06-01T00:00:00Z",
    asset_class="wind-turbine",
    component="gearbox-bearing",
    git="none",
    framework="numpy",
    license="Apache-2.0",
)


def write(name, model):
    export.save(model, HERE / (name + ".onnx"))


def without(model, key):
    m = copy.deepcopy(model)
    kept = [(p.key, p.value) for p in m.metadata_props if p.key != key]
    del m.metadata_props[:]
    for k, v in kept:
        m.metadata_props.add(key=k, value=v)
    return m


def with_(model, key, value):
    m = without(model, key)
    m.metadata_props.add(key=key, value=value)
    return m


ae = {"enc": lstm(2, 4), "lat": linear(4, 3), "dec": lstm(3, 4), "out": linear(4, 2)}
good = export.stamp(export.autoencoder(ae, MEAN, STD), EXAMPLE, output="error", **META)
write("good", good)

ae2 = {"enc": lstm(2, 4), "lat": linear(4, 3), "dec": lstm(3, 4), "out": linear(4, 2)}
write("good2", export.stamp(export.autoencoder(ae2, MEAN, STD), EXAMPLE, output="error", **META))

fc = {"enc": lstm(2, 4), "out": linear(4, 2)}
write("forecaster", export.stamp(export.forecaster(fc, MEAN, STD), EXAMPLE, output="error", **META))

maha = json.loads(json.dumps(META["calibration"]))
maha.update(mean=[0.1, -0.2], precision=[[2.0, 0.5], [0.5, 1.0]])
write("mahalanobis", export.stamp(export.autoencoder(ae, MEAN, STD), EXAMPLE, output="error", **{**META, "calibration": maha}))

rp = {"lstm": [lstm(2, 4)], "hid": linear(4, 4), "out": linear(4, 3)}
rul = export.stamp(export.rul([rp], MEAN, STD, 125.0), EXAMPLE, output="rul", rul_cap_h="125", **{**META, "threshold": "24"})
write("rul", rul)

write("missing-key", without(good, "pdm.license"))
write("old-features", with_(good, "pdm.features", '["a","b"]'))
write("selftest-off", with_(good, "pdm.selftest", json.dumps({"input": EXAMPLE.tolist(), "output": [0.0] * 12})))

m = copy.deepcopy(good)
m.opset_import[0].version = 99
write("opset99", m)

m = copy.deepcopy(good)
t = m.graph.initializer[0]
t.ClearField("raw_data")
t.data_location = TensorProto.EXTERNAL
e = t.external_data.add()
e.key, e.value = "location", "/etc/passwd"
write("external-data", m)

m = copy.deepcopy(good)
m.graph.node[0].domain = "com.example"
m.opset_import.append(helper.make_opsetid("com.example", 1))
write("foreign-domain", m)


def small(name, nodes, inputs=("x",), shape=("batch", "time", 2), output=None):
    g = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(i, TensorProto.FLOAT, list(shape)) for i in inputs],
        [helper.make_tensor_value_info("err", TensorProto.FLOAT, ["batch", "time", 2])],
        [helper.make_tensor("k", TensorProto.FLOAT, [], [-1.0])],
    )
    m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for p in good.metadata_props:
        m.metadata_props.add(key=p.key, value=p.value)
    if output is None:
        output = export.run(m, EXAMPLE[None]).ravel().tolist()
    return with_(m, "pdm.selftest", json.dumps({"input": EXAMPLE.tolist(), "output": [round(float(v), 6) for v in output]}))


node = helper.make_node
# Square root of a negative number: NaN in the probe run.
write("nan", small("nan", [node("Mul", ["x", "k"], ["m"]), node("Sqrt", ["m"], ["err"])], output=[0.0] * 12))
# Subtracts the mean over the batch: a row's answer depends on its neighbours.
write("batch-mean", small("batchmean", [node("ReduceMean", ["x"], ["m"], axes=[0]), node("Sub", ["x", "m"], ["err"])]))
# Softplus: the last bit of a row depends on its place in the batch.
write("softplus", small("softplus", [node("ReduceMean", ["x"], ["a"], axes=[1]), node("Softplus", ["a"], ["b"]), node("Sub", ["x", "b"], ["err"])]))
write("two-inputs", small("two", [node("Sub", ["x", "x2"], ["err"])], inputs=("x", "x2"), output=[0.0] * 12))
write("fixed-batch", small("fixed", [node("Identity", ["x"], ["err"])], shape=(1, "time", 2)))

bad.make(HERE / "bad")
for name, m in kinds.files():
    write(name, m)
