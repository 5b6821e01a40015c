"""The mLSTM of the package mlstm-kernels, in chunks of 64 steps, with the backward pass that it writes by hand; its kernels for graphics
processors do not run here. It divides the queries by the root of their size, which is taken back first. Tensors are [batch, heads, steps, …]."""
import common
import numpy as np
import torch_common
from mlstm_kernels.torch.chunkwise.native import mlstm_chunkwise__native_autograd


def heads_first(tensors):
    return {name: np.ascontiguousarray(np.swapaxes(tensor, 1, 2)) for name, tensor in tensors.items()}


def steps_first(tensor):
    return np.swapaxes(np.asarray(tensor), 1, 2)


def main():
    arguments = common.parse()
    if arguments.stream or arguments.kind != "matrix_lstm":
        common.skip("no such model")
    inputs = torch_common.tensors("input.", heads_first)
    q, k, v, i, f = (inputs[name] for name in "qkvif")
    # Where the scale of the memory begins in the program.
    scale = q.new_full((*q.shape[:2], 1), -10)
    matrix, vector = q.new_zeros(*q.shape[:2], q.shape[-1], v.shape[-1]), q.new_zeros(*q.shape[:2], q.shape[-1])

    def run():
        return mlstm_chunkwise__native_autograd(
            q * q.shape[-1]**0.5, k, v, i, f, c_initial=matrix, n_initial=vector, m_initial=scale, chunk_size=64, eps=0.0)

    torch_common.report(run, inputs, arrange=heads_first, restore=steps_first)


main()
