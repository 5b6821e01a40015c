"""Times a torch function of no arguments, alone or with autograd's gradients. Inputs are time first, or as `arrange` lays them out;
`restore` makes it batch and time again."""
import common
import numpy as np
import torch


def tensors(prefix, arrange=common.time_first):
    return {name: torch.from_numpy(tensor) for name, tensor in arrange(common.tensors(prefix)).items()}


def report(run, inputs, weights=(), named_gradients=dict, arrange=common.time_first, restore=common.batch_first):
    """`named_gradients` gives those of the weights, once they are there."""
    torch.set_num_threads(common.arguments.threads)
    if not common.arguments.backward:
        with torch.inference_mode():
            return common.report(common.measure(run), restore(run()))

    (cotangent,) = tensors("cotangent.", arrange).values()
    leaves = [*inputs.values(), *weights]
    for leaf in leaves:
        leaf.requires_grad_()

    def both():
        for leaf in leaves:
            leaf.grad = None
        output = run()
        output.backward(cotangent)
        return output

    timing = common.measure(both)
    output = both().detach()
    gradients = {name: restore(tensor.grad) for name, tensor in inputs.items()} | named_gradients()
    common.report(timing, restore(output), {name: np.asarray(tensor) for name, tensor in gradients.items()})
