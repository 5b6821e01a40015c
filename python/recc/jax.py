"""Models of recc within JAX."""

import jax
import numpy

from ._model import Model, Results, _checked, _inputs, _named

jax.tree_util.register_pytree_node(Results, lambda results: (tuple(results.values()), tuple(results)), lambda names, items: Results(zip(names, items)))


def call(model):
    """A function of JAX's arrays that can be compiled by `jax.jit` and differentiated by `jax.grad` and `jax.vjp`.

    It takes inputs, and parameters in the dict `params`, by name, and `threads`; it gives outputs and losses by name. The model runs on the
    CPU, by `jax.pure_callback`; once for each shape that is traced it runs on zeros, to see the shapes of its results. Under `jax.vmap` it
    runs once for each element: give a batch instead. Gradients of complex arrays are complex, by JAX's convention: the derivative by
    the real part minus i times that by the imaginary part.
    """
    _checked(model, Model, "model")

    def run(data, threads):
        def host(data):
            return {name: numpy.asarray(item) for name, item in model(data, threads=threads).items()}

        zeros = {name: numpy.zeros(item.shape, item.dtype) for name, item in data.items()}
        shapes = {name: jax.ShapeDtypeStruct(item.shape, jax.dtypes.canonicalize_dtype(item.dtype)) for name, item in host(zeros).items()}

        def fitting(data):
            return {name: item.astype(shapes[name].dtype) for name, item in host(data).items()}

        return jax.pure_callback(fitting, shapes, data, vmap_method="sequential")

    def pull(data, cotangents, threads):
        continuous = {name for name, item in data.items() if jax.numpy.issubdtype(item.dtype, jax.numpy.inexact)}
        cotangents = {name: item for name, item in cotangents.items() if item.dtype != jax.dtypes.float0}
        shapes = {name: jax.ShapeDtypeStruct(data[name].shape, data[name].dtype) for name in sorted(continuous)}

        def fitting(item, shape):
            if jax.numpy.issubdtype(shape.dtype, jax.numpy.complexfloating):
                # The derivatives by the real and by the imaginary part; JAX has the conjugate of their complex number.
                item = item[..., 0] - 1j * item[..., 1]
            return item.reshape(shape.shape).astype(shape.dtype)

        def host(data, cotangents):
            wanted = {name: numpy.asarray(item) for name, item in cotangents.items()}
            # What nobody asked for comes as zeros.
            wanted = {name: item for name, item in wanted.items() if item.any()}
            if not wanted:
                return {name: numpy.zeros(shape.shape, shape.dtype) for name, shape in shapes.items()}
            names = list(shapes)
            gradients = model.vjp(wanted, data, wrt=names, threads=threads)
            # They come in the order in which they were asked for.
            return {name: fitting(item, shapes[name]) for name, item in zip(names, gradients.values())}

        found = jax.pure_callback(host, shapes, data, cotangents, vmap_method="sequential") if shapes else {}
        return {name: found[name] if name in found else numpy.zeros(item.shape, jax.dtypes.float0) for name, item in data.items()}

    def differentiable(threads):
        @jax.custom_vjp
        def apply(data):
            return run(data, threads)

        apply.defvjp(lambda data: (run(data, threads), data), lambda data, cotangents: (pull(data, cotangents, threads),))
        return apply

    def function(inputs=None, /, *, params=None, threads=0, **named):
        given, params = {**_inputs(inputs, model), **named}, _named(params, "params")
        for name in params:
            if name in given:
                raise TypeError(f"'{name}' is given twice")
        given.update(params)
        return Results(differentiable(threads)({name: jax.numpy.asarray(item) for name, item in given.items()}))

    return function
