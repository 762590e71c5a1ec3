"""The same work as telltale/main.go with ONNX Runtime's own Python package."""

import argparse
import json
import resource
import statistics
import time

import numpy as np
import onnxruntime


def cpu():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", required=True)
    p.add_argument("--batches", default="1,16,64,256")
    p.add_argument("--seconds", type=float, default=0.5)
    o = p.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(o.model, options, providers=["CPUExecutionProvider"])
    meta = session.get_modelmeta().custom_metadata_map
    window, width = int(meta["pdm.window"]), len(json.loads(meta["pdm.features"]))
    x, y = session.get_inputs()[0].name, [session.get_outputs()[0].name]
    random = np.random.default_rng(1)
    for n in map(int, o.batches.split(",")):
        batch = random.normal(3, 1, (n, window, width)).astype(np.float32)
        for _ in range(3):
            session.run(y, {x: batch})
        walls, began = [], cpu()
        while cpu() - began < o.seconds:
            for _ in range(max(1, 64 // n)):
                at = time.perf_counter()
                session.run(y, {x: batch})
                walls.append(time.perf_counter() - at)
        print(json.dumps({"batch": n, "cpu_s": (cpu() - began) / len(walls), "wall_s": statistics.median(walls), "calls": len(walls)}), flush=True)


main()
