#!/usr/bin/env python3
"""examples/mamba2.rec and examples/gated_delta_net.rec in PyTorch, with their matrix states in chunks of 64 steps as the papers
write them; trained from the same first weights on the same minibatches as recc, with the same optimizer.

    torch_blocks.py TEXT … --weights FIRST    trains; the weights say which model it is
    torch_blocks.py --weights FIRST --check   holds chunks against one step after another, in f64
"""
import common
import torch
import torch_training
from torch.nn.functional import cross_entropy, embedding, linear, pad, rms_norm, silu, softplus

CHUNK = 64


def norm(x, weight, eps=1e-6):
    return rms_norm(x, x.shape[-1:], weight, eps)


def convolution(x, w):
    """Each channel of [batch, time, channels] for itself, the oldest step first."""
    steps = x.shape[1]
    x = pad(x, (0, 0, len(w) - 1, 0))
    return sum(w[k] * x[:, k:k + steps] for k in range(len(w)))


# What is kept of what was written at step j at a later step i of a chunk: exp(total[i] - total[j]), and 0 above the diagonal.
def between(total):
    above = torch.ones(total.shape[-1], total.shape[-1], dtype=torch.bool).triu(1)
    return torch.exp((total[..., :, None] - total[..., None, :]).masked_fill(above, -torch.inf))


def chunked(x, heads=True):
    """[batch, time, heads, …] as [chunks, batch, heads, steps, …]; without heads [batch, time, …] as [chunks, batch, 1, steps, …]."""
    if not heads:
        x = x.unsqueeze(2)
    x = pad(x, (0, 0) * (x.dim() - 2) + (0, -x.shape[1] % CHUNK))
    return x.unflatten(1, (-1, CHUNK)).movedim(1, 0).transpose(2, 3)


def joined(y, steps):
    return y.transpose(2, 3).movedim(0, 1).flatten(1, 2)[:, :steps]


def space_chunks(x, B, C, logarithm):
    """Dao & Gu 2024, arXiv:2405.21060, §6. x: [batch, time, heads, P], B and C: [batch, time, N], logarithm: [batch, time, heads]."""
    steps = x.shape[1]
    x, B, C, total = chunked(x), chunked(B, False), chunked(C, False), chunked(logarithm).cumsum(-1)
    last = total[..., -1:]
    addend = (x * torch.exp(last - total)[..., None]).mT @ B
    S, before = torch.zeros_like(addend[0]), []
    for factor, now in zip(torch.exp(last)[..., None].unbind(), addend.unbind()):
        before.append(S)
        S = torch.addcmul(now, factor, S)
    within = (C @ B.mT * between(total)) @ x
    return joined(within + torch.exp(total)[..., None] * (C @ torch.stack(before).mT), steps)


def space_steps(x, B, C, logarithm):
    S, results = x.new_zeros(*x[:, 0].shape, B.shape[-1]), []
    for t in range(x.shape[1]):
        S = torch.exp(logarithm[:, t])[..., None, None] * S + x[:, t, :, :, None] * B[:, t, None, None, :]
        results.append((S * C[:, t, None, None, :]).sum(-1))
    return torch.stack(results, 1)


def memory_chunks(q, k, v, rate, logarithm):
    """Yang et al. 2024, arXiv:2412.06464, §3.3, by one triangular system a chunk. q, k, v: [batch, time, heads, …]."""
    steps = q.shape[1]
    q, k, v, rate, total = chunked(q), chunked(k), chunked(v), chunked(rate)[..., None], chunked(logarithm).cumsum(-1)
    last, kept, mask = total[..., -1:, None], torch.exp(total)[..., None], between(total)
    # What a step writes if the chunk began with an empty state, and how what was in the state counts against it.
    given = torch.cat([rate * v, rate * kept * k], -1)
    solved = torch.linalg.solve_triangular(rate * (k @ k.mT) * mask, given, upper=False, unitriangular=True)
    written, erased = solved.split([v.shape[-1], k.shape[-1]], -1)
    handed = (k * torch.exp(last - total[..., None])).mT
    S, before, writes = q.new_zeros(*q.shape[1:3], q.shape[-1], v.shape[-1]), [], []
    for now, erases, hands, factor in zip(written.unbind(), erased.unbind(), handed.unbind(), torch.exp(last).unbind()):
        before.append(S)
        writes.append(now - erases @ S)
        S = factor * S + hands @ writes[-1]
    return joined((q @ k.mT * mask) @ torch.stack(writes) + kept * (q @ torch.stack(before)), steps)


