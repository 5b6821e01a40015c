"""ONNX Runtime's LSTM and GRU in a graph of one node, and the published network of the Silero voice detector."""
import common
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def gates(tensor, order):
    """Four gates in another order."""
    parts = np.split(tensor, len(order))
    return np.concatenate([parts[k] for k in order])


def lstm(params):
    """ONNX has the gates in the order i, o, f, g, and a bias for either product."""
    order = (0, 3, 1, 2)
    bias = gates(params["b"], order)
    weights = {"W": gates(params["W"], order), "R": gates(params["U"], order), "B": np.concatenate([bias, 0 * bias])}
    return graph("LSTM", weights, params["U"].shape[1], ["h", "c"])


def gru(params):
    """ONNX has the gates in the order z, r, n; linear_before_reset puts the reset gate after the product."""
    zero = 0 * params["cn"]
    weights = {
        "W": np.concatenate([params[f"W{gate}"] for gate in "zrn"]),
        "R": np.concatenate([params[f"U{gate}"] for gate in "zrn"]),
        "B": np.concatenate([params[f"b{gate}"] for gate in "zrn"] + [zero, zero, params["cn"]])}
    return graph("GRU", weights, params["Un"].shape[1], ["h"], linear_before_reset=1)


def graph(operator, weights, size, states, **attributes):
    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    features = weights["W"].shape[1]
    node = helper.make_node(
        operator, ["x", "W", "R", "B", "", *(f"{state}0" for state in states)],
        ["y", *(f"{state}1" for state in states)], hidden_size=size, **attributes)
    return helper.make_model(
        helper.make_graph(
            [node], "cell",
            [value("x", ["T", "B", features])] + [value(f"{state}0", [1, "B", size]) for state in states],
            [value("y", ["T", 1, "B", size])] + [value(f"{state}1", [1, "B", size]) for state in states],
            [numpy_helper.from_array(weight[None], name) for name, weight in weights.items()]),
        opset_imports=[helper.make_opsetid("", 14)], ir_version=8).SerializeToString()


def session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(model, options)


def cell(model, arguments):
    runner = session(model, arguments.threads)
    x = common.time_first(common.tensors("input."))["x"]
    size = runner.get_outputs()[0].shape[-1]
    names = [value.name for value in runner.get_inputs() if value.name != "x"]
    zero = np.zeros((1, x.shape[1], size), np.float32)

    def whole():
        return runner.run(None, {"x": x} | {name: zero for name in names})[0][:, 0]

    def stream():
        states, outputs = [zero] * len(names), []
        for t in range(len(x)):
            y, *states = runner.run(None, {"x": x[t : t + 1]} | dict(zip(names, states)))
            outputs.append(y[:, 0])
        return np.concatenate(outputs)

    return whole, stream, len(x)


def silero(arguments):
    import silero_files

    frames = common.tensors("input.")["frame"][0]

    def whole():
        zero = np.zeros((1, 1, 128), np.float32)
        return runner.run(None, {"input": frames, "h": zero, "c": zero})[0].reshape(-1, 1)

    def stream():
        state, outputs = np.zeros((2, 1, 128), np.float32), []
        for t in range(len(frames)):
            p, state = runner.run(None, {"input": frames[t : t + 1], "state": state, "sr": np.array(16000, np.int64)})
            outputs.append(p)
        return np.concatenate(outputs)

    runner = session(silero_files.path("silero_vad_16k_op15.onnx" if arguments.stream else "silero_vad_16k_sequence.onnx"), 1)
    return whole, stream, len(frames)


def main():
    arguments = common.parse()
    if arguments.kind == "silero":
        whole, stream, steps = silero(arguments)
    elif arguments.kind in ("lstm", "gru") and not arguments.backward:
        make = lstm if arguments.kind == "lstm" else gru
        whole, stream, steps = cell(make(common.tensors("param.")), arguments)
    else:
        common.skip("no such model")
    run = stream if arguments.stream else whole
    common.report(common.measure(run, per=steps if arguments.stream else 1), common.batch_first(run()))


if __name__ == "__main__":
    main()
