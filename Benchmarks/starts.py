#!/usr/bin/env python3
"""Prints how long recc takes from the start of its process to its end, compiling and from kept code, and what it has in memory."""
import argparse
import os
import struct
import sys
import tempfile
import time
from array import array
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recc", default=".build/release/recc")
    parser.add_argument("--turns", type=int, default=20)
    options = parser.parse_args()
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        environment.pop("RECC_CACHE", None)
        steps = tensor(f"{folder}/steps.npy", [1, 7, 8])
        long = tensor(f"{folder}/long.npy", [1, 65536, 256])
        vectors = tensor(f"{folder}/vectors.npy", [1, 128, 4, 64])
        numbers = tensor(f"{folder}/numbers.npy", [1, 128, 4])
        memory = f"--input q={vectors} --input k={vectors} --input v={vectors} --input rate={numbers} -D N=4 -D K=64 -D V=64"
        commands = [
            ("recc --version", "--version", None),
            ("GRU, 8→64, 7 steps", f"run examples/gru.rec --input x={steps} --seed 1 -D H=64", None),
            ("Silero's voice detector, 265 frames",
             "run examples/silero_vad.rec --data examples/data/speech.safetensors --params examples/data/silero_vad_16k.safetensors", None),
            ("linear attention in chunks, 128 steps",
             f"run Benchmarks/programs/decayed_attention.rec {memory} --plan S=chunkwise", None),
            ("gated delta rule in chunks, 128 steps",
             f"run Benchmarks/programs/gated_delta_rule.rec {memory} --input decay={numbers} --plan S=chunkwise", None),
            ("LSTM, 256→256, 65536 steps", f"run Benchmarks/programs/lstm.rec --input x={long} --seed 1 -D H=256", 2 * 65536 * 256 * 4),
        ]
        print(f"{'':40}{'compiling':>30}{'from kept code':>30}")
        print(f"{'':40}" + 2 * f"{'least':>10}{'median ms':>11}{'MB':>9}")
        for name, line, data in commands:
            # A run of seconds is no start.
            turns = options.turns if data is None else 1
            run(options.recc, line, environment)
            ways = [line + " --no-cache", line] if line.startswith("run") else [None, line]
            runs = [[run(options.recc, way, environment) for _ in range(turns)] if way else [] for way in ways]
            print(f"{name:40}" + "".join(map(columns, runs)))
            if data is not None:
                beyond = [(min(memory for _, memory in way) - data) / 1e6 for way in runs]
                print(f"{'  MB beyond its inputs and outputs':40}{beyond[0]:30.1f}{beyond[1]:30.1f}")


def tensor(path, shape):
    """A file of f32 numbers between -1 and 1."""
    count = 1
    for extent in shape:
        count *= extent
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}}}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
        pattern = array("f", [((k * 7919) % 2003) / 1001.5 - 1 for k in range(8192)])
        whole = pattern.tobytes()
        for start in range(0, 4 * count, len(whole)):
            file.write(whole[:4 * count - start])
    return path


def run(recc, line, environment):
    """Seconds of a run, and the most bytes that it had in memory."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    start = time.perf_counter()
    process = os.posix_spawn(recc, [recc, *line.split()], environment, file_actions=[(os.POSIX_SPAWN_DUP2, nowhere, 1)])
    _, status, usage = os.wait4(process, 0)
    elapsed = time.perf_counter() - start
    os.close(nowhere)
    if status != 0:
        sys.exit(f"recc {line} ended with status {os.waitstatus_to_exitcode(status)}")
    return elapsed, usage.ru_maxrss * 1024


def columns(runs):
    if not runs:
        return f"{'–':>30}"
    seconds = sorted(seconds for seconds, _ in runs)
    memory = min(memory for _, memory in runs)
    return f"{seconds[0] * 1e3:10.1f}{seconds[len(seconds) // 2] * 1e3:11.1f}{memory / 1e6:9.1f}"


if __name__ == "__main__":
    main()
