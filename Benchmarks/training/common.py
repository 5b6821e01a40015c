"""What recc's peers have in common in training examples/stack_lm.rec on bytes: data, schedule, the loop and its report."""
import argparse
import math
import time
from pathlib import Path

import numpy as np

VOCABULARY, WIDTH, STATES, LAYERS = 256, 64, 128, 2


def options(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("texts", nargs="+", help="as recc's --text, in the same order")
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
    return parser.parse_args()


def parameters(seed):
    """The initialisers of the program: glorot where nothing is said."""
    random = np.random.default_rng(seed)

    def glorot(rows, columns):
        bound = math.sqrt(6 / (rows + columns))
        return random.uniform(-bound, bound, (rows, columns)).astype(np.float32)

    result = {"E": (0.1 * random.standard_normal((VOCABULARY, WIDTH))).astype(np.float32), "head": glorot(VOCABULARY, WIDTH)}
    for layer in range(LAYERS):
        result[f"g{layer}"] = np.ones(WIDTH, np.float32)
        for name in ("Wz", "Wh", "Wg"):
            result[f"{name}{layer}"] = glorot(STATES, WIDTH)
        result[f"Wo{layer}"] = glorot(WIDTH, STATES)
    return result


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
    random = np.random.default_rng(o.seed)

    def windows(stream, places):
        cut = np.stack([stream[place:place + o.window + 1] for place in places])
        return cut[:, :-1], cut[:, 1:]

    covering = range(0, len(held_out) - o.window, o.window)
    checked = windows(held_out, covering)
    losses = []
    since = time.perf_counter()
    for number in range(1, o.steps + 1):
        places = random.integers(0, len(training) - o.window, o.batch)
        losses.append(float(step(*windows(training, places), rate(o, number))))
        if number % o.every == 0 or number == o.steps:
            speed = len(losses) * o.batch * o.window / (time.perf_counter() - since)
            valid = float(loss(*checked))
            print(f"step {number} of {o.steps}  loss {np.mean(losses):.4f}  valid {valid:.4f}  {speed:.0f} tokens/s", flush=True)
            losses, since = [], time.perf_counter()
            if valid <= o.until:
                break
