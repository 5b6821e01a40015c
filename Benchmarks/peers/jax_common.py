"""Runs a model that is a jax function of a dictionary of inputs (time first) and one of parameters."""
import common
import jax
import jax.numpy as jnp


def main(models):
    arguments = common.parse()
    if arguments.stream or arguments.kind not in models:
        common.skip("no such model")
    model = models[arguments.kind]
    inputs = jax.device_put(common.time_first(common.tensors("input.")))
    params = jax.device_put(common.tensors("param."))
    forward = jax.jit(model)
    output = common.batch_first(forward(inputs, params))
    if not arguments.backward:
        return common.report(common.measure(lambda: forward(inputs, params).block_until_ready()), output)

    (cotangent,) = common.time_first(common.tensors("cotangent.")).values()
    cotangent = jax.device_put(cotangent)
    # The cotangent is an argument: a constant would be folded.
    both = jax.jit(jax.grad(lambda i, p, c: jnp.sum(model(i, p) * c), argnums=(0, 1)))
    timing = common.measure(lambda: jax.block_until_ready(both(inputs, params, cotangent)))
    streams, weights = both(inputs, params, cotangent)
    common.report(timing, output, {name: common.batch_first(tensor) for name, tensor in streams.items()} | weights)
