"""Writes small random checkpoints, and what their models give, for the programs of examples/checkpoints.

    python3 references.py    (torch 2.13, transformers 5.24, safetensors)

NAME.safetensors has the weights as the library names them; NAME_case.safetensors inputs, outputs, the loss and the gradients by
those names. torch.nn.LSTM, Mamba and Mamba-2 are the libraries' own modules. RWKV-7 is written out here after arXiv:2503.14456,
with the names and shapes of RWKV7ForCausalLM of flash-linear-attention 0.4, which itself needs a GPU.
"""

import pathlib

import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import Mamba2Config, Mamba2ForCausalLM, MambaConfig, MambaForCausalLM

here = pathlib.Path(__file__).parent


def randomise(parameters):
    """Every tensor takes part, norms and biases too."""
    for name, parameter in parameters:
        if name.endswith("A_log"):
            parameter.data = torch.rand_like(parameter).log1p()
        elif parameter.dim() == 1:
            parameter.data = 0.3 * torch.randn_like(parameter) + (1 if "norm" in name and "bias" not in name else 0)
        else:
            parameter.data = torch.randn_like(parameter) * (1.2 / parameter.shape[-1] ** 0.5)


def write(name, parameters, case):
    save_file({key: value.detach().contiguous().float() for key, value in parameters}, here / f"{name}.safetensors", {"format": "pt"})
    gradients = {f"grad.{key}": value.grad for key, value in parameters}
    save_file({key: value.detach().contiguous() for key, value in (case | gradients).items()}, here / f"{name}_case.safetensors")


def lstm():
    torch.manual_seed(1)
    module = torch.nn.Module()
    module.lstm = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    module.double()
    x, cotangent = torch.randn(2, 7, 3).double(), torch.randn(2, 7, 8).double()
    # What torch.nn.LSTM starts from is random already; the file holds f32.
    for parameter in module.parameters():
        parameter.data = parameter.data.float().double()
    y, (h, c) = module.lstm(x)
    (y * cotangent).sum().backward()
    case = {"input.x": x, "output.y": y, "cotangent.y": cotangent}
    for k, layer in enumerate(["f0", "b0", "f1", "b1"]):
        case |= {f"final.{layer}.h": h[k], f"final.{layer}.c": c[k]}
    write("torch_lstm", list(module.named_parameters()), case)


def language_model(name, model, vocabulary):
    tokens = torch.randint(vocabulary, (2, 9))
    token, target = tokens[:, :-1], tokens[:, 1:]
    logits = model(token)
    logits = getattr(logits, "logits", logits)
    loss = F.cross_entropy(logits.flatten(0, 1), target.flatten())
    loss.backward()
    case = {"input.token": token, "input.target": target, "output.logits": logits, "loss.nll": loss.reshape(1)}
    write(name, list(model.named_parameters()), case)


def mamba():
    torch.manual_seed(2)
    sizes = dict(vocab_size=11, hidden_size=6, expand=2, state_size=3, time_step_rank=2, conv_kernel=4, num_hidden_layers=2)
    model = MambaForCausalLM(MambaConfig(**sizes, tie_word_embeddings=True)).eval()
    randomise(model.named_parameters())
    language_model("mamba_lm", model, 11)


def mamba2():
    torch.manual_seed(3)
    sizes = dict(vocab_size=11, hidden_size=6, expand=2, num_heads=4, head_dim=3, n_groups=2, state_size=2, num_hidden_layers=2)
    model = Mamba2ForCausalLM(Mamba2Config(**sizes, conv_kernel=4, chunk_size=4, tie_word_embeddings=False)).eval()
    randomise(model.named_parameters())
    language_model("mamba2_lm", model, 11)


