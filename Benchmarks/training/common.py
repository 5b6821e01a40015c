"""What recc's peers have in common in training on bytes: first weights and minibatches, which are recc's own, the loop and its report."""
import argparse
import json
import math
import struct
import time
from pathlib import Path

import numpy as np


def options(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", help="as recc's --text, in the same order")
    parser.add_argument("--weights", required=True, help="the first weights, as recc train --steps 0 -o writes them")
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--every", type=int, default=25)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--hold-out", type=float, default=0.1)
    parser.add_argument("--until", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="hold the model against another way to compute it, where there is one")
    return parser.parse_args()


def weights(path):
    """Tensors of a safetensors file, by name, in f32."""
    data = Path(path).read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    result = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, end = (start + offset for offset in entry["data_offsets"])
            tensor = np.frombuffer(data[first:end], {"F32": "<f4", "F64": "<f8"}[entry["dtype"]]).reshape(entry["shape"])
            result[name] = tensor.astype(np.float32)
    return result


class Generator:
    """Numbers from a seed and a name, as recc draws them: xoshiro256** (Blackman and Vigna 2021), seeded by SplitMix64."""
    MASK = (1 << 64) - 1

    def __init__(self, seed, name):
        # FNV-1a of the name.
        mixer = 0xCBF29CE484222325
        for byte in name.encode():
            mixer = (mixer ^ byte) * 0x100000001B3 & self.MASK
        mixer ^= seed
        self.state = []
        for _ in range(4):
            mixer = mixer + 0x9E3779B97F4A7C15 & self.MASK
            z = (mixer ^ mixer >> 30) * 0xBF58476D1CE4E5B9 & self.MASK
            z = (z ^ z >> 27) * 0x94D049BB133111EB & self.MASK
            self.state.append(z ^ z >> 31)

    def next(self):
        def rotated(x, k):
            return (x << k | x >> 64 - k) & self.MASK

        a, b, c, d = self.state
        c, d = c ^ a, d ^ b
        self.state = [a ^ d, b ^ c, c ^ (b << 17 & self.MASK), rotated(d, 45)]
        return rotated(b * 5 & self.MASK, 7) * 9 & self.MASK

    def below(self, bound):
        """Evenly from 0 to bound - 1 (Lemire 2019, arXiv:1805.10941)."""
        product = self.next() * bound
        while product & self.MASK < (1 << 64) % bound:
            product = self.next() * bound
        return product >> 64


def rate(o, step):
    """As recc's --schedule cosine; the first step is 1."""
    if step <= o.warmup:
        return o.lr * step / o.warmup
    return o.lr * 0.5 * (1 + math.cos(math.pi * (step - o.warmup - 1) / (o.steps - o.warmup)))


def train(o, step, loss):
    """Trains with step(tokens, targets, rate) -> loss; loss(tokens, targets) validates. Both take [batch, window]."""
    text = np.concatenate([np.frombuffer(Path(path).read_bytes(), np.uint8) for path in o.texts]).astype(np.int64)
    border = len(text) - round(len(text) * o.hold_out)
    training, held_out = text[:border], text[border:]

    def windows(stream, places):
        cut = np.stack([stream[place:place + o.window + 1] for place in places])
        return cut[:, :-1], cut[:, 1:]

    covering = range(0, len(held_out) - o.window, o.window)

    def validation():
        """Over as many windows at once as a minibatch has."""
        groups = [covering[k:k + o.batch] for k in range(0, len(covering), o.batch)]
        return sum(float(loss(*windows(held_out, some))) * len(some) for some in groups) / len(covering)

    losses = []
    since = time.perf_counter()
    for number in range(1, o.steps + 1):
        draw = Generator(o.seed, f"windows {number}")
        places = [draw.below(len(training) - o.window) for _ in range(o.batch)]
        losses.append(float(step(*windows(training, places), rate(o, number))))
        if number % o.every == 0 or number == o.steps:
            speed = len(losses) * o.batch * o.window / (time.perf_counter() - since)
            valid = validation()
            print(f"step {number} of {o.steps}  loss {np.mean(losses):.4f}  valid {valid:.4f}  {speed:.0f} tokens/s", flush=True)
            losses, since = [], time.perf_counter()
            if valid <= o.until:
                break
