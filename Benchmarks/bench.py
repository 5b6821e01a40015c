#!/usr/bin/env python3
"""Prints the tables of docs/benchmarks.md: recc's rows, and with --peers other libraries beside them in the same run."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import GROUPS, KINDS, PEERS

ROOT = Path(__file__).resolve().parent.parent
# How far a peer may be from recc, relative and root mean square.
TOLERANCE = {"error": 1e-4, "gradient_error": 1e-3}
# The most seconds that one number may take.
PATIENCE = 300


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recc", default=".build/release/recc")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--backward", action="store_true", help="forward and backward together")
    parser.add_argument("--only", default="", help="a group, or a part of a row's name or size")
    parser.add_argument("--rounds", type=int, default=1, help="turns through recc and the peers of each row")
    parser.add_argument("--peers", metavar="PYTHON", help="the interpreter of an environment with the peers")
    options = parser.parse_args()

    os.chdir(ROOT)
    cores = pin(options.threads)
    print(f"{processor()}; {options.threads} threads on {cores} cores, f32, {'forward and backward' if options.backward else 'forward'}")
    busy = busy_cores()
    if busy > 0.2:
        print(f"something else keeps {busy:.1f} cores busy: these times are not this machine's")
    harness = Harness(options)
    wanted = options.only.lower()
    for group in GROUPS:
        rows = [
            (index, row) for index, row in enumerate(group.rows)
            if (wanted == group.name or wanted in f"{row.name} {row.size}".lower())
            and (row.backward is not None or not options.backward)]
        if rows:
            harness.table(group, rows)
    sys.exit(1 if harness.has_failed else 0)


def pin(threads):
    """Keeps this process and all that it starts to as many cores as there are threads, so that no peer takes more."""
    if not hasattr(os, "sched_setaffinity"):
        return threads
    cores = {}
    for number in sorted(os.sched_getaffinity(0)):
        try:
            core = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list").read_text()
        except OSError:
            core = number
        cores.setdefault(core, number)
    chosen = list(cores.values())[:threads]
    os.sched_setaffinity(0, chosen)
    return len(chosen)


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return os.uname().machine


def busy_cores():
    """How many cores were at work in the last second, in which this process slept."""
    def ticks():
        user, nice, system, idle, wait, *_ = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
        return user + nice + system, user + nice + system + idle + wait

    try:
        work, total = ticks()
        time.sleep(1)
        later_work, later_total = ticks()
    except (OSError, ValueError):
        return 0
    return os.cpu_count() * (later_work - work) / max(1, later_total - total)


class Failure(Exception):
    pass


class Harness:
    def __init__(self, options):
        self.options = options
        self.has_failed = False
        self.limits = {}
        self.peers = self.installed_peers() if options.peers else {}
        self.has_gradients = "--grad" in self.output([options.recc, "bench", "--help"])
        self.can_time_recc = self.has_gradients or not options.backward

    def installed_peers(self):
        """The columns whose library is there."""
        script = "import importlib.metadata as m; print(*(d.metadata['Name'].lower().replace('_', '-') + '=' + d.version for d in m.distributions()))"
        versions = dict(entry.split("=", 1) for entry in self.output([self.options.peers, "-c", script]).split())
        found = {name: file for name, file in PEERS.items() if name.split()[0] in versions}
        shown = dict.fromkeys(name.split()[0] for name in found)
        print("peers:", ", ".join(f"{name} {versions[name]}" for name in shown) or "none is installed: recc alone")
        missing = dict.fromkeys(name.split()[0] for name in PEERS if name not in found)
        if missing and found:
            print("not installed:", ", ".join(missing))
        return found

    # Tables

    def table(self, group, rows):
        peers = [name for name in self.peers if any(name in self.peers_of(row) for _, row in rows)]
        header = ["row", group.sizes, "recc", "rate", "share", *peers]
        widths = [max(len(row.name) for _, row in rows), len(header[1]), 9, 14, 15, *(max(9, len(name)) for name in peers)]
        print(f"\n{group.title}, {'µs' if rows[0][1].is_stream else 'ms'}\n")
        self.line(header, widths)
        print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
        notes = []
        for index, row in rows:
            cells, remarks = self.cells(group, index, row, peers)
            self.line([row.name, row.size, *cells], widths)
            notes += remarks
        print()
        for note in notes:
            print(f"- {note}")
        print("\n" * bool(notes), end="")
        if self.can_time_recc:
            for _, row in rows:
                print(f"    recc {' '.join(self.bench_arguments(row))}")

    def line(self, cells, widths):
        print("| " + " | ".join(str(cell).ljust(width) for cell, width in zip(cells, widths)) + " |", flush=True)

    def peers_of(self, row):
        return (row.backward or ()) if self.options.backward else row.forward

    # Rows

    def cells(self, group, index, row, peers):
        """The cells of a row behind its name and size, and remarks for below the table."""
        wanted = [name for name in peers if name in self.peers_of(row)]
        results = {name: [] for name in ["recc", *wanted]}
        remarks = []
        with tempfile.TemporaryDirectory() as folder:
            try:
                if wanted:
                    self.prepare(group, index, row, Path(folder))
            except Failure as problem:
                remarks.append(f"{row.name} {row.size}: no peer is compared: {problem}")
                wanted = []
            for _ in range(self.options.rounds):
                for name in list(results):
                    if name != "recc" and name not in wanted:
                        continue
                    try:
                        results[name].append(self.recc(row) if name == "recc" else self.peer(name, row, Path(folder)))
                    except Failure as problem:
                        remarks.append(f"{row.name} {row.size}, {name}: {problem}")
                        wanted = [other for other in wanted if other != name]
        self.has_failed |= bool(remarks)
        return self.recc_cells(row, results["recc"]) + [self.peer_cell(results.get(name, [])) for name in peers], remarks

    def recc_cells(self, row, results):
        results = [result for result in results if result]
        if not results:
            return ["-", "-", "-"]
        result = sorted(results, key=lambda result: result["median_ms"])[len(results) // 2]
        # Each call measures the limits anew; the best so far is nearest to what the machine can do.
        limits = self.limits.setdefault(self.threads(row), {"peak_gflops": 0, "peak_gbytes": 0})
        for name in limits:
            limits[name] = max([limits[name], *(result[name] for result in results)])
        if row.is_stream:
            step = result["stream_us"]
            products = result["gflops"] * result["median_ms"] * 1e3 / (row.batch * row.length) / step
            return [number(step), f"{products:.1f} GFLOP/s", f"{100 * products / limits['peak_gflops']:.0f} % of FMA"]
        memory, products = result["gbytes"] / limits["peak_gbytes"], result["gflops"] / limits["peak_gflops"]
        if memory > products:
            return [number(result["median_ms"]), f"{result['gbytes']:.1f} GB/s", f"{100 * memory:.0f} % of memory"]
        return [number(result["median_ms"]), f"{result['gflops']:.1f} GFLOP/s", f"{100 * products:.0f} % of FMA"]

    def peer_cell(self, results):
        return number(statistics.median(results)) if results else "-"

    # Processes

    def bench_arguments(self, row):
        kind = KINDS[row.kind]
        arguments = ["bench", kind.program, *self.dims(row)]
        arguments += [part for name, (low, high) in kind.ranges.items() if name in kind.inputs for part in ("--range", f"{name}={low},{high}")]
        if row.batch != 1:
            arguments += ["--batch", str(row.batch)]
        arguments += ["--length", str(row.length), "--threads", str(self.threads(row))]
        return arguments + (["--grad"] if self.options.backward else [])

    def dims(self, row):
        return [part for name, size in row.dims.items() for part in ("-D", f"{name}={size}")]

    def threads(self, row):
        return row.threads or self.options.threads

    def recc(self, row):
        """What `recc bench --json` says; None for gradients that recc has not."""
        if not self.can_time_recc:
            return None
        return json.loads(self.output([self.options.recc, *self.bench_arguments(row), "--json"]))

    def prepare(self, group, index, row, folder):
        """Writes a case, and recc's results on it."""
        kind = KINDS[row.kind]
        self.output([self.options.peers, "Benchmarks/peers/case.py", group.name, str(index), folder / "case.npz"])
        weights = ["--params", kind.weights] if kind.weights else []
        gradients = ["--grad", folder / "gradients.npz"] if self.options.backward and self.has_gradients else []
        self.output([
            self.options.recc, "run", kind.program, *self.dims(row), "--data", folder / "case.npz", *weights, *gradients,
            "--threads", str(self.threads(row)), "--output", folder / "reference.npz"])

    def peer(self, name, row, folder):
        """Milliseconds of a peer, µs for a step of a stream, once its results agree with recc's."""
        flags = ["--backward"] * self.options.backward + ["--stream"] * row.is_stream
        said = self.output([
            self.options.peers, f"Benchmarks/peers/{PEERS[name]}", row.kind, "--case", folder / "case.npz",
            "--reference", folder / "reference.npz", "--gradients", folder / "gradients.npz",
            "--threads", str(self.threads(row)), *flags])
        result = json.loads(said.splitlines()[-1])
        if "skipped" in result:
            raise Failure(result["skipped"])
        for kind, limit in TOLERANCE.items():
            if not result.get(kind, 0) <= limit:
                raise Failure(f"computes something else: {kind.replace('_', ' ')} {result[kind]:.1e}, allowed {limit:.0e}")
        return result["median_ms"] * (1e3 if row.is_stream else 1)

    def output(self, command):
        threads = str(self.options.threads)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = os.environ | {name: threads for name in names} | {"JAX_PLATFORMS": "cpu"}
        command = [str(part) for part in command]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        except OSError as problem:
            sys.exit(f"bench: {command[0]}: {problem.strerror}")
        except subprocess.TimeoutExpired:
            raise Failure(f"takes more than {PATIENCE} s") from None
        if done.returncode:
            raise Failure((done.stderr.strip() or f"status {done.returncode}").splitlines()[-1])
        return done.stdout


def number(value):
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


if __name__ == "__main__":
    main()
