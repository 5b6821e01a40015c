"""Every model with jax.lax.scan over the steps. Products with the input alone are taken for all steps at once."""
import jax
import jax.numpy as jnp
import jax_common
from jax import lax
from jax.nn import sigmoid


def scan(step, state, streams):
    """Unrolling helps where the state is one number, and harms everything else."""
    is_scalar = sum(leaf.size for leaf in jax.tree.leaves(state)) == 1
    return lax.scan(step, state, streams, unroll=8 if is_scalar else 1)[1]


def affine(inputs, params):
    def step(h, now):
        h = now["a"] * h + now["b"]
        return h, h

    return scan(step, jnp.zeros_like(inputs["b"][0]), inputs)


def mingru(inputs, params):
    z = sigmoid(inputs["x"] @ params["Wz"].T + params["bz"])
    n = inputs["x"] @ params["Wh"].T + params["bh"]
    return affine({"a": 1 - z, "b": z * n}, {})


def selective(inputs, params):
    def step(h, now):
        dt = now["dt"][..., None]
        h = jnp.exp(dt * params["A"]) * h + dt * now["x"][..., None] * now["b"][..., None, :]
        return h, jnp.einsum("bdn,bn->bd", h, now["c"])

    return scan(step, jnp.zeros(inputs["x"].shape[1:] + params["A"].shape[1:]), inputs)


def gated(inputs, params):
    def step(h, now):
        z = sigmoid(now["xz"] + params["az"] * h)
        r = sigmoid(now["xr"] + params["ar"] * h)
        n = jnp.tanh(now["xn"] + params["an"] * (r * h))
        h = (1 - z) * h + z * n
        return h, h

    return scan(step, jnp.zeros_like(inputs["xz"][0]), inputs)


def saturating_filter(inputs, params):
    def step(before, now):
        y = jnp.tanh(0.2 * now["x"] + 1.2 * before[0] - 0.5 * before[1])
        return (y, before[0]), y

    start = jnp.zeros_like(inputs["x"][0])
    return scan(step, (start, start), inputs)


def lstm(inputs, params):
    given = inputs["x"] @ params["W"].T + params["b"]

    def step(state, now):
        h, c = state
        i, f, g, o = jnp.split(now + h @ params["U"].T, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
        h = sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((given.shape[1], params["U"].shape[1]))
    return scan(step, (zero, zero), given)


def gru(inputs, params):
    given = {gate: inputs["x"] @ params[f"W{gate}"].T + params[f"b{gate}"] for gate in "zrn"}
    joined = jnp.concatenate([params["Uz"], params["Ur"], params["Un"]])

    def step(h, now):
        uz, ur, un = jnp.split(h @ joined.T, 3, axis=-1)
        z = sigmoid(now["z"] + uz)
        r = sigmoid(now["r"] + ur)
        n = jnp.tanh(now["n"] + r * (un + params["cn"]))
        h = (1 - z) * n + z * h
        return h, h

    return scan(step, jnp.zeros_like(given["n"][0]), given)


def normalised(inputs, params):
    given = {"n": inputs["x"] @ params["W"].T, "g": inputs["x"] @ params["Wg"].T + params["bg"]}
    joined = jnp.concatenate([params["U"], params["Ug"]])

    def step(h, now):
        un, ug = jnp.split(h @ joined.T, 2, axis=-1)
        n = now["n"] + un
        n = (n - n.mean(-1, keepdims=True)) * jax.lax.rsqrt(n.var(-1, keepdims=True) + 1e-5)
        g = sigmoid(now["g"] + ug)
        h = g * h + (1 - g) * jnp.tanh(n + params["b"])
        return h, h

    return scan(step, jnp.zeros_like(given["n"][0]), given)


def memory(step, inputs):
    """A matrix for each sequence and head; `step` gives the next one, which the queries read."""
    def read(S, now):
        S = step(S, now)
        return S, recalled(now["q"], S)

    return scan(read, jnp.zeros(inputs["k"].shape[1:] + inputs["v"].shape[-1:]), inputs)


def unit(k):
    return k / (1e-6 + jnp.linalg.norm(k, axis=-1, keepdims=True))


def outer(k, v):
    return k[..., :, None] * v[..., None, :]


def recalled(k, S):
    return jnp.einsum("bnk,bnkv->bnv", k, S)


def decayed_attention(inputs, params):
    inputs = inputs | {"kept": jnp.exp(-jnp.abs(inputs["rate"]))}
    return memory(lambda S, now: now["kept"][..., None, None] * S + outer(now["k"], now["v"]), inputs)


def gated_attention(inputs, params):
    inputs = inputs | {"kept": sigmoid(inputs["gate"])}
    return memory(lambda S, now: now["kept"][..., None] * S + outer(now["k"], now["v"]), inputs)


def delta_rule(inputs, params):
    inputs = {"q": inputs["q"], "k": unit(inputs["k"]), "v": inputs["v"], "rate": sigmoid(inputs["rate"])[..., None]}
    return memory(lambda S, now: S + outer(now["k"], now["rate"] * (now["v"] - recalled(now["k"], S))), inputs)


def gated_delta_rule(inputs, params):
    kept = jnp.exp(-jnp.abs(inputs["decay"]))[..., None, None]
    inputs = {"q": inputs["q"], "k": unit(inputs["k"]), "v": inputs["v"], "rate": sigmoid(inputs["rate"])[..., None], "kept": kept}

    def step(S, now):
        S = now["kept"] * S
        return S + outer(now["k"], now["rate"] * (now["v"] - recalled(now["k"], S)))

    return memory(step, inputs)


def matrix_lstm(inputs, params):
    given = inputs | {"f": jax.nn.log_sigmoid(inputs["f"])}

    def step(state, now):
        scale, C, n = state
        kept = now["f"] + scale
        scale = jnp.maximum(kept, now["i"])
        forget, write = jnp.exp(kept - scale)[..., None], jnp.exp(now["i"] - scale)[..., None]
        C = forget[..., None] * C + outer(write * now["k"], now["v"])
        n = forget * n + write * now["k"]
        divisor = jnp.maximum(jnp.abs(jnp.sum(now["q"] * n, -1)), jnp.exp(-scale))
        return (scale, C, n), recalled(now["q"], C) / divisor[..., None]

    shape = given["k"].shape[1:]
    return scan(step, (jnp.full(shape[:-1], -10.0), jnp.zeros(shape + given["v"].shape[-1:]), jnp.zeros(shape)), given)


def rwkv7(inputs, params):
    key = unit(inputs["erased"])
    given = {name: inputs[name] for name in ("q", "k", "v")} | {
        "kept": jnp.exp(-0.6 * sigmoid(inputs["decay"])), "key": key, "rated": sigmoid(inputs["rate"]) * key}
    return memory(
        lambda S, now: now["kept"][..., None] * S - outer(now["rated"], recalled(now["key"], S)) + outer(now["k"], now["v"]), given)


jax_common.main({
    "affine": affine, "mingru": mingru, "selective": selective, "gated": gated, "filter": saturating_filter, "lstm": lstm, "gru": gru, "normalised": normalised,
    "decayed_attention": decayed_attention, "gated_attention": gated_attention, "delta_rule": delta_rule,
    "gated_delta_rule": gated_delta_rule, "matrix_lstm": matrix_lstm, "rwkv7": rwkv7})
