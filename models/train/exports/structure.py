"""Compares exports with those that are committed: inputs and outputs must be the
same, operators may change with the tool and are told."""

import collections
import pathlib
import sys

import onnx


def ends(values):
    def dims(v):
        return [d.dim_value or "?" for d in v.type.tensor_type.shape.dim]

    return [(v.name, v.type.tensor_type.elem_type, dims(v)) for v in values]


fresh, kept = map(pathlib.Path, sys.argv[1:3])
bad = 0
for path in sorted(fresh.glob("*.onnx")):
    a, b = onnx.load(path), onnx.load(kept / path.name)
    for what, x, y in (("inputs", a.graph.input, b.graph.input), ("outputs", a.graph.output, b.graph.output)):
        if ends(x) != ends(y):
            bad += 1
            print(f"{path.name}: {what} {ends(x)}, committed {ends(y)}")
    x, y = (collections.Counter(n.op_type for n in m.graph.node) for m in (a, b))
    if x != y:
        print(f"{path.name}: operators changed: now {dict(x - y)}, no longer {dict(y - x)}")
    opsets = [sorted((o.domain or "ai.onnx", o.version) for o in m.opset_import) for m in (a, b)]
    print(f"{path.name}: {sum(x.values())} nodes, opsets {opsets[0]}, committed {opsets[1]}, IR {a.ir_version}")
sys.exit(1 if bad else 0)
