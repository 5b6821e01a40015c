"""Recurrences of matrices in chunks of 64 steps, as their papers write them: products within all chunks at once, then a scan from
chunk to chunk. Tensors are [chunks, batch, heads, steps, …]."""
import common
import jax.numpy as jnp
import jax_common
from jax import lax
from jax.nn import log_sigmoid, sigmoid

# Steps of a block of a chunk, where each key has a gate and in triangular systems.
BLOCK = 16


def transposed(matrix):
    return jnp.swapaxes(matrix, -1, -2)


def between(total):
    """exp(total[i] - total[j]) where i ≥ j, else 0: what is left at step i of what was written at step j."""
    steps = total.shape[-1]
    return jnp.exp(jnp.where(jnp.tri(steps, dtype=bool), total[..., :, None] - total[..., None, :], -jnp.inf))


def states(factor, addend):
    """The states before each chunk."""
    def step(S, now):
        return now[0] * S + now[1], S

    return lax.scan(step, jnp.zeros_like(addend[0]), (factor, addend))[1]


def decay(q, k, v, logarithm):
    """S = exp(logarithm) S[t-1] + k vᵀ, read by q (Dao & Gu 2024, arXiv:2405.21060, §6)."""
    total = jnp.cumsum(logarithm, -1)
    last = total[..., -1:]
    within = q @ transposed(k) * between(total) @ v
    addend = transposed(k * jnp.exp(last - total)[..., None]) @ v
    return within + jnp.exp(total)[..., None] * q @ states(jnp.exp(last)[..., None], addend)


def decayed_attention(inputs, params):
    return decay(inputs["q"], inputs["k"], inputs["v"], -jnp.abs(inputs["rate"]))


def matrix_lstm(inputs, params):
    """The same with the gates relative to the scale; the sum of keys is one more column (Beck et al. 2024, arXiv:2405.04517)."""
    f, i, v = log_sigmoid(inputs["f"]), inputs["i"], inputs["v"]
    total = jnp.cumsum(f, -1)
    within = total + lax.cummax(i - total, i.ndim - 1)

    def step(before, now):
        scale = jnp.maximum(now[0] + before[..., None], now[1])
        return scale[..., -1], (before, scale)

    # The result does not depend on the scale.
    before, scale = lax.stop_gradient(lax.scan(step, jnp.full(i.shape[1:-1], -10.0), (total, within))[1])
    forget = f + jnp.concatenate([before[..., None], scale[..., :-1]], -1) - scale
    joined = jnp.concatenate([v, jnp.ones_like(v[..., :1])], -1)
    o = decay(inputs["q"], inputs["k"] * jnp.exp(i - scale)[..., None], joined, forget)
    return o[..., :-1] / jnp.maximum(jnp.abs(o[..., -1:]), jnp.exp(-scale)[..., None])


def gated_attention(inputs, params):
    """Gates for each key: blocks of a chunk meet in products, relative to the first step of the later one (Yang et al. 2023,
    arXiv:2312.06635, §4.3), and steps of a block relative to its middle. So, as in published kernels, gates must not be small
    without bound: e^±88 is the range of f32, hence about e^-10 in each step of half a block."""
    q, k, v = inputs["q"], inputs["k"], inputs["v"]
    total = jnp.cumsum(log_sigmoid(inputs["gate"]), -2)
    last = total[..., -1:, :]
    steps = q.shape[-2]
    blocks = lambda tensor: tensor.reshape(*tensor.shape[:-2], steps // BLOCK, BLOCK, tensor.shape[-1])
    first = blocks(total)[..., :1, :]
    # [blocks, steps of the chunk], for the steps before the block.
    earlier = jnp.arange(steps) < BLOCK * jnp.arange(steps // BLOCK)[:, None]
    past = jnp.exp(jnp.where(earlier[..., None], first - total[..., None, :, :], -jnp.inf)) * k[..., None, :, :]
    within = blocks(q) * jnp.exp(blocks(total) - first) @ transposed(past) @ v[..., None, :, :]
    middle = blocks(total)[..., BLOCK // 2 : BLOCK // 2 + 1, :]
    inner = blocks(q) * jnp.exp(blocks(total) - middle) @ transposed(blocks(k) * jnp.exp(middle - blocks(total)))
    within += jnp.where(jnp.tri(BLOCK, dtype=bool), inner, 0) @ blocks(v)
    addend = transposed(k * jnp.exp(last - total)) @ v
    return within.reshape(v.shape) + (q * jnp.exp(total)) @ states(transposed(jnp.exp(last)), addend)


def solved(lower, given):
    """(1 + the part of `lower` below its diagonal)⁻¹ given, block after block. A block of L is nilpotent, so that
    (1 + L)⁻¹ = (1 - L)(1 + L²)(1 + L⁴)(1 + L⁸). In jax 0.10.2 the gradient of many systems by `solve_triangular` can hang."""
    parts = []
    for start in range(0, given.shape[-2], BLOCK):
        now = slice(start, start + BLOCK)
        part = given[..., now, :]
        if parts:
            part = part - lower[..., now, :start] @ jnp.concatenate(parts, -2)
        power = jnp.tril(lower[..., now, now], -1)
        part = part - power @ part
        for _ in range(BLOCK.bit_length() - 2):
            power = power @ power
            part = part + power @ part
        parts.append(part)
    return jnp.concatenate(parts, -2)


def delta(q, k, v, rate, logarithm):
    """The delta rule with a decay, by one triangular system a chunk (Yang et al. 2024, arXiv:2412.06464, §3.3)."""
    total = jnp.cumsum(logarithm, -1)
    last, kept = total[..., -1:, None], jnp.exp(total)[..., None]
    mask = between(total)
    k = k / (1e-6 + jnp.linalg.norm(k, axis=-1, keepdims=True))
    rate = sigmoid(rate)[..., None]
    # What a step writes if the chunk began with an empty state, and how what was in the state counts against it.
    given = jnp.concatenate([rate * v, rate * kept * k], -1)
    written, erased = jnp.split(solved(rate * (k @ transposed(k)) * mask, given), [v.shape[-1]], -1)
    handed = transposed(k * jnp.exp(last - total[..., None]))

    def step(S, now):
        written, erased, handed, factor = now
        written = written - erased @ S
        return factor * S + handed @ written, (S, written)

    zero = jnp.zeros((*q.shape[1:3], q.shape[-1], v.shape[-1]))
    before, written = lax.scan(step, zero, (written, erased, handed, jnp.exp(last)))[1]
    return q @ transposed(k) * mask @ written + kept * q @ before


def delta_rule(inputs, params):
    return delta(inputs["q"], inputs["k"], inputs["v"], inputs["rate"], jnp.zeros_like(inputs["rate"]))


def gated_delta_rule(inputs, params):
    return delta(inputs["q"], inputs["k"], inputs["v"], inputs["rate"], -jnp.abs(inputs["decay"]))


jax_common.main({
    "decayed_attention": decayed_attention, "gated_attention": gated_attention, "delta_rule": delta_rule,
    "gated_delta_rule": gated_delta_rule, "matrix_lstm": matrix_lstm}, common.chunks_first, common.chunks_joined)
