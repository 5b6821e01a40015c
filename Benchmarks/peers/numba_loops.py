"""The loop that one would write by hand: channels in blocks, threads over sequences and blocks."""
import common
import numba
import numpy as np


@numba.njit(parallel=True, fastmath=True)
def affine(a, b, h, block):
    batch, steps, channels = a.shape
    blocks = channels // block
    for task in numba.prange(batch * blocks):
        n, first = task // blocks, task % blocks * block
        for d in range(first, first + block):
            h[n, 0, d] = b[n, 0, d]
        for t in range(1, steps):
            for d in range(first, first + block):
                h[n, t, d] = a[n, t, d] * h[n, t - 1, d] + b[n, t, d]


@numba.njit(fastmath=True)
def affine_single(a, b, h):
    state = np.float32(0)
    for t in range(len(a)):
        state = a[t] * state + b[t]
        h[t] = state


def main():
    arguments = common.parse()
    if arguments.kind != "affine" or arguments.backward:
        common.skip("no such loop")
    numba.set_num_threads(min(arguments.threads, numba.config.NUMBA_NUM_THREADS))
    inputs = common.tensors("input.")
    a, b = inputs["a"], inputs["b"]
    h = np.empty_like(b)
    batch, _, channels = a.shape
    if batch * channels == 1:
        run = lambda: affine_single(a.ravel(), b.ravel(), h.ravel())
    else:
        # As few blocks as keep the threads busy.
        block = channels
        while batch * (channels // block) < arguments.threads and block % 2 == 0:
            block //= 2
        run = lambda: affine(a, b, h, block)
    timing = common.measure(run)
    common.report(timing, h)


main()
