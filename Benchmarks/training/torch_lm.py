#!/usr/bin/env python3
"""examples/stack_lm.rec in PyTorch, trained as docs/training.md trains it."""
import common
import torch
import torch_training
from torch.nn.functional import cross_entropy, embedding, gelu, linear, rms_norm

o = common.options(__doc__)
torch.set_num_threads(o.threads)
p = {name: torch.tensor(value, requires_grad=True) for name, value in common.weights(o.weights).items()}


def scan(keep, new):
    """h[t] = keep[t] h[t-1] + new[t], time first; torch has no scan of its own."""
    h, all_of_it = torch.zeros_like(new[0]), []
    for a, b in zip(keep.unbind(), new.unbind()):
        h = torch.addcmul(b, a, h)
        all_of_it.append(h)
    return torch.stack(all_of_it)


def loss(tokens, targets):
    x = embedding(tokens.T, p["E"])
    for k in range(sum(name.endswith("Wz") for name in p)):
        u = rms_norm(x, x.shape[-1:], p[f"blocks.{k}.g"], 1e-6)
        z = torch.sigmoid(linear(u, p[f"blocks.{k}.Wz"]))
        h = scan(1 - z, z * linear(u, p[f"blocks.{k}.Wh"]))
        x = x + linear(torch.sigmoid(linear(u, p[f"blocks.{k}.Wg"])) * gelu(h), p[f"blocks.{k}.Wo"])
    return cross_entropy(linear(x, p["head"]).flatten(0, 1), targets.T.flatten())


torch_training.train(o, p, loss)
