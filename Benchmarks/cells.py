"""Steps of cells in libraries that recc compiles, beside RTNeural and ONNX Runtime with the same weights."""

import array
import json
import math
import pathlib
import random
import statistics
import struct
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CELLS = pathlib.Path(__file__).resolve().parent / "peers" / "cells"
ROWS = [(kind, size) for kind in ("GRU", "LSTM") for size in (16, 40, 128)]
STEPS = 256
TOLERANCE = 1e-5
# RTNeural does its arithmetic with one of these. Of Eigen's matrices of a fixed size large ones are refused otherwise.
BACKENDS = {
    "xsimd": (["-DRTNEURAL_USE_XSIMD=1"], "modules/xsimd/include"),
    "Eigen": (["-DRTNEURAL_USE_EIGEN=1", "-DEIGEN_STACK_ALLOCATION_LIMIT=0"], "modules/Eigen"),
}


class Missing(Exception):
    pass


def run(command, folder):
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except OSError as problem:
        raise Missing(f"{command[0]}: {problem.strerror}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line.lower()] or done.stderr.splitlines() or [f"status {done.returncode}"]
        raise Missing(f"{pathlib.Path(command[0]).name}: {lines[-1]}")
    return done.stdout.split()


def floats(path):
    numbers = array.array("f")
    numbers.frombytes(path.read_bytes())
    return numbers


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, (shape, numbers) in tensors.items():
        end = offset + 4 * len(numbers)
        header[name], offset = {"dtype": "F32", "shape": shape, "data_offsets": [offset, end]}, end
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(numbers.tobytes() for _, numbers in tensors.values()))


class Cell:
    """A row: its data in a folder, and what each of the peers takes for a step."""

    def __init__(self, kind, size, folder):
        self.kind, self.size, self.folder = kind, size, folder
        generator = random.Random(size)
        gates, bound = (3 if kind == "GRU" else 4), 1 / math.sqrt(size)

        def draw(count, bound=bound):
            return array.array("f", (generator.uniform(-bound, bound) for _ in range(count)))

        W, U, b = draw(gates * size * size), draw(gates * size * size), draw(gates * size)
        rest = draw(size) if kind == "GRU" else array.array("f")
        (folder / "weights").write_bytes(b"".join(part.tobytes() for part in (W, U, b, rest)))
        (folder / "samples").write_bytes(draw(STEPS * size, 1.0).tobytes())
        if kind == "LSTM":
            tensors = {"W": ([4 * size, size], W), "U": ([4 * size, size], U), "b": ([4 * size], b)}
        else:
            square = size * size
            tensors = {f"{name}{gate}": ([size, size], part[k * square:(k + 1) * square]) for name, part in (("W", W), ("U", U)) for k, gate in enumerate("zrn")}
            tensors |= {f"b{gate}": ([size], b[k * size:(k + 1) * size]) for k, gate in enumerate("zrn")} | {"cn": ([size], rest)}
        write_safetensors(folder / "weights.safetensors", tensors)
        self.data = [folder / "weights", folder / "samples"]

    def library(self, recc, processors):
        """Compiles recc's; the kilobytes of the shared library."""
        name = self.kind.lower()
        output = ["--output-name", "h"]
        run([recc, "compile", ROOT / "examples" / f"{name}.rec", "--params", self.folder / "weights.safetensors", *output, "--name", name,
             "--emit", "library", "-o", self.folder, *processors], self.folder)
        run(["cc", "-O2", "-std=c11", f"-D{self.kind}", "-I.", CELLS / "steps.c", CELLS / "recc.c", f"lib{name}.so", "-Wl,-rpath,$ORIGIN", "-o", "recc"], self.folder)
        return (self.folder / f"lib{name}.so").stat().st_size / 1000

    def rtneural(self, source, backend):
        """Compiles RTNeural's; the kilobytes of a shared library and of the weights, which it reads from a file."""
        macros, includes = BACKENDS[backend]
        for needed in ("RTNeural/RTNeural.h", "modules/json/json.hpp", includes):
            if not (source / needed).exists():
                raise Missing(f"{source / needed} is not there; RTNeural's modules must be checked out with it")
        library = f"lib{backend}.so"
        flags = ["-O3", "-DNDEBUG", "-march=native", "-std=c++17", "-w", *macros, "-DRTNEURAL_DEFAULT_ALIGNMENT=32", "-DRTNEURAL_NAMESPACE=RTNeural"]
        places = [f"-I{source}", f"-I{source / includes}", f"-I{source / 'modules' / 'json'}"]
        shape = [f"-D{self.kind}", f"-DINPUTS={self.size}", f"-DOUTPUTS={self.size}"]
        run(["c++", *flags, *places, *shape, "-shared", "-fPIC", "-s", CELLS / "rtneural.cpp", "-o", library], self.folder)
        run(["cc", "-O2", "-std=c11", CELLS / "steps.c", library, "-Wl,-rpath,$ORIGIN", "-o", backend], self.folder)
        return ((self.folder / library).stat().st_size + (self.folder / "weights").stat().st_size) / 1000

    def steps(self, program):
        """The µs of a step; its results are held against recc's."""
        result = self.folder / f"{program}.result"
        said = run([self.folder / program, self.size, self.size, STEPS, *self.data, result], self.folder)
        self.compare(program, result)
        return float(said[0])

    def onnxruntime(self, python):
        """The µs of a step from Python, of a call that does nothing, and the kilobytes of the library and the model."""
        result, model = self.folder / "onnxruntime.result", self.folder / "model.onnx"
        said = run([python, CELLS / "onnxruntime_steps.py", self.kind, self.size, self.size, STEPS, *self.data, result, model], self.folder)
        self.compare("ONNX Runtime", result)
        step, empty, library = map(float, said)
        return step, empty, (library + model.stat().st_size) / 1000

    def compare(self, name, path):
        got, expected = floats(path), floats(self.folder / "recc.result")
        error = max((abs(a - b) for a, b in zip(got, expected)), default=math.inf)
        if len(got) != len(expected) or not error <= TOLERANCE:
            raise SystemExit(f"{self.kind} of {self.size}: {name} computes something else, by {error:.1e}")


