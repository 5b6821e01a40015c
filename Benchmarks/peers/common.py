"""What the peers share: reading a case, timing, comparing, and the report that bench.py reads.

A peer is run as `python PEER.py KIND --case C --reference R --threads N`, with `--backward` for forward and backward
together and `--stream` for one step at a time. It prints one line of JSON. `{"skipped": …}` says that it cannot.
"""
import argparse
import json
import statistics
import time

import numpy as np

arguments = None


def parse():
    global arguments
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("--case", required=True)
    parser.add_argument("--reference", required=True, help="recc's results on the case")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--backward", action="store_true")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--gradients", help="where gradients go, for the next peer to be compared with")
    arguments = parser.parse_args()
    return arguments


def tensors(prefix):
    """The tensors of the case under a prefix: inputs, params, cotangents."""
    with np.load(arguments.case) as file:
        return {name.removeprefix(prefix): file[name] for name in file.files if name.startswith(prefix)}


def time_first(tensors):
    """[batch, time, …] as [time, batch, …], the layout that loops over time like best; it is not part of the time."""
    return {name: np.ascontiguousarray(np.swapaxes(tensor, 0, 1)) for name, tensor in tensors.items()}


def batch_first(tensor):
    return np.swapaxes(np.asarray(tensor), 0, 1)


def chunks_first(tensors, length=64):
    """[batch, time, heads, …] as [chunks, batch, heads, steps, …]; that is not part of the time either."""
    def arranged(tensor):
        batch, steps, heads, *channels = tensor.shape
        if steps % length:
            raise ValueError(f"{steps} steps are no multiple of {length}")
        split = tensor.reshape(batch, steps // length, length, heads, *channels)
        return np.ascontiguousarray(np.moveaxis(split, (1, 0, 3, 2), (0, 1, 2, 3)))

    return {name: arranged(tensor) for name, tensor in tensors.items()}


def chunks_joined(tensor):
    """The inverse of `chunks_first`, for one tensor."""
    tensor = np.moveaxis(np.asarray(tensor), (0, 1, 2, 3), (1, 0, 3, 2))
    return tensor.reshape(tensor.shape[0], -1, *tensor.shape[3:])


def error(got, expected):
    """Relative, root mean square."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if got.shape != expected.shape:
        raise ValueError(f"the shape is {got.shape}, recc's is {expected.shape}")
    return float(np.linalg.norm(got - expected) / max(np.linalg.norm(expected), 1e-30))


def measure(run, per=1, least=0.5):
    """Median seconds of a run, after two that do not count: at least 3 runs and half a second, as recc bench does it."""
    for _ in range(2):
        run()
    times = []
    while len(times) < 3 or (sum(times) < least and len(times) < 2000):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return {"median_ms": statistics.median(times) * 1e3 / per, "min_ms": min(times) * 1e3 / per, "runs": len(times)}


def report(timing, output, gradients=None):
    """`output` is batch first and is held against recc's; gradients against recc's, or the first peer's without them."""
    with np.load(arguments.reference) as file:
        expected = {name: file[name] for name in file.files}
    timing["error"] = error(output, next(tensor for name, tensor in expected.items() if not name.startswith("grad.")))
    if gradients is not None:
        known = {name: tensor for name, tensor in expected.items() if name.startswith("grad.")}
        if not known:
            try:
                with np.load(arguments.gradients) as file:
                    known = dict(file)
            except FileNotFoundError:
                np.savez(arguments.gradients, **{f"grad.{name}": np.asarray(tensor) for name, tensor in gradients.items()})
        if known:
            timing["gradient_error"] = max(error(tensor, known[f"grad.{name}"]) for name, tensor in gradients.items())
    print(json.dumps(timing))


def report_time(timing):
    """For what computes something else than recc, to be read beside it."""
    print(json.dumps(timing))


def skip(reason):
    print(json.dumps({"skipped": reason}))
    raise SystemExit
