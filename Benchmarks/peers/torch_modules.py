"""torch's LSTM and GRU (oneDNN), and for models that are affine in the state a scan in blocks: torch has none of its own."""
import common
import torch
import torch_common


def scan(a, b):
    """h[t] = a[t] h[t-1] + b[t], in blocks of about √T steps: inside all blocks together, then from block to block."""
    steps = a.shape[0]
    block = 2 ** (steps.bit_length() // 2)
    if steps % block:
        raise ValueError(f"{steps} steps are no multiple of {block}")
    within, decay = [], []
    for now_a, now_b in zip(a.unflatten(0, (-1, block)).unbind(1), b.unflatten(0, (-1, block)).unbind(1)):
        within.append(torch.addcmul(now_b, now_a, within[-1]) if within else now_b)
        decay.append(now_a * decay[-1] if decay else now_a)
    start = [torch.zeros_like(within[0][0])]
    for last, factor in zip(within[-1][:-1].unbind(), decay[-1][:-1].unbind()):
        start.append(torch.addcmul(last, factor, start[-1]))
    return torch.addcmul(torch.stack(within, 1), torch.stack(decay, 1), torch.stack(start).unsqueeze(1)).flatten(0, 1)


def affine(inputs, params):
    return lambda: scan(inputs["a"], inputs["b"])


def mingru(inputs, params):
    def run():
        z = torch.sigmoid(torch.nn.functional.linear(inputs["x"], params["Wz"], params["bz"]))
        n = torch.nn.functional.linear(inputs["x"], params["Wh"], params["bh"])
        return scan(1 - z, z * n)

    return run


def module(make, weights):
    """torch keeps the weights of its modules in tensors of its own."""
    cell = make(weights[0].shape[1], weights[1].shape[1])
    with torch.no_grad():
        for parameter, weight in zip(cell.parameters(), weights):
            parameter.copy_(weight)
    return cell


def lstm_module(params, make=torch.nn.LSTM):
    return module(make, [params["W"], params["U"], params["b"], torch.zeros_like(params["b"])])


def gru_module(params):
    zero = torch.zeros_like(params["cn"])
    return module(torch.nn.GRU, [
        torch.cat([params[f"W{gate}"] for gate in "rzn"]), torch.cat([params[f"U{gate}"] for gate in "rzn"]),
        torch.cat([params[f"b{gate}"] for gate in "rzn"]), torch.cat([zero, zero, params["cn"]])])


def lstm_gradients(cell):
    names = ("W", "U", "b")
    return {name: parameter.grad for name, parameter in zip(names, cell.parameters())}


def gru_gradients(cell):
    w, u, b, c = (parameter.grad for parameter in cell.parameters())
    parts = {}
    for name, joined in (("W", w), ("U", u), ("b", b)):
        for gate, part in zip("rzn", joined.chunk(3)):
            parts[name + gate] = part
    return parts | {"cn": c.chunk(3)[2]}


FUNCTIONS = {"affine": affine, "mingru": mingru}
MODULES = {"lstm": (lstm_module, lstm_gradients), "gru": (gru_module, gru_gradients)}


def main():
    arguments = common.parse()
    torch.set_num_threads(arguments.threads)
    inputs = torch_common.tensors("input.")
    params = torch_common.tensors("param.", dict)
    if arguments.stream:
        with torch.inference_mode():
            return stream(lstm_module(params, torch.nn.LSTMCell), inputs["x"])
    if arguments.kind in MODULES:
        make, gradients = MODULES[arguments.kind]
        cell = make(params)
        torch_common.report(lambda: cell(inputs["x"])[0], inputs, cell.parameters(), lambda: gradients(cell))
    elif arguments.kind in FUNCTIONS:
        run = FUNCTIONS[arguments.kind](inputs, params)
        gradients = lambda: {name: parameter.grad for name, parameter in params.items()}
        torch_common.report(run, inputs, params.values(), gradients)
    else:
        common.skip("no such model")


def stream(cell, x):
    def run():
        state, outputs = None, []
        for t in range(len(x)):
            state = cell(x[t], state)
            outputs.append(state[0])
        return torch.stack(outputs)

    common.report(common.measure(run, per=len(x)), common.batch_first(run()))


main()
