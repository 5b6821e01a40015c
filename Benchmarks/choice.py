#!/usr/bin/env python3
"""How good the choice of plans is: over a grid of shapes, the time of the chosen plan beside the best of the forced ones.

    Benchmarks/choice.py [path of recc [rounds]]

Prints a line for each shape and the worst ratio; 1 is a perfect choice. Forms and times are those of `recc bench`.
"""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RECC = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", ".build", "release", "recc")

ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 1

PROGRAMS = {
    "affine": (os.path.join(HERE, "programs", "affine.rec"), "D", ["--range", "a=0.9,1"]),
    "max-plus": (os.path.join(HERE, "programs", "running_max.rec"), "D", []),
}
SHAPES = [
    (batch, steps, width)
    for batch in (1, 8)
    for steps in (64, 1024, 65536)
    for width in (1, 8, 16, 64)
    if batch * steps * width <= 1 << 22
]


def bench(path, dim, shape, extra):
    batch, steps, width = shape
    command = [RECC, "bench", path, "-D", f"{dim}={width}", "--batch", str(batch), "--length", str(steps), "--threads", "2", "--json"]
    return json.loads(subprocess.run(command + extra, check=True, capture_output=True, text=True).stdout)


def main():
    worst = 0.0
    print(f"{'program':10} {'batch × steps × width':>24} {'chosen':>11} {'ms':>9} {'sequential':>11} {'scan':>9} {'ratio':>6}")
    for name, (path, dim, extra) in PROGRAMS.items():
        for shape in SHAPES:
            forced = {}
            # In turn: a busy moment then hits all forms alike.
            times = {"chosen": [], "sequential": [], "scan": []}
            for _ in range(ROUNDS):
                chosen = bench(path, dim, shape, extra)
                times["chosen"].append(chosen["median_ms"])
                for form in ("sequential", "scan"):
                    times[form].append(bench(path, dim, shape, extra + ["--plan", f"h={form}"])["median_ms"])
            median = {form: sorted(values)[len(values) // 2] for form, values in times.items()}
            ratio = median["chosen"] / min(median["sequential"], median["scan"])
            worst = max(worst, ratio)
            print(
                f"{name:10} {' × '.join(map(str, shape)):>24} {'scan' if chosen['scans'] else 'sequential':>11} {median['chosen']:9.3f}"
                f" {median['sequential']:11.3f} {median['scan']:9.3f} {ratio:6.2f}", flush=True)
    print(f"worst ratio {worst:.2f}")


if __name__ == "__main__":
    main()
