"""Recurrences of matrices in chunks of 64 steps, as their papers write them: products within all chunks at once, then a loop from
chunk to chunk. Tensors are [chunks, batch, heads, steps, …]."""
import common
import torch
import torch_common


def between(total):
    """exp(total[i] - total[j]) where i ≥ j, else 0: what is left at step i of what was written at step j."""
    return torch.exp((total[..., :, None] - total[..., None, :]).masked_fill(above(total.shape[-1]), -torch.inf))


def above(steps):
    return torch.ones(steps, steps, dtype=torch.bool).triu(1)


def decayed_attention(inputs):
    """Dao & Gu 2024, arXiv:2405.21060, §6."""
    q, k, v = inputs["q"], inputs["k"], inputs["v"]
    total = torch.cumsum(-inputs["rate"].abs(), -1)
    last = total[..., -1:]
    addend = (k * torch.exp(last - total)[..., None]).mT @ v
    S, before = torch.zeros_like(addend[0]), []
    for factor, now in zip(torch.exp(last)[..., None].unbind(), addend.unbind()):
        before.append(S)
        S = torch.addcmul(now, factor, S)
    within = (q @ k.mT * between(total)) @ v
    return within + torch.exp(total)[..., None] * (q @ torch.stack(before))


def delta(inputs, logarithm):
    """The delta rule with a decay, by one triangular system a chunk (Yang et al. 2024, arXiv:2412.06464, §3.3)."""
    q, k, v = inputs["q"], inputs["k"], inputs["v"]
    total = torch.cumsum(logarithm, -1)
    last, kept = total[..., -1:, None], torch.exp(total)[..., None]
    mask = between(total)
    k = k / (1e-6 + torch.linalg.vector_norm(k, dim=-1, keepdim=True))
    rate = torch.sigmoid(inputs["rate"])[..., None]
    # What a step writes if the chunk began with an empty state, and how what was in the state counts against it.
    given = torch.cat([rate * v, rate * kept * k], -1)
    solved = torch.linalg.solve_triangular(rate * (k @ k.mT) * mask, given, upper=False, unitriangular=True)
    written, erased = solved.split([v.shape[-1], k.shape[-1]], -1)
    handed = (k * torch.exp(last - total[..., None])).mT
    S, before, writes = torch.zeros(*q.shape[1:3], q.shape[-1], v.shape[-1]), [], []
    for now, erases, hands, factor in zip(written.unbind(), erased.unbind(), handed.unbind(), torch.exp(last).unbind()):
        before.append(S)
        writes.append(now - erases @ S)
        S = factor * S + hands @ writes[-1]
    return (q @ k.mT * mask) @ torch.stack(writes) + kept * (q @ torch.stack(before))


def delta_rule(inputs):
    return delta(inputs, torch.zeros_like(inputs["rate"]))


def gated_delta_rule(inputs):
    return delta(inputs, -inputs["decay"].abs())


FUNCTIONS = {"decayed_attention": decayed_attention, "delta_rule": delta_rule, "gated_delta_rule": gated_delta_rule}


def main():
    arguments = common.parse()
    if arguments.stream or arguments.kind not in FUNCTIONS:
        common.skip("no such model")
    inputs = torch_common.tensors("input.", common.chunks_first)
    run = lambda: FUNCTIONS[arguments.kind](inputs)
    torch_common.report(run, inputs, arrange=common.chunks_first, restore=common.chunks_joined)


main()
