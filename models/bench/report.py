"""Prints both sides of models/bench/run beside each other."""

import json
import os
import pathlib
import statistics
import sys

LEAST, OVERHEAD_US = 0.9, 20

folder = pathlib.Path(sys.argv[1])
sides = {}
for name in ("telltale", "python"):
    for text in (folder / f"{name}.ndjson").read_text().splitlines():
        line = json.loads(text)
        for key in ("cpu_s", "wall_s"):
            sides.setdefault((name, line["batch"], key), []).append(line[key])

missed = 0
if not os.environ.get("JSON"):
    print(f"{'batch':>6}{'telltale':>14}{'python':>14}   windows/cpu-s; ratio (least–greatest), goal")
for n in sorted({k[1] for k in sides}):
    a, b = sides["telltale", n, "cpu_s"], sides["python", n, "cpu_s"]
    ratios = [y / x for x, y in zip(a, b)]
    ratio = statistics.median(ratios)
    over = (min(sides["telltale", n, "wall_s"]) - min(sides["python", n, "wall_s"])) * 1e6
    ok = ratio >= LEAST and (n > 1 or over <= OVERHEAD_US)
    missed += not ok
    if os.environ.get("JSON"):
        for case, value, unit in ((f"batch/{n}", n / statistics.median(a), "windows/cpu-s"), (f"batch/{n}", ratio, "telltale/python")):
            print(json.dumps({"stage": "models", "case": case, "value": value, "unit": unit, "better": "higher", "n": len(a)}))
        if n == 1:
            print(json.dumps({"stage": "models", "case": "batch/1", "value": over, "unit": "µs more than python", "better": "lower", "n": len(a)}))
        continue
    more = f"; a call takes {over:+.1f} µs (at most +{OVERHEAD_US})" if n == 1 else ""
    print(f"{n:6}{n / statistics.median(a):14.0f}{n / statistics.median(b):14.0f}   {ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f}) ≥{LEAST}{more} {'reached' if ok else 'MISSED'}")
sys.exit(1 if missed else 0)
