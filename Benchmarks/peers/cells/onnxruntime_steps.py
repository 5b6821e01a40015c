"""ONNX Runtime's LSTM or GRU, a step a call from Python: the files of `steps.c`, and what it prints; and the time of a call that
does nothing.

    onnxruntime_steps.py GRU|LSTM INPUTS OUTPUTS STEPS WEIGHTS SAMPLES RESULT MODEL
"""
import pathlib
import statistics
import sys
import time

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import onnxruntime_graphs as graphs


def parameters(kind, inputs, outputs, path):
    """The weights under the names that `onnxruntime_graphs` has for them."""
    numbers = np.fromfile(path, np.float32)
    gates = 3 if kind == "GRU" else 4
    sizes = [gates * outputs * inputs, gates * outputs * outputs, gates * outputs]
    W, U, b, rest = np.split(numbers, np.cumsum(sizes))
    W, U = W.reshape(-1, inputs), U.reshape(-1, outputs)
    if kind == "LSTM":
        return {"W": W, "U": U, "b": b}
    parts = {f"{name}{gate}": part for name, whole in (("W", W), ("U", U), ("b", b)) for gate, part in zip("zrn", np.split(whole, 3))}
    return parts | {"cn": rest}


def median(body, count, rounds=31, least=0.01):
    """Median seconds of one of `count` calls, by the time of this thread."""
    body()
    times = []
    for _ in range(rounds):
        start, turns = time.thread_time(), 0
        while time.thread_time() - start < least:
            body()
            turns += 1
        times.append((time.thread_time() - start) / turns / count)
    return statistics.median(times)


class Steps:
    """A session whose inputs and outputs are bound to memory, states to two arrays in turn."""

    def __init__(self, model, inputs, outputs, states):
        session = graphs.session(model, 1)
        self.x = np.zeros((1, 1, inputs), np.float32)
        self.y = np.zeros((1, 1, 1, outputs), np.float32)
        memory = {name: [np.zeros((1, 1, outputs), np.float32) for _ in range(2)] for name in states}
        self.bindings = []
        for turn in range(2):
            binding = session.io_binding()

            def bind(into, name, array):
                into(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)

            bind(binding.bind_input, "x", self.x)
            bind(binding.bind_output, session.get_outputs()[0].name, self.y)
            for name in states:
                bind(binding.bind_input, f"{name}0", memory[name][turn])
                bind(binding.bind_output, f"{name}1", memory[name][1 - turn])
            self.bindings.append(binding)
        self.memory, self.session, self.turn = memory, session, 0

    def step(self, x):
        self.x[0, 0] = x
        self.session.run_with_iobinding(self.bindings[self.turn])
        self.turn = 1 - self.turn
        return self.y[0, 0, 0]


def main():
    kind, inputs, outputs, steps, weights, samples, result, path = sys.argv[1:]
    inputs, outputs, steps = int(inputs), int(outputs), int(steps)
    make = graphs.gru if kind == "GRU" else graphs.lstm
    model = make(parameters(kind, inputs, outputs, weights))
    pathlib.Path(path).write_bytes(model)
    cell = Steps(model, inputs, outputs, ["h"] if kind == "GRU" else ["h", "c"])
    x = np.fromfile(samples, np.float32).reshape(steps, inputs)
    np.stack([cell.step(row).copy() for row in x]).tofile(result)
    empty = helper.make_model(
        helper.make_graph(
            [helper.make_node("Identity", ["x"], ["y"])], "empty",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, inputs])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, inputs])]),
        opset_imports=[helper.make_opsetid("", 14)], ir_version=8).SerializeToString()
    session = graphs.session(empty, 1)
    binding = session.io_binding()
    target = np.zeros_like(cell.x)
    for bind, name, array in ((binding.bind_input, "x", cell.x), (binding.bind_output, "y", target)):
        bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    folder = pathlib.Path(onnxruntime.__file__).parent / "capi"
    library = max(file.stat().st_size for file in folder.iterdir() if ".so" in file.name or file.suffix == ".pyd")

    def whole():
        for row in x:
            cell.step(row)

    print(median(whole, steps) * 1e6, median(lambda: session.run_with_iobinding(binding), 1) * 1e6, library)


main()
