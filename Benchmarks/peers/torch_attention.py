"""Causal softmax attention as torch fuses it, on the same queries, keys and values: another function than the recurrence's, which is why
it is not compared with recc's results. It says what the recurrences that replace it cost beside it."""
import common
import numpy as np
import torch
import torch_common


def heads_first(tensors):
    return {name: np.ascontiguousarray(np.swapaxes(tensor, 1, 2)) for name, tensor in tensors.items()}


def main():
    arguments = common.parse()
    inputs = torch_common.tensors("input.", heads_first)
    if arguments.stream or not {"q", "k", "v"} <= inputs.keys():
        common.skip("no queries, keys and values")
    leaves = [inputs[name] for name in "qkv"]
    run = lambda: torch.nn.functional.scaled_dot_product_attention(*leaves, is_causal=True)
    torch.set_num_threads(arguments.threads)
    if arguments.backward:
        (cotangent,) = torch_common.tensors("cotangent.", heads_first).values()
        for leaf in leaves:
            leaf.requires_grad_()

        def both():
            for leaf in leaves:
                leaf.grad = None
            run().backward(cotangent)

        return common.report_time(common.measure(both))
    with torch.inference_mode():
        common.report_time(common.measure(run))


main()
