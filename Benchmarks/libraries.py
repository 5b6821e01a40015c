#!/usr/bin/env python3
"""Sizes of compiled libraries, and what a step of theirs takes, beside RTNeural and ONNX Runtime (docs/c.md, docs/benchmarks.md)."""

import argparse
import os
import pathlib
import subprocess
import tempfile

import cells

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Name, program, what the command is given, and the input and the output of a step.
ROWS = [
    ("GRU 16→16", "examples/gru.rec", ["-D", "D=16", "-D", "H=16", "--seed", "1"], "gru", "x", "h"),
    ("LSTM 32→32", "examples/lstm.rec", ["-D", "D=32", "-D", "H=32", "--seed", "1", "--output-name", "h"], "lstm", "x", "h"),
    ("LSTM 128→128", "examples/lstm.rec", ["-D", "D=128", "-D", "H=128", "--seed", "1", "--output-name", "h"], "lstm", "x", "h"),
    ("amplifier, LSTM 1→12", "examples/embed/amplifier.rec", ["--params", "examples/embed/amplifier.safetensors"], "amplifier", "x", "y"),
    ("Silero voice detector", "examples/silero_vad.rec", ["--params", "examples/data/silero_vad_16k.safetensors"], "silerovad", "frame", "p"),
]

PROGRAM = """
#define _POSIX_C_SOURCE 199309L
#include "NAME.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
enum { ROUNDS = 21, STEPS = 256 };
/* The time of this thread alone, so that other programs do little harm. */
static double now(void) { struct timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3; }
static int compare(const void *a, const void *b) { double x = *(const double *)a, y = *(const double *)b; return (x > y) - (x < y); }
static float x[STEPS * INPUT], y[STEPS * OUTPUT];
int main(int count, char **arguments) {
  NAME_stream *s;
  double steps[ROUNDS], runs[ROUNDS];
  int turns = count > 1 ? atoi(arguments[1]) : 1;
  if (CREATE) return 1;
  for (int k = 0; k < STEPS * INPUT; k++) x[k] = (float)(k % 17) / 17 - 0.5f;
  for (int round = 0; round < ROUNDS; round++) {
    double start = now();
    for (int turn = 0; turn < turns; turn++)
      for (int t = 0; t < STEPS; t++) if (NAME_step(s, x + t * INPUT, y + t * OUTPUT)) return 1;
    double middle = now();
    for (int turn = 0; turn < turns; turn++) if (NAME_run(s, STEPS, x, y)) return 1;
    steps[round] = (middle - start) / turns / STEPS;
    runs[round] = (now() - middle) / turns / STEPS;
  }
  qsort(steps, ROUNDS, sizeof *steps, compare);
  qsort(runs, ROUNDS, sizeof *runs, compare);
  printf("%.3f %.3f\\n", steps[ROUNDS / 2], runs[ROUNDS / 2]);
  NAME_destroy(s);
  return 0;
}
"""


def measure(title, program, options, name, x, y, recc, processors):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run(
            [recc, "compile", program, *options, "--name", name, "--emit", "library", "-o", folder, *processors], cwd=ROOT, check=True, stdout=subprocess.PIPE)
        header = (folder / f"{name}.h").read_text()
        once = header.split(f"int {name}_create({name}_stream **stream, size_t batch")[1].split(");")[0].count(",")
        text = PROGRAM.replace("CREATE", f"NAME_create(&s, 1{', 0' * once})").replace("NAME", name)
        text = text.replace("INPUT", f"{name.upper()}_INPUT_{x}").replace("OUTPUT", f"{name.upper()}_OUTPUT_{y}")
        (folder / "main.c").write_text(text)
        subprocess.run(["cc", "-O2", "main.c", f"lib{name}.a", "-lm", "-o", "main"], cwd=folder, check=True)
        sizes = [(folder / f"lib{name}.{ending}").stat().st_size / 1000 for ending in ("a", "so")]
        once, _ = subprocess.run(["./main"], cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        turns = max(1, round(20_000 / (256 * float(once))))
        step, run = subprocess.run(["./main", str(turns)], cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        print(f"{title:24} {sizes[0]:8.1f} {sizes[1]:8.1f} {float(step):10.3f} {float(run):10.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recc", default=str(ROOT / ".build" / "release" / "recc"))
    parser.add_argument("--cpu", action="append", default=[], help="as of recc compile")
    parser.add_argument("--rtneural", default=os.environ.get("RTNEURAL"), help="a folder with RTNeural's source and its modules; by default what RTNEURAL names")
    installed = ROOT / ".build" / "peers" / "bin" / "python"
    parser.add_argument("--peers", default=str(installed) if installed.exists() else None, help="a Python that has onnxruntime and onnx")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    options.recc = str(pathlib.Path(options.recc).resolve())
    processors = ["--cpu", ",".join(options.cpu)] if options.cpu else []
    print(f"{'':24} {'.a, kB':>8} {'.so, kB':>8} {'step, µs':>10} {'of a run':>10}")
    for row in ROWS:
        measure(*row, options.recc, processors)
    print()
    cells.table(options.recc, processors, options.rtneural and pathlib.Path(options.rtneural).resolve(), options.peers or None, options.rounds)
