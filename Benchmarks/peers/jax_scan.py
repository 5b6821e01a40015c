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


jax_common.main(
    {"affine": affine, "mingru": mingru, "selective": selective, "gated": gated, "lstm": lstm, "gru": gru, "normalised": normalised})
