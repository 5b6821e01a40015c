#!/usr/bin/env python3
"""Tokens a second of language models under the names of their checkpoints (examples/checkpoints), beside transformers and, for RWKV-7,
the reference code in torch (docs/benchmarks.md). The weights are random; results are held against each other first."""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "Tests" / "RecTests" / "Checkpoints")]

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

import recc
import references

VOCABULARY, WIDTH = 8192, 512


def mamba(layers):
    sizes = dict(vocab_size=VOCABULARY, hidden_size=WIDTH, expand=2, state_size=16, time_step_rank=WIDTH // 16, conv_kernel=4)
    return transformers.MambaForCausalLM(transformers.MambaConfig(**sizes, num_hidden_layers=layers, tie_word_embeddings=True)).eval(), {}


def mamba2(layers):
    sizes = dict(vocab_size=VOCABULARY, hidden_size=WIDTH, expand=2, num_heads=2 * WIDTH // 64, head_dim=64, n_groups=1, state_size=64)
    config = transformers.Mamba2Config(**sizes, conv_kernel=4, num_hidden_layers=layers, tie_word_embeddings=False)
    return transformers.Mamba2ForCausalLM(config).eval(), {"G": 1}


def rwkv7(layers):
    model = references.RWKV7(VOCABULARY, heads=WIDTH // 64, size=64, ff=4 * WIDTH, ranks=dict(w=64, a=64, v=32, g=128), layers=layers)
    return model, {}


def logits(model, tokens):
    results = model(tokens)
    return getattr(results, "logits", results)


clock = time.perf_counter


def rates(bodies, tokens, rounds):
    """Tokens a second of each body: the medians of several turns through all of them."""
    times = [[] for _ in bodies]
    for _ in range(rounds):
        for body, own in zip(bodies, times):
            start = clock()
            body()
            own.append(clock() - start)
    return [tokens / statistics.median(own) for own in times]


def measure(name, make, options):
    torch.manual_seed(1)
    model, dims = make(options.layers)
    references.randomise(model.named_parameters())
    for _, parameter in model.named_parameters():
        parameter.data = parameter.data.float()
    tokens = torch.randint(VOCABULARY, (1, options.prompt))
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        file = pathlib.Path(folder) / "model.safetensors"
        save_file({key: value.detach().clone().contiguous() for key, value in model.named_parameters()}, file)
        compiled = recc.load(
            ROOT / "examples" / "checkpoints" / f"{name}_lm.rec", dims=dims, params=str(file), outputs=["logits"], threads=options.threads)
        expected, given = logits(model, tokens).numpy(), tokens.numpy()
        error = np.linalg.norm(compiled(token=given).logits - expected) / np.linalg.norm(expected)
        if not error < 1e-3:
            sys.exit(f"{name}: the logits differ by {error:.1e}")
        ours, theirs = rates([lambda: compiled(token=given), lambda: logits(model, tokens)], options.prompt, options.rounds)
        print(f"{name:8} a prompt of {options.prompt:4} tokens: {ours:10.0f} tokens/s, torch {theirs:8.0f}", flush=True)

        stream = compiled.stream()

        def generate():
            stream.reset()
            token = 0
            for _ in range(options.tokens):
                token = int(np.argmax(stream.step(token=token).logits))

        def generate_there():
            start = torch.zeros(1, 1, dtype=torch.long)
            model.generate(start, max_new_tokens=options.tokens, min_new_tokens=options.tokens, do_sample=False, pad_token_id=0)

        bodies = [generate] + ([generate_there] if hasattr(model, "generate") else [])
        ours, *theirs = rates(bodies, options.tokens, options.rounds)
        shown = f", torch {theirs[0]:8.0f}" if theirs else ""
        print(f"{name:8} {options.tokens:4} tokens one by one:    {ours:10.0f} tokens/s{shown}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["mamba", "mamba2", "rwkv7"])
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processor-time", action="store_true", help="of all threads together, to which other programs do less harm")
    options = parser.parse_args()
    if options.processor_time:
        clock = time.process_time
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    for name, make in [("mamba", mamba), ("mamba2", mamba2), ("rwkv7", rwkv7)]:
        if options.only in (None, name):
            measure(name, make, options)
