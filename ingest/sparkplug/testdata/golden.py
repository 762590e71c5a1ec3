"""Writes a birth payload made by a library that is not ours, with what is in it.

python golden.py pysparkplug > pysparkplug.json    # pip install pysparkplug==0.6.1
python golden.py tahutils > tahutils.json          # pip install tahutils==0.1.11
"""
import json
import sys

STAMP = 1_700_000_000_123
VALUES = [
    ("Int8", 1, [-128, -1, 127]), ("Int16", 2, [-32768, -5, 32767]), ("Int32", 3, [-(2**31), -7, 2**31 - 1]),
    ("Int64", 4, [-(2**63), -9, 2**53]), ("UInt8", 5, [0, 255]), ("UInt16", 6, [0, 65535]), ("UInt32", 7, [0, 2**32 - 1]),
    ("UInt64", 8, [0, 2**63]), ("Float", 9, [1.5, -0.25]), ("Double", 10, [3.141592653589793, -1e300]), ("Boolean", 11, [True, False]),
] + [
    ("Int8Array", 22, [[-128, 0, 127]]), ("Int16Array", 23, [[-32768, -1, 32767]]), ("Int32Array", 24, [[-(2**31), 1]]),
    ("Int64Array", 25, [[-(2**53), 2]]), ("UInt8Array", 26, [[0, 255]]), ("UInt16Array", 27, [[0, 65535]]), ("UInt32Array", 28, [[0, 2**31]]),
    ("UInt64Array", 29, [[0, 2**63]]), ("FloatArray", 30, [[1.5, -0.25]]), ("DoubleArray", 31, [[0.5, -2.0]]),
]



if sys.argv[1] == "tahutils":  # its arrays do not work
    VALUES = [v for v in VALUES if v[1] < 22]


def metrics():
    alias = 0
    for name, kind, values in VALUES:
        for i, value in enumerate(values):
            alias += 1
            yield f"{name}/{i}", alias, kind, value


def by_pysparkplug():
    import pysparkplug as ps
    all = [ps.Metric(timestamp=STAMP + a, name=n, datatype=ps.DataType(k), value=v, alias=a) for n, a, k, v in metrics()]
    return ps.DBirth(timestamp=STAMP, seq=1, metrics=tuple(all)).encode(include_dtypes=True)


def by_tahutils():
    from tahutils.tahu import sparkplug_b as spb, sparkplug_b_pb2
    payload = sparkplug_b_pb2.Payload()
    payload.timestamp, payload.seq = STAMP, 1
    for n, a, k, v in metrics():
        spb.addMetric(payload, n, a, k, v, STAMP + a)
    table = spb.initDatasetMetric(payload, "Table", 1000, ["a", "b"], [3, 12])
    row = table.rows.add()
    row.elements.add().int_value, row.elements.add().string_value = 1, "x"
    template = spb.initTemplateMetric(payload, "Template", 1001, None)
    spb.addMetric(template, "member", None, 3, 5, STAMP)
    for m in payload.metrics[-2:]:
        m.timestamp = STAMP
    return payload.SerializeToString()


payload = {"pysparkplug": by_pysparkplug, "tahutils": by_tahutils}[sys.argv[1]]()
json.dump({
    "stamp": STAMP, "seq": 1, "payload": payload.hex(),
    "metrics": [{"name": n, "alias": a, "kind": k, "stamp": STAMP + a, "value": v if isinstance(v, list) else float(v)} for n, a, k, v in metrics()],
}, sys.stdout, indent=1)
print()
