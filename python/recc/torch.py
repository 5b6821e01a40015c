"""Models of recc within PyTorch."""

import torch
from torch.autograd.function import once_differentiable

from ._errors import Error
from ._model import Model, Results, _checked, _inputs, _named


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx, model, names, options, found, *tensors):
        ctx.set_materialize_grads(False)
        ctx.model, ctx.names, ctx.options = model, names, options
        ctx.save_for_backward(*tensors)
        results = model({name: tensor.detach() for name, tensor in zip(names, tensors)}, **options)
        # Tensors lie over the memory of the results.
        outputs = [torch.from_numpy(numbers) for numbers in results.values()]
        found.extend(results)
        ctx.found = found
        ctx.mark_non_differentiable(*(output for output in outputs if not output.is_floating_point()))
        return tuple(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):
        cotangents = {name: grad for name, grad in zip(ctx.found, grads) if grad is not None}
        needed = [name for name, needs in zip(ctx.names, ctx.needs_input_grad[4:]) if needs]
        tensors = dict(zip(ctx.names, ctx.saved_tensors))
        if not cotangents or not needed:
            return (None,) * (4 + len(ctx.names))
        gradients = ctx.model.vjp(cotangents, {name: tensor.detach() for name, tensor in tensors.items()}, wrt=needed, **ctx.options)
        # Gradients come in the order in which they were asked for, parameters by path.
        found = dict(zip(needed, gradients.values()))

        def gradient(name):
            if name not in found:
                return None
            tensor, pairs = tensors[name], torch.from_numpy(found[name])
            if tensor.is_complex():
                # The derivatives by the real and by the imaginary part, which torch has as one complex number.
                pairs = torch.view_as_complex(pairs)
            return pairs.reshape(tensor.shape).to(tensor.dtype)

        return (None, None, None, None, *(gradient(name) for name in ctx.names))


def function(model):
    """A function of tensors that is differentiated as others are.

    It takes inputs, and parameters in the dict `params`, by name, and `lengths` and `threads` as they are; it gives outputs and losses by
    name. Parameters that are not given are the model's own, and are not trained. Tensors lie in the memory of the CPU; they are not copied
    where their type is that of the model. The backward pass runs the model again, with its gradients. Those of complex tensors are
    complex, by torch's convention: the derivative by the real part plus i times that by the imaginary part.
    """
    _checked(model, Model, "model")

    def call(inputs=None, /, *, params=None, lengths=None, threads=0, **named):
        given, params = {**_inputs(inputs, model), **named}, _named(params, "params")
        for name in params:
            if name in given:
                raise TypeError(f"'{name}' is given twice")
        given.update(params)
        for name, item in given.items():
            if not isinstance(item, torch.Tensor):
                raise TypeError(f"'{name}' is a tensor of torch, and not {type(item).__name__}")
            if item.device.type != "cpu":
                raise Error(f"'{name}' is on {item.device}, and recc runs on the CPU\n  help: give {name}.cpu()")
        found = []
        outputs = _Run.apply(model, list(given), {"lengths": lengths, "threads": threads}, found, *given.values())
        return Results(zip(found, outputs))

    return call
