#!/usr/bin/env python3
"""examples/stack_lm.rec in JAX, trained as docs/training.md trains it."""
import os

import common

o = common.options(__doc__)
os.environ.setdefault("XLA_FLAGS", f"--xla_cpu_multi_thread_eigen={'true' if o.threads > 1 else 'false'} intra_op_parallelism_threads={o.threads}")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402


def scan(keep, new):
    """h[t] = keep[t] h[t-1] + new[t], time first."""
    def one(h, now):
        h = now[0] * h + now[1]
        return h, h

    return jax.lax.scan(one, jnp.zeros_like(new[0]), (keep, new))[1]


def loss(p, tokens, targets):
    x = p["E"][tokens.T]
    for k in range(sum(name.endswith("Wz") for name in p)):
        u = p[f"blocks.{k}.g"] * x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6)
        z = jax.nn.sigmoid(u @ p[f"blocks.{k}.Wz"].T)
        h = scan(1 - z, z * (u @ p[f"blocks.{k}.Wh"].T))
        x = x + (jax.nn.sigmoid(u @ p[f"blocks.{k}.Wg"].T) * jax.nn.gelu(h, approximate=False)) @ p[f"blocks.{k}.Wo"].T
    logits = jax.nn.log_softmax(x @ p["head"].T)
    return -jnp.mean(jnp.take_along_axis(logits, targets.T[..., None], -1))


@jax.jit
def update(state, tokens, targets, rate):
    p, m, v, n = state
    value, g = jax.value_and_grad(loss)(p, tokens, targets)
    norm = jnp.sqrt(sum(jnp.sum(x * x) for x in jax.tree.leaves(g)))
    g = jax.tree.map(lambda x: x * jnp.minimum(1, 1 / norm), g)
    n = n + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    p = jax.tree.map(
        lambda p, m, v: (1 - rate * 0.01) * p - rate * (m / (1 - 0.9 ** n)) / (jnp.sqrt(v / (1 - 0.999 ** n)) + 1e-8), p, m, v)
    return (p, m, v, n), value


validate = jax.jit(loss)
start = jax.tree.map(jnp.asarray, common.weights(o.weights))
state = (start, jax.tree.map(jnp.zeros_like, start), jax.tree.map(jnp.zeros_like, start), jnp.float32(0))


def step(tokens, targets, rate):
    global state
    state, value = update(state, tokens, targets, rate)
    return value


common.train(o, step, lambda tokens, targets: validate(state[0], tokens, targets))
