#!/usr/bin/env python3
"""examples/stack_lm.rec in PyTorch, trained as docs/training.md trains it."""
import common
import torch
from torch.nn.functional import cross_entropy, embedding, gelu, linear, rms_norm

o = common.options(__doc__)
torch.set_num_threads(o.threads)
p = {name: torch.tensor(value, requires_grad=True) for name, value in common.weights(o.weights).items()}
optimizer = torch.optim.AdamW(p.values(), lr=o.lr, weight_decay=0.01)


def scan(keep, new):
    """h[t] = keep[t] h[t-1] + new[t], time first; torch has no scan of its own."""
    h, all_of_it = torch.zeros_like(new[0]), []
    for a, b in zip(keep.unbind(), new.unbind()):
        h = torch.addcmul(b, a, h)
        all_of_it.append(h)
    return torch.stack(all_of_it)


def loss(tokens, targets):
    x = embedding(torch.from_numpy(tokens).T, p["E"])
    for k in range(sum(name.endswith("Wz") for name in p)):
        u = rms_norm(x, x.shape[-1:], p[f"blocks.{k}.g"], 1e-6)
        z = torch.sigmoid(linear(u, p[f"blocks.{k}.Wz"]))
        h = scan(1 - z, z * linear(u, p[f"blocks.{k}.Wh"]))
        x = x + linear(torch.sigmoid(linear(u, p[f"blocks.{k}.Wg"])) * gelu(h), p[f"blocks.{k}.Wo"])
    return cross_entropy(linear(x, p["head"]).flatten(0, 1), torch.from_numpy(targets).T.flatten())


def step(tokens, targets, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    value = loss(tokens, targets)
    value.backward()
    torch.nn.utils.clip_grad_norm_(p.values(), 1.0)
    optimizer.step()
    return value.detach()


def validate(tokens, targets):
    with torch.no_grad():
        return loss(tokens, targets)


common.train(o, step, validate)