def memory_steps(q, k, v, rate, logarithm):
    S, results = q.new_zeros(*q[:, 0].shape, v.shape[-1]), []
    for t in range(q.shape[1]):
        S = torch.exp(logarithm[:, t])[..., None, None] * S
        found = (k[:, t, :, :, None] * S).sum(-2)
        S = S + rate[:, t, :, None, None] * k[:, t, :, :, None] * (v[:, t] - found)[:, :, None, :]
        results.append((q[:, t, :, :, None] * S).sum(-2))
    return torch.stack(results, 1)


CHUNKS, STEPS = (space_chunks, memory_chunks), (space_steps, memory_steps)


def mamba2_block(p, x, space):
    heads, width = len(p["space.A_log"]), len(p["gated_norm"])
    size = (len(p["in"]) - 2 * width - heads) // 2
    gate, mixed, dt = linear(norm(x, p["norm"]), p["in"]).split([width, width + 2 * size, heads], -1)
    mixed = silu(convolution(mixed, p["conv.w"]) + p["conv.b"])
    x0, B, C = mixed.split([width, size, size], -1)
    x0 = x0.unflatten(-1, (heads, -1))
    dt = softplus(dt + p["space.dt_bias"])
    y = space(dt[..., None] * x0, B, C, -dt * torch.exp(p["space.A_log"])) + p["space.skip"][:, None] * x0
    return x + linear(norm(y.flatten(-2) * silu(gate), p["gated_norm"]), p["out"])


def delta_block(p, x, memory):
    heads, values = len(p["mixer.memory.A_log"]), len(p["mixer.norm"])
    width = heads * values
    keys = (len(p["mixer.in"]) - 2 * width - 2 * heads) // 2
    mixed, gate, a, b = linear(norm(x, p["norm"]), p["mixer.in"]).split([2 * keys + width, width, heads, heads], -1)
    q, k, v = silu(convolution(mixed, p["mixer.conv.w"])).split([keys, keys, width], -1)
    q, k, v, gate = (z.unflatten(-1, (heads, -1)) for z in (q, k, v, gate))
    q = q * torch.rsqrt((q * q).sum(-1, keepdim=True) + 1e-6) * (keys // heads) ** -0.5
    k = k * torch.rsqrt((k * k).sum(-1, keepdim=True) + 1e-6)
    logarithm = -softplus(a + p["mixer.memory.dt_bias"]) * torch.exp(p["mixer.memory.A_log"])
    o = norm(memory(q, k, v, torch.sigmoid(b), logarithm), p["mixer.norm"]) * silu(gate)
    x = x + linear(o.flatten(-2), p["mixer.out"])
    u = norm(x, p["norm2"])
    return x + linear(silu(linear(u, p["ffn.gate"])) * linear(u, p["ffn.up"]), p["ffn.down"])


def logits(p, tokens, states=CHUNKS):
    """tokens: [batch, time]; which of the two models it is, its parameters say."""
    x = embedding(tokens, p["embedding"])
    for layer in range(sum(name.endswith("A_log") for name in p)):
        block = {name.split(".", 2)[2]: value for name, value in p.items() if name.startswith(f"blocks.{layer}.")}
        x = mamba2_block(block, x, states[0]) if "space.A_log" in block else delta_block(block, x, states[1])
    return linear(norm(x, p["norm"]), p["head"])


def loss(p, tokens, targets, states=CHUNKS):
    return cross_entropy(logits(p, tokens, states).flatten(0, 1), targets.flatten())


def check(p):
    """Raises where chunks and steps differ, in the loss or a gradient."""
    p = {name: value.double().requires_grad_() for name, value in p.items()}
    tokens = torch.randint(len(p["embedding"]), (2, 2 * CHUNK + 8), generator=torch.Generator().manual_seed(1))
    results = []
    for states in (CHUNKS, STEPS):
        value = loss(p, tokens[:, :-1], tokens[:, 1:], states)
        results.append([value.detach(), *torch.autograd.grad(value, list(p.values()))])
    for name, a, b in zip(["loss", *p], *results):
        error = float((a - b).norm() / b.norm())
        if not error < 1e-9:
            raise SystemExit(f"{name}: chunks and steps differ by {error:.1e}")
    print("chunks and steps agree")


def main():
    o = common.options(__doc__)
    torch.set_num_threads(o.threads)
    p = {name: torch.tensor(value, requires_grad=not o.check) for name, value in common.weights(o.weights).items()}
    if o.check:
        return check(p)
    torch_training.train(o, p, lambda tokens, targets: loss(p, tokens, targets), fused=True)


if __name__ == "__main__":
    main()
