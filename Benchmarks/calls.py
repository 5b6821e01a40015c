#!/usr/bin/env python3
"""Times what a call from Python costs, and an LSTM beside torch.nn.LSTM in the same process where torch is installed (docs/benchmarks.md)."""

import argparse
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))

import numpy as np

import recc


clock = time.perf_counter


def median(body, seconds):
    """The median time of a call in seconds, over as many calls as fit."""
    body()
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = clock()
        body()
        times.append(clock() - start)
    return statistics.median(times)


def row(name, seconds):
    print(f"{name:48} {seconds * 1e6:12.1f} µs")


def calls(seconds):
    model = recc.load(ROOT / "examples" / "gru.rec", D=16, H=16, seed=1)
    x = np.zeros((1, 1, 16), np.float32)
    row("GRU 16→16, a run of one step", median(lambda: model(x=x), seconds))
    stream = model.stream()
    frame = np.zeros(16, np.float32)
    row("GRU 16→16, stream.step", median(lambda: stream.step(x=frame), seconds))
    row("GRU 16→16, stream.advance", median(stream.advance, seconds))


def lstm(batch, steps, width, threads, seconds):
    name = f"LSTM {batch}×{steps}×{width}→{width}, {threads} threads"
    model = recc.load(ROOT / "examples" / "lstm.rec", D=width, H=width, seed=1, threads=threads)
    x = np.random.default_rng(1).standard_normal((batch, steps, width)).astype("f")
    ones = np.ones_like(model(x=x).h)
    row(f"{name}: recc", median(lambda: model(x=x), seconds))
    row(f"{name}: recc, with gradients", median(lambda: model.vjp({"h": ones}, x=x), seconds))
    try:
        import torch
    except ImportError:
        return print("torch is not installed")
    torch.set_num_threads(threads)
    other, y = torch.nn.LSTM(width, width, batch_first=True), torch.from_numpy(x)

    def forward():
        with torch.no_grad():
            other(y)

    def both():
        z = y.clone().requires_grad_()
        other(z)[0].sum().backward()

    row(f"{name}: torch.nn.LSTM", median(forward, seconds))
    row(f"{name}: torch.nn.LSTM, with gradients", median(both, seconds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processor-time", action="store_true", help="of all threads together, to which other programs do less harm")
    options = parser.parse_args()
    if options.processor_time:
        clock = time.process_time
    calls(options.seconds)
    lstm(32, 256, 256, options.threads, options.seconds)