def table(recc, processors, rtneural, python, rounds):
    """Prints what a step takes, and what a program carries for it; peers that are not there have no column."""
    peers = []
    if rtneural is None:
        print("RTNeural: not measured; --rtneural or the environment variable RTNEURAL names a folder with its source")
    else:
        peers += [f"RTNeural, {backend}" for backend in BACKENDS]
    try:
        if python is None:
            raise Missing("--peers names a Python that has it, or make bench-peers installs one")
        run([python, "-c", "import onnxruntime, onnx, numpy"], ROOT)
        peers.append("ONNX Runtime")
    except Missing as problem:
        print(f"ONNX Runtime: not measured; {problem}")
    print(f"\none step a call, one sequence, f32, one thread: median µs of {rounds} rounds of each, and kilobytes of library and weights\n")
    print(f"{'':16}" + "".join(f"{name:>24}" for name in ["recc", *peers]), flush=True)
    empties = []
    for kind, size in ROWS:
        with tempfile.TemporaryDirectory() as folder:
            cell = Cell(kind, size, pathlib.Path(folder))
            try:
                sizes = {"recc": cell.library(recc, processors)}
            except Missing as problem:
                raise SystemExit(f"{kind} {size}: {problem}") from None
            programs = {"recc": "recc"}
            for backend in BACKENDS if rtneural else ():
                name = f"RTNeural, {backend}"
                try:
                    sizes[name], programs[name] = cell.rtneural(rtneural, backend), backend
                except Missing as problem:
                    print(f"{name}: {problem}")
            times = {name: [] for name in ["recc", *peers]}
            for _ in range(rounds):
                for name, program in programs.items():
                    times[name].append(cell.steps(program))
                if "ONNX Runtime" in peers:
                    step, empty, sizes["ONNX Runtime"] = cell.onnxruntime(python)
                    times["ONNX Runtime"].append(step)
                    empties.append(empty)
            cells = [f"{statistics.median(taken):.3g} µs, {sizes[name]:.0f} kB" if taken else "–" for name, taken in times.items()]
            print(f"{kind} {size}→{size}".ljust(16) + "".join(f"{text:>24}" for text in cells), flush=True)
    if empties:
        print(f"\nONNX Runtime is called from Python, where a call of a graph that copies its input takes {statistics.median(empties):.3g} µs")
