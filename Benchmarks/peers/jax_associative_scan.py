"""The models that are affine in the state, with jax.lax.associative_scan over pairs of a factor and an addend."""
import jax.numpy as jnp
import jax_common
from jax import lax
from jax.nn import sigmoid


def combine(first, second):
    return second[0] * first[0], second[0] * first[1] + second[1]


def affine(inputs, params):
    return lax.associative_scan(combine, (inputs["a"], inputs["b"]))[1]


def mingru(inputs, params):
    z = sigmoid(inputs["x"] @ params["Wz"].T + params["bz"])
    n = inputs["x"] @ params["Wh"].T + params["bh"]
    return affine({"a": 1 - z, "b": z * n}, {})


def selective(inputs, params):
    dt = inputs["dt"][..., None]
    addend = dt * inputs["x"][..., None] * inputs["b"][..., None, :]
    h = affine({"a": jnp.exp(dt * params["A"]), "b": addend}, {})
    return jnp.einsum("tbdn,tbn->tbd", h, inputs["c"])


jax_common.main({"affine": affine, "mingru": mingru, "selective": selective})
