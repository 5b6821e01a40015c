"""Writes cases for language models of examples/: weights, tokens, logits, the loss and gradients.

    python3 references.py    (torch 2.13, safetensors)

They are computed one step after another, in f64, by the models of Benchmarks/training/torch_blocks.py, which know nothing of recc.
"""
import pathlib
import sys

import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent
sys.path.insert(0, str(here.parents[2] / "Benchmarks/training"))
import torch_blocks

TOKENS, WIDTH, HEADS, LAYERS, STEPS = 11, 6, 2, 2, 70


def mamba2(P=3, N=4):
    E, M = HEADS * P, HEADS * P + 2 * N
    block = {
        "norm": [WIDTH], "in": [E + M + HEADS, WIDTH], "conv.w": [4, M], "conv.b": [M], "space.A_log": [HEADS], "space.dt_bias": [HEADS],
        "space.skip": [HEADS], "gated_norm": [E], "out": [WIDTH, E]}
    write("mamba2", block, dict(V=TOKENS, D=WIDTH, H=HEADS, P=P, N=N, L=LAYERS))


def gated_delta_net(K=3, V=5, F=7):
    E, M = HEADS * V, HEADS * (2 * K + V)
    block = {
        "norm": [WIDTH], "norm2": [WIDTH], "mixer.in": [M + E + 2 * HEADS, WIDTH], "mixer.conv.w": [4, M], "mixer.memory.A_log": [HEADS],
        "mixer.memory.dt_bias": [HEADS], "mixer.norm": [V], "mixer.out": [WIDTH, E], "ffn.gate": [F, WIDTH], "ffn.up": [F, WIDTH],
        "ffn.down": [WIDTH, F]}
    write("gated_delta_net", block, dict(Y=TOKENS, D=WIDTH, H=HEADS, K=K, V=V, F=F, L=LAYERS))


def drawn(name, shape):
    """Every tensor takes part, and decays leave some of a state for ten steps."""
    last = name.split(".")[-1]
    if last == "dt_bias":
        return torch.randn(shape) - 1.5
    if last == "A_log":
        return 0.5 * torch.randn(shape) - 1
    if len(shape) == 1:
        return 0.3 * torch.randn(shape) + (1 if "norm" in last or last == "skip" else 0)
    return torch.randn(shape) * (1.2 / shape[-1] ** 0.5 if last != "w" else 0.5)


def write(name, block, dims):
    torch.manual_seed(5)
    shapes = {"embedding": [TOKENS, WIDTH], "norm": [WIDTH], "head": [TOKENS, WIDTH]}
    shapes |= {f"blocks.{layer}.{key}": shape for layer in range(LAYERS) for key, shape in block.items()}
    p = {key: drawn(key, shape).double().requires_grad_() for key, shape in shapes.items()}
    tokens = torch.randint(TOKENS, (2, STEPS + 1))
    token, target = tokens[:, :-1], tokens[:, 1:]
    logits = torch_blocks.logits(p, token, torch_blocks.STEPS)
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
    loss.backward()
    case = {"input.token": token.int(), "input.target": target.int(), "output.logits": logits, "loss.nll": loss.reshape(1)}
    for key, value in p.items():
        case |= {f"param.{key}": value, f"grad.{key}": value.grad}
    metadata = {"dims": ",".join(f"{key}={size}" for key, size in dims.items())}
    save_file({key: value.detach().contiguous() for key, value in case.items()}, here / f"{name}.safetensors", metadata)


if __name__ == "__main__":
    torch.set_num_threads(1)
    mamba2()
    gated_delta_net()