class RWKV7(torch.nn.Module):
    """The recurrence step by step, in f64."""

    def __init__(self, vocabulary, heads, size, ff, ranks, layers):
        super().__init__()
        self.heads, self.size, self.layers, width = heads, size, layers, heads * size
        shapes = {"model.embeddings.weight": (vocabulary, width), "lm_head.weight": (vocabulary, width)}

        def norm(name):
            shapes.update({f"{name}.weight": (width,), f"{name}.bias": (width,)})

        norm("model.norm")
        for i in range(layers):
            p = f"model.layers.{i}."
            for name in (["pre_norm"] if i == 0 else []) + ["attn_norm", "ffn_norm", "attn.g_norm"]:
                norm(p + name)
            shapes |= {f"{p}attn.x_{k}": (1, 1, width) for k in "rwkvag"}
            shapes |= {f"{p}attn.k_k": (width,), f"{p}attn.k_a": (width,), f"{p}attn.r_k": (heads, size)}
            shapes |= {f"{p}attn.{k}_proj.weight": (width, width) for k in "rkvo"}
            for k in "wavg" if i else "wag":
                shapes |= {f"{p}attn.{k}_lora.lora.0.weight": (ranks[k], width), f"{p}attn.{k}_lora.lora.2.weight": (width, ranks[k])}
                if k != "g":
                    shapes[f"{p}attn.{k}_lora.lora.2.bias"] = (width,)
            shapes |= {f"{p}ffn.x_k": (width,), f"{p}ffn.key.weight": (ff, width), f"{p}ffn.value.weight": (width, ff)}
        self.tensors = {name: torch.nn.Parameter(torch.zeros(shape).double()) for name, shape in shapes.items()}

    def named_parameters(self):
        return self.tensors.items()

    def forward(self, token):
        t = self.tensors

        def norm(x, name):
            return F.layer_norm(x, x.shape[-1:], t[name + ".weight"], t[name + ".bias"], 1e-5)

        def shift(x):
            return F.pad(x, (0, 0, 1, -1))

        def lora(x, name, act):
            y = act(x @ t[name + "_lora.lora.0.weight"].T) @ t[name + "_lora.lora.2.weight"].T
            return y + t.get(name + "_lora.lora.2.bias", 0)

        x = t["model.embeddings.weight"][token]
        for i in range(self.layers):
            p = f"model.layers.{i}."
            if i == 0:
                x = norm(x, p + "pre_norm")
            n = norm(x, p + "attn_norm")
            b = {k: n + (shift(n) - n) * t[f"{p}attn.x_{k}"] for k in "rwkvag"}
            r, k, v = (b[j] @ t[f"{p}attn.{j}_proj.weight"].T for j in "rkv")
            w = torch.exp(-0.6065306597126334 * torch.sigmoid(lora(b["w"], p + "attn.w", torch.tanh)))
            if i == 0:
                first = v
            else:
                v = v + (first - v) * torch.sigmoid(lora(b["v"], p + "attn.v", lambda z: z))
            a = torch.sigmoid(lora(b["a"], p + "attn.a", lambda z: z))
            g = lora(b["g"], p + "attn.g", torch.sigmoid)

            def heads(z):
                return z.unflatten(-1, (self.heads, self.size))

            kk = F.normalize(heads(k * t[p + "attn.k_k"]), dim=-1)
            k = k * (1 + (a - 1) * t[p + "attn.k_a"])
            r, w, k, v, a = map(heads, (r, w, k, v, a))
            state = v.new_zeros(*v[:, 0].shape, self.size)  # [batch, head, value, key]
            outputs = []
            for s in range(token.shape[1]):
                gone = torch.einsum("bhvk,bhk->bhv", state, kk[:, s])
                state = state * w[:, s, :, None] - gone[..., None] * (kk * a)[:, s, :, None] + v[:, s, :, :, None] * k[:, s, :, None]
                outputs.append(torch.einsum("bhvk,bhk->bhv", state, r[:, s]))
            o = torch.stack(outputs, 1).flatten(-2)
            o = F.group_norm(o.flatten(0, 1), self.heads, t[p + "attn.g_norm.weight"], t[p + "attn.g_norm.bias"], self.size * 1e-5)
            o = o.view(n.shape) + ((r * k * t[p + "attn.r_k"]).sum(-1, keepdim=True) * v).flatten(-2)
            x = x + (o * g) @ t[p + "attn.o_proj.weight"].T
            n = norm(x, p + "ffn_norm")
            n = n + (shift(n) - n) * t[p + "ffn.x_k"]
            x = x + torch.relu(n @ t[p + "ffn.key.weight"].T) ** 2 @ t[p + "ffn.value.weight"].T
        return norm(x, "model.norm") @ t["lm_head.weight"].T


def rwkv7():
    torch.manual_seed(4)
    model = RWKV7(11, heads=2, size=3, ff=8, ranks=dict(w=2, a=3, v=2, g=4), layers=3)
    randomise(model.named_parameters())
    for parameter in model.tensors.values():
        parameter.data = parameter.data.float().double()
    language_model("rwkv7_lm", model, 11)


if __name__ == "__main__":
    torch.set_num_threads(1)
    lstm()
    mamba()
    mamba2()
    rwkv7()
