"""Runs a model that is a jax function of a dictionary of inputs and one of parameters. Inputs are time first, or as `arrange`
lays them out; `restore` makes it batch and time again."""
import common
import jax
import jax.numpy as jnp


def main(models, arrange=common.time_first, restore=common.batch_first):
    arguments = common.parse()
    if arguments.stream or arguments.kind not in models:
        common.skip("no such model")
    model = models[arguments.kind]
    inputs = jax.device_put(arrange(common.tensors("input.")))
    params = jax.device_put(common.tensors("param."))
    forward = jax.jit(model)
    output = restore(forward(inputs, params))
    if not arguments.backward:
        return common.report(common.measure(lambda: forward(inputs, params).block_until_ready()), output)

    (cotangent,) = arrange(common.tensors("cotangent.")).values()
    cotangent = jax.device_put(cotangent)
    # The cotangent is an argument: a constant would be folded.
    both = jax.jit(jax.grad(lambda i, p, c: jnp.sum(model(i, p) * c), argnums=(0, 1)))
    timing = common.measure(lambda: jax.block_until_ready(both(inputs, params, cotangent)))
    streams, weights = both(inputs, params, cotangent)
    common.report(timing, output, {name: restore(tensor) for name, tensor in streams.items()} | weights)
