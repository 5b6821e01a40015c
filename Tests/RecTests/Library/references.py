"""Writes a small random case for each model of the standard library: what its equations give, written out here as plain loops in f64.

    python3 references.py    (torch 2.13, transformers 5.24, flash-linear-attention's fla-core 0.6, safetensors)

`std.gru.GRU.safetensors` is of the model GRU of std.gru: inputs, parameters under the names that the model gives their tensors, outputs, and
gradients by torch. Where a library has the same model, its results for the same tensors are held against these loops, to the precision
with which it computes.
"""

import importlib.util
import pathlib

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

here = pathlib.Path(__file__).parent
BATCH, LENGTH = 2, 7
torch.set_num_threads(1)


def random(*shape, scale=1.0):
    # Numbers that f32 holds, so that every engine gets the same.
    return (scale * torch.randn(*shape)).float().double()


def case(name, dims, inputs, parameters, step=None, whole=None, once={}, peer=None, special={}, lengths={}):
    """Writes a case.

    inputs, once, parameters: shapes by name, of which those in special are drawn by another function. whole(p, x): outputs from tensors
    [batch, time, …], where lengths has the steps of inputs along another axis; or step(p, x, state): outputs and state of one step. peer(p, x): the first output by a library.
    """
    torch.manual_seed(sum(map(ord, name)))
    steps = {key: lengths.get(key, LENGTH) for key in inputs}
    x = {key: special[key](BATCH, steps[key], *shape) if key in special else random(BATCH, steps[key], *shape) for key, shape in inputs.items()}
    o = {key: random(BATCH, *shape) for key, shape in once.items()}
    p = {}
    for key, shape in parameters.items():
        p[key] = special[key](*shape) if key in special else random(*shape, scale=0.6)
    leaves = x | o | p
    for tensor in leaves.values():
        tensor.requires_grad_()
    if whole is None:
        rows, state = [], None
        for t in range(LENGTH):
            row, state = step(p, {key: value[:, t] for key, value in x.items()} | o, state)
            rows.append(row)
        results = {key: torch.stack([row[key] for row in rows], 1) for key in rows[0]}
    else:
        results = whole(p, x | o)
    if peer is not None:
        with torch.no_grad():
            other = peer({key: value.detach() for key, value in p.items()}, {key: value.detach() for key, value in (x | o).items()})
        error = (next(iter(results.values())).detach() - other.double()).norm() / other.double().norm()
        assert error < 2e-5, (name, error)
        print(f"{name}: {error:.1e} from the library's own")
    cotangents = {key: random(*value.shape) for key, value in results.items()}
    sum((value * cotangents[key]).sum() for key, value in results.items()).backward()
    tensors = {f"input.{key}": value for key, value in x.items()} | {f"once.{key}": value for key, value in o.items()}
    tensors |= {f"param.{key}": value for key, value in p.items()}
    tensors |= {f"output.{key}": value for key, value in results.items()} | {f"cotangent.{key}": value for key, value in cotangents.items()}
    # The gradient of a value given once, and of an input, goes by its name.
    tensors |= {f"grad.{key}": value.grad for key, value in leaves.items()}
    metadata = {"dims": ",".join(f"{key}={value}" for key, value in dims.items())}
    save_file({key: value.detach().double().contiguous() for key, value in tensors.items()}, here / f"{name}.safetensors", metadata)


def named(module, p):
    """A library's module with these tensors."""
    module = module.double()
    missing, unexpected = module.load_state_dict(p, strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    return module.eval()


def fla(operation, file="naive"):
    """A plain definition of flash-linear-attention, whose package itself needs triton."""
    folder = pathlib.Path(importlib.util.find_spec("fla").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location(f"{operation}_{file}", folder / "ops" / operation / f"{file}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def uniform(a, b):
    return lambda *shape: (a + (b - a) * torch.rand(*shape)).float().double()


# MARK: LSTM and GRU


def lstm_step(projected, peepholes):
    def step(p, x, state):
        h, c = state or (x["h0"], x["c0"])
        bias = p["bias"] if peepholes else p["bias_ih"] + p["bias_hh"]
        i, f, g, o = (x["x"] @ p["weight_ih"].T + h @ p["weight_hh"].T + bias).chunk(4, -1)
        if peepholes:
            i, f = i + p["peephole_i"] * c, f + p["peephole_f"] * c
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        if peepholes:
            o = o + p["peephole_o"] * c
        h = torch.sigmoid(o) * torch.tanh(c)
        if projected:
            h = h @ p["weight_hr"].T
        return {"h": h}, (h, c)

    return step


def torch_recurrent(kind, **options):
    def peer(p, x):
        module = kind(x["x"].shape[-1], p["weight_hh"].shape[0] // (3 if kind is torch.nn.GRU else 4), batch_first=True, **options)
        module = named(module, {f"{key}_l0": value for key, value in p.items()})
        h = x["h0"][None]
        return module(x["x"], (h, x["c0"][None]) if "c0" in x else h)[0]

    return peer


D, H, P = 3, 4, 2
gates = {"weight_ih": (4 * H, D), "weight_hh": (4 * H, H)}
biases = {"bias_ih": (4 * H,), "bias_hh": (4 * H,)}
peepholes = {"bias": (4 * H,)} | {f"peephole_{k}": (H,) for k in "ifo"}
projected = {"weight_ih": (4 * H, D), "weight_hh": (4 * H, P), "weight_hr": (P, H)}
case("std.lstm.LSTM", dict(D=D, H=H), {"x": (D,)}, gates | biases, lstm_step(False, False), once={"h0": (H,), "c0": (H,)}, peer=torch_recurrent(torch.nn.LSTM))
case("std.lstm.ProjectedLSTM", dict(D=D, H=H, P=P), {"x": (D,)}, projected | biases, lstm_step(True, False), once={"h0": (P,), "c0": (H,)},
     peer=torch_recurrent(torch.nn.LSTM, proj_size=P))
case("std.lstm.PeepholeLSTM", dict(D=D, H=H), {"x": (D,)}, gates | peepholes, lstm_step(False, True), once={"h0": (H,), "c0": (H,)})
case("std.lstm.ProjectedPeepholeLSTM", dict(D=D, H=H, P=P), {"x": (D,)}, projected | peepholes, lstm_step(True, True), once={"h0": (P,), "c0": (H,)})


def gru_step(p, x, h):
    h = x["h0"] if h is None else h
    ir, iz, i_n = (x["x"] @ p["weight_ih"].T + p["bias_ih"]).chunk(3, -1)
    hr, hz, hn = (h @ p["weight_hh"].T + p["bias_hh"]).chunk(3, -1)
    z = torch.sigmoid(iz + hz)
    n = torch.tanh(i_n + torch.sigmoid(ir + hr) * hn)
    h = (1 - z) * n + z * h
    return {"h": h}, h


def reset_before_step(p, x, h):
    h = x["h0"] if h is None else h
    wr, wz, wn = p["weight_ih"].chunk(3)
    ur, uz, un = p["weight_hh"].chunk(3)
    br, bz, bn = p["bias"].chunk(3)
    r = torch.sigmoid(x["x"] @ wr.T + h @ ur.T + br)
    z = torch.sigmoid(x["x"] @ wz.T + h @ uz.T + bz)
    n = torch.tanh(x["x"] @ wn.T + (r * h) @ un.T + bn)
    h = (1 - z) * n + z * h
    return {"h": h}, h


gates = {"weight_ih": (3 * H, D), "weight_hh": (3 * H, H)}
case("std.gru.GRU", dict(D=D, H=H), {"x": (D,)}, gates | {"bias_ih": (3 * H,), "bias_hh": (3 * H,)}, gru_step, once={"h0": (H,)}, peer=torch_recurrent(torch.nn.GRU))
case("std.gru.ResetBeforeGRU", dict(D=D, H=H), {"x": (D,)}, gates | {"bias": (3 * H,)}, reset_before_step, once={"h0": (H,)})


def linear(p, name, x):
    y = x @ p[f"{name}.weight"].T
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def mingru_step(p, x, h):
    h = x["h0"] if h is None else h
    z = torch.sigmoid(linear(p, "linear_z", x["x"]))
    h = (1 - z) * h + z * linear(p, "linear_h", x["x"])
    return {"h": h}, h


def minlstm_step(p, x, h):
    h = x["h0"] if h is None else h
    f, i = torch.sigmoid(linear(p, "linear_f", x["x"])), torch.sigmoid(linear(p, "linear_i", x["x"]))
    h = f / (f + i) * h + i / (f + i) * linear(p, "linear_h", x["x"])
    return {"h": h}, h


def linears(names, out, width, bias=True):
    shapes = {f"{name}.weight": (out, width) for name in names}
    return shapes | ({f"{name}.bias": (out,) for name in names} if bias else {})


case("std.mingru.MinGRU", dict(D=D, H=H), {"x": (D,)}, linears(["linear_z", "linear_h"], H, D), mingru_step, once={"h0": (H,)})
case("std.minlstm.MinLSTM", dict(D=D, H=H), {"x": (D,)}, linears(["linear_f", "linear_i", "linear_h"], H, D), minlstm_step, once={"h0": (H,)})


# MARK: Diagonal state spaces


def convolution(p, name, x):
    """Causal, of each channel for itself."""
    weight = p[f"{name}.weight"][:, 0]
    past = F.pad(x, (0, 0, weight.shape[1] - 1, 0))
    y = sum(past[:, k : k + x.shape[1]] * weight[:, k] for k in range(weight.shape[1]))
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def torch_convolution(p, x):
    width, _, steps = p["weight"].shape
    module = named(torch.nn.Conv1d(width, width, steps, groups=width, padding=steps - 1, bias="bias" in p), p)
    return module(x["x"].mT)[..., : x["x"].shape[1]].mT


for name, bias, steps in [("ShortConvolution", False, 3), ("BiasedShortConvolution", True, 4)]:
    case(f"std.convolution.{name}", dict(E=3, C=steps), {"x": (3,)}, {"weight": (3, 1, steps)} | ({"bias": (3,)} if bias else {}),
         whole=lambda p, x: {"y": convolution({f"c.{key}": value for key, value in p.items()}, "c", x["x"])}, peer=torch_convolution)


def rglru(p, x, prefix=""):
    blocks, size, _ = p[prefix + "input_gate_weight"].shape
    h, rows = torch.zeros_like(x[:, 0]), []
    for t in range(x.shape[1]):
        b = x[:, t].unflatten(-1, (blocks, size))
        i = torch.sigmoid(torch.einsum("nhi,hij->nhj", b, p[prefix + "input_gate_weight"]) + p[prefix + "input_gate_bias"]).flatten(-2)
        r = torch.sigmoid(torch.einsum("nhi,hij->nhj", b, p[prefix + "recurrent_gate_weight"]) + p[prefix + "recurrent_gate_bias"]).flatten(-2)
        a = torch.sigmoid(-p[prefix + "recurrent_param"]) ** (8 * r)
        h = a * h + (i * x[:, t] if t == 0 else (1 - a**2) ** 0.5 * i * x[:, t])
        rows.append(h)
    return torch.stack(rows, 1)


def griffin_block(p, x):
    y = F.gelu(linear(p, "linear_y", x["x"]), approximate="tanh")
    h = rglru(p, convolution(p, "conv_1d", linear(p, "linear_x", x["x"])), "rg_lru.")
    return {"y": linear(p, "linear_out", h * y)}


def recurrent_gemma(block):
    def peer(p, x):
        from transformers.models.recurrent_gemma import modeling_recurrent_gemma as library
        from transformers import RecurrentGemmaConfig

        width = p["linear_x.weight"].shape if block else p["recurrent_param"].shape
        config = RecurrentGemmaConfig(hidden_size=width[-1], lru_width=width[0], num_attention_heads=2, conv1d_width=4)
        module = named((library.RecurrentGemmaRecurrentBlock(config, 0) if block else library.RecurrentGemmaRglru(config)), p)
        positions = torch.arange(LENGTH).expand(BATCH, -1)
        return module(x["x"], positions, None, use_cache=False)[0] if block else module(x["x"], positions)

    return peer


H, B, D = 2, 3, 4
lru = {"recurrent_param": (H * B,)} | {f"{k}_gate_weight": (H, B, B) for k in ["input", "recurrent"]} | {f"{k}_gate_bias": (H, B) for k in ["input", "recurrent"]}
case("std.rglru.RGLRU", dict(H=H, B=B), {"x": (H * B,)}, lru, whole=lambda p, x: {"h": rglru(p, x["x"])}, peer=recurrent_gemma(False))
E = H * B
block = {f"linear_{k}.weight": (E, D) for k in "yx"} | {f"linear_{k}.bias": (E,) for k in "yx"} | {"conv_1d.weight": (E, 1, 4), "conv_1d.bias": (E,)}
block |= {f"rg_lru.{key}": shape for key, shape in lru.items()} | {"linear_out.weight": (D, E), "linear_out.bias": (D,)}
case("std.rglru.RGLRUBlock", dict(D=D, H=H, B=B), {"x": (D,)}, block, whole=griffin_block, peer=recurrent_gemma(True))


def s4d(p, u):
    A = torch.complex(-p["kernel.log_A_real"].exp(), p["kernel.A_imag"])
    C = torch.view_as_complex(p["kernel.C"])
    dt = p["kernel.log_dt"].exp()[:, None]
    rows = []
    # As a convolution, which is how the paper has it: K[l] = 2 Re(sum over n of C (exp(dt A) - 1) / A exp(l dt A)).
    kernels = [2 * (C * ((dt * A).exp() - 1) / A * (dt * A * l).exp()).sum(-1).real for l in range(u.shape[1])]
    for t in range(u.shape[1]):
        rows.append(sum(kernels[t - s] * u[:, s] for s in range(t + 1)) + p["D"] * u[:, t])
    return torch.stack(rows, 1)


def s4d_block(p, x):
    y = F.gelu(s4d(p, x["u"]))
    y = y @ p["output_linear.0.weight"][:, :, 0].T + p["output_linear.0.bias"]
    return {"y": F.glu(y, -1)}


H, N = 3, 2
space = {"kernel.C": (H, N, 2), "kernel.log_dt": (H,), "kernel.log_A_real": (H, N), "kernel.A_imag": (H, N), "D": (H,)}
case("std.s4d.S4D", dict(H=H, N=N), {"u": (H,)}, space, whole=lambda p, x: {"y": s4d(p, x["u"])})
block = space | {"output_linear.0.weight": (2 * H, H, 1), "output_linear.0.bias": (2 * H,)}
case("std.s4d.S4DBlock", dict(H=H, N=N), {"u": (H,)}, block, whole=s4d_block)


def s5_step(p, x, state):
    Lambda, step = torch.complex(p["Lambda_re"], p["Lambda_im"]), p["log_step"][:, 0].exp()
    B, C = torch.view_as_complex(p["B"]), torch.view_as_complex(p["C"])
    if state is None:
        state = torch.zeros(BATCH, len(step), dtype=torch.complex128)
    decay = (Lambda * step).exp()
    state = decay * state + x["u"].to(B.dtype) @ ((decay - 1) / Lambda)[:, None].mul(B).T
    return {"y": 2 * (state @ C.T).real + p["D"] * x["u"]}, state


def lru_step(p, x, state):
    decay = (-p["nu_log"].exp() + 1j * p["theta_log"].exp()).exp()
    B, C = torch.complex(p["B_re"], p["B_im"]) * p["gamma_log"].exp()[:, None], torch.complex(p["C_re"], p["C_im"])
    if state is None:
        state = torch.zeros(BATCH, len(decay), dtype=torch.complex128)
    state = decay * state + x["u"].to(B.dtype) @ B.T
    return {"y": (state @ C.T).real + p["D"] * x["u"]}, state


H, P = 3, 4
case("std.s5.S5", dict(H=H, P=P), {"u": (H,)}, {"Lambda_re": (P,), "Lambda_im": (P,), "B": (P, H, 2), "C": (H, P, 2), "D": (H,), "log_step": (P, 1)}, s5_step,
     special={"Lambda_re": uniform(-2, -0.1)})
D, N = 3, 4
case("std.lru.LRU", dict(D=D, N=N), {"u": (D,)},
     {"nu_log": (N,), "theta_log": (N,), "gamma_log": (N,), "B_re": (N, D), "B_im": (N, D), "C_re": (D, N), "C_im": (D, N), "D": (D,)}, lru_step)


# MARK: Mamba


def selective_scan(p, x, dt, B, C):
    h, rows = 0, []
    for t in range(x.shape[1]):
        h = torch.exp(-dt[:, t, :, None] * p["A_log"].exp()) * h + (dt * x)[:, t, :, None] * B[:, t, None]
        rows.append((h * C[:, t, None]).sum(-1) + p["D"] * x[:, t])
    return torch.stack(rows, 1)


def mamba(p, x):
    N, R = p["A_log"].shape[1], p["dt_proj.weight"].shape[1]
    u, gate = linear(p, "in_proj", x["x"]).chunk(2, -1)
    v = F.silu(convolution(p, "conv1d", u))
    low, B, C = linear(p, "x_proj", v).split([R, N, N], -1)
    return {"y": linear(p, "out_proj", selective_scan(p, v, F.softplus(linear(p, "dt_proj", low)), B, C) * F.silu(gate))}


def transformers_mamba(p, x):
    from transformers import MambaConfig
    from transformers.models.mamba.modeling_mamba import MambaMixer

    E, N = p["A_log"].shape
    D = p["out_proj.weight"].shape[0]
    module = MambaMixer(MambaConfig(hidden_size=D, intermediate_size=E, expand=E // D, state_size=N, time_step_rank=p["dt_proj.weight"].shape[1], conv_kernel=4), 0)
    return named(module, p)(x["x"])


D, E, N, R = 3, 6, 2, 2
positive = uniform(0.05, 1)
case("std.mamba.SelectiveScan", dict(E=E, N=N), {"x": (E,), "dt": (E,), "B": (N,), "C": (N,)}, {"A_log": (E, N), "D": (E,)},
     whole=lambda p, x: {"y": selective_scan(p, x["x"], x["dt"], x["B"], x["C"])}, special={"dt": positive})
case("std.mamba.Mamba", dict(D=D, E=E, N=N, R=R), {"x": (D,)},
     {"in_proj.weight": (2 * E, D), "conv1d.weight": (E, 1, 4), "conv1d.bias": (E,), "x_proj.weight": (R + 2 * N, E), "dt_proj.weight": (E, R), "dt_proj.bias": (E,),
      "A_log": (E, N), "D": (E,), "out_proj.weight": (D, E)}, whole=mamba, peer=transformers_mamba)


def ssd(p, x, dt, B, C):
    G, J = x.shape[2:4]
    A, skip = p["A_log"].exp().view(G, J), p["D"].view(G, J, 1)
    h, rows = 0, []
    for t in range(x.shape[1]):
        h = torch.exp(-dt[:, t] * A)[..., None, None] * h + (dt[:, t, ..., None] * x[:, t])[..., None] * B[:, t, :, None, None]
        rows.append((h * C[:, t, :, None, None]).sum(-1) + skip * x[:, t])
    return torch.stack(rows, 1)


def mamba2(G, J, P, N):
    def whole(p, x):
        E, M, H = G * J * P, G * J * P + 2 * G * N, G * J
        gate, mixed, dt = linear(p, "in_proj", x["x"]).split([E, M, H], -1)
        mixed, B, C = F.silu(convolution(p, "conv1d", mixed)).split([E, G * N, G * N], -1)
        dt = F.softplus(dt + p["dt_bias"]).unflatten(-1, (G, J))
        y = ssd(p, mixed.unflatten(-1, (G, J, P)), dt, B.unflatten(-1, (G, N)), C.unflatten(-1, (G, N)))
        z = (y.flatten(2) * F.silu(gate)).unflatten(-1, (G, E // G))
        z = z * torch.rsqrt(z.pow(2).mean(-1, keepdim=True) + 1e-5)
        return {"o": linear(p, "out_proj", p["norm.weight"] * z.flatten(2))}

    return whole


def transformers_mamba2(G, J, P, N):
    def peer(p, x):
        from transformers import Mamba2Config
        from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

        D = x["x"].shape[-1]
        config = Mamba2Config(hidden_size=D, expand=G * J * P // D, num_heads=G * J, head_dim=P, state_size=N, n_groups=G, conv_kernel=4, chunk_size=4, layer_norm_epsilon=1e-5)
        return named(Mamba2Mixer(config, 0), p)(x["x"])

    return peer


D, G, J, P, N = 4, 2, 2, 2, 3
M = G * J * P + 2 * G * N
case("std.mamba2.SSD", dict(G=G, J=J, P=P, N=N), {"x": (G, J, P), "dt": (G, J), "B": (G, N), "C": (G, N)}, {"A_log": (G * J,), "D": (G * J,)},
     whole=lambda p, x: {"y": ssd(p, x["x"], x["dt"], x["B"], x["C"])}, special={"dt": positive})
case("std.mamba2.Mamba2", dict(D=D, G=G, J=J, P=P, N=N), {"x": (D,)},
     {"in_proj.weight": (G * J * P + M + G * J, D), "conv1d.weight": (M, 1, 4), "conv1d.bias": (M,), "dt_bias": (G * J,), "A_log": (G * J,), "D": (G * J,),
      "norm.weight": (G * J * P,), "out_proj.weight": (D, G * J * P)}, whole=mamba2(G, J, P, N), peer=transformers_mamba2(G, J, P, N))


# MARK: Memories of matrices; keys stand in front, [batch, time, head, key]


def memory(q, k, v, decay=None, read=None, erase=None):
    """S = decay S - erase(S) + k v; o = q S."""
    S, rows = torch.zeros(BATCH, *k.shape[2:], v.shape[-1]).double(), []
    for t in range(k.shape[1]):
        kept = S if decay is None else decay[:, t, ..., None] * S if decay.dim() == 4 else decay[:, t, ..., None, None] * S
        if read is not None:
            rows.append(torch.einsum("bhk,bhkv->bhv", q[:, t], S + read[..., None] * k[:, t, ..., None] * v[:, t, :, None]))
        said = torch.einsum("bhk,bhkv->bhv", k[:, t], kept) if erase is not None else 0
        write = (v[:, t] - said) * (erase[:, t, :, None] if erase is not None else 1)
        S = kept + k[:, t, ..., None] * write[:, :, None]
        if read is None:
            rows.append(torch.einsum("bhk,bhkv->bhv", q[:, t], S))
    return torch.stack(rows, 1)


def heads(x, H):
    return x.unflatten(-1, (H, -1))


def rms(x, weight, eps=1e-5):
    return weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


def linear_attention(q, k, v):
    q, k = F.elu(q) + 1, F.elu(k) + 1
    # As attention, which the recurrence is to be the same as.
    scores = torch.einsum("bthk,bshk->bhts", q, k).tril()
    return torch.einsum("bhts,bshv->bthv", scores, v) / (scores.sum(-1).mT[..., None] + 1e-6)


H, K, V, D = 2, 3, 2, 4
qkv = {"q": (H, K), "k": (H, K), "v": (H, V)}
case("std.linear_attention.LinearAttention", dict(H=H, K=K, V=V), qkv, {}, whole=lambda p, x: {"o": linear_attention(x["q"], x["k"], x["v"])})
case("std.linear_attention.LinearAttentionLayer", dict(D=D, H=H, K=K, V=V), {"x": (D,)},
     linears(["query_projection", "key_projection"], H * K, D) | linears(["value_projection"], H * V, D) | linears(["out_projection"], D, H * V),
     whole=lambda p, x: {"y": linear(p, "out_projection", linear_attention(*(heads(linear(p, f"{n}_projection", x["x"]), H) for n in ["query", "key", "value"])).flatten(2))})


def retention(q, k, v, rotated):
    K = q.shape[-1]
    if rotated:
        # Rotary positions: number i of a vector makes a pair with i + K/2.
        angle = torch.arange(LENGTH)[:, None] * 10000.0 ** (-torch.arange(0, K, 2).double() / K)
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]

        def turn(x):
            a, b = x.chunk(2, -1)
            return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

        q, k = turn(q), turn(k)
    decay = 1 - 2.0 ** (-5 - torch.arange(q.shape[2]).double())
    distance = torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)
    weights = (decay[:, None, None] ** distance.clamp(min=0)).tril()
    return torch.einsum("bthk,bshk,hts,bshv->bthv", q, k, weights, v) / K**0.5


def fla_retention(p, x):
    return fla("retention").naive_retention(*(x[k].transpose(1, 2) for k in "qkv")).transpose(1, 2)


J = 2
case("std.retnet.SimpleRetention", dict(H=H, K=K, V=V), qkv, {}, whole=lambda p, x: {"o": retention(x["q"], x["k"], x["v"], False)}, peer=fla_retention)
case("std.retnet.Retention", dict(H=H, J=J, V=V), {"q": (H, 2 * J), "k": (H, 2 * J), "v": (H, V)}, {}, whole=lambda p, x: {"o": retention(x["q"], x["k"], x["v"], True)})


def retnet(p, x):
    q, k, v, g = (linear(p, f"{n}_proj", x["x"]) for n in "qkvg")
    o = rms(retention(heads(q, H), heads(k, H), heads(v, H), True), p["g_norm_swish_gate.weight"])
    return {"y": linear(p, "o_proj", o.flatten(2) * F.silu(g))}


def projections(**widths):
    return {f"{name}_proj.weight": (out, D) for name, out in widths.items()}


case("std.retnet.RetNet", dict(D=D, H=H, J=J, V=V), {"x": (D,)},
     projections(q=2 * H * J, k=2 * H * J, v=H * V, g=H * V) | {"g_norm_swish_gate.weight": (V,), "o_proj.weight": (D, H * V)}, whole=retnet)


def fla_gla(p, x):
    return fla("gla").naive_recurrent_gla(x["q"], x["k"], x["v"], x["a"].log())[0]


def gla(p, x):
    q, k, v, g = (linear(p, f"{n}_proj", x["x"]) for n in "qkvg")
    a = torch.sigmoid(linear(p, "gk_proj.1", linear(p, "gk_proj.0", x["x"]))) ** (1 / 16)
    o = memory(heads(q, H) / K**0.5, heads(k, H), heads(v, H), heads(a, H))
    return {"y": linear(p, "o_proj", rms(o, p["g_norm_swish_gate.weight"]).flatten(2) * F.silu(g))}


R = 2
case("std.gla.GatedLinearAttention", dict(H=H, K=K, V=V), qkv | {"a": (H, K)}, {},
     whole=lambda p, x: {"o": memory(x["q"] / K**0.5, x["k"], x["v"], x["a"])}, peer=fla_gla, special={"a": uniform(0.1, 1)})
case("std.gla.GLA", dict(D=D, H=H, K=K, V=V, R=R), {"x": (D,)},
     projections(q=H * K, k=H * K, v=H * V, g=H * V) | {"gk_proj.0.weight": (R, D), "gk_proj.1.weight": (H * K, R), "gk_proj.1.bias": (H * K,),
      "g_norm_swish_gate.weight": (V,), "o_proj.weight": (D, H * V)}, whole=gla)


# MARK: RWKV


def shift(x):
    return F.pad(x, (0, 0, 1, -1))


def wkv4(k, v, decay, first):
    rows = []
    for t in range(k.shape[1]):
        # As the paper writes it, without a recurrence.
        weights = [torch.exp(-(t - 1 - s) * decay.exp() + k[:, s]) for s in range(t)] + [torch.exp(first + k[:, t])]
        rows.append(sum(w * v[:, s] for s, w in enumerate(weights)) / sum(weights))
    return torch.stack(rows, 1)


def rwkv4_attention(p, x, prefix=""):
    def mixed(name):
        part = p[f"{prefix}time_mix_{name}"][0, 0]
        return linear(p, prefix + name, part * x + (1 - part) * shift(x))

    o = wkv4(mixed("key"), mixed("value"), p[prefix + "time_decay"], p[prefix + "time_first"])
    return linear(p, prefix + "output", torch.sigmoid(mixed("receptance")) * o)


def rwkv4_feed_forward(p, x, prefix=""):
    def mixed(name):
        part = p[f"{prefix}time_mix_{name}"][0, 0]
        return linear(p, prefix + name, part * x + (1 - part) * shift(x))

    return torch.sigmoid(mixed("receptance")) * linear(p, prefix + "value", torch.relu(mixed("key")) ** 2)


def rwkv4_block(p, x):
    z = x["x"] + rwkv4_attention(p, F.layer_norm(x["x"], x["x"].shape[-1:], p["ln1.weight"], p["ln1.bias"]), "attention.")
    return {"y": z + rwkv4_feed_forward(p, F.layer_norm(z, z.shape[-1:], p["ln2.weight"], p["ln2.bias"]), "feed_forward.")}


def transformers_rwkv(kind):
    def peer(p, x):
        from transformers import RwkvConfig
        from transformers.models.rwkv import modeling_rwkv as library

        config = RwkvConfig(hidden_size=D, attention_hidden_size=A, intermediate_size=FF)
        module = named(getattr(library, kind)(config, 1), p)
        return module(x["x"])[0]

    return peer


D, A, FF = 4, 3, 5
attention = {"time_decay": (A,), "time_first": (A,)} | {f"time_mix_{k}": (1, 1, D) for k in ["key", "value", "receptance"]}
attention |= linears(["key", "value", "receptance"], A, D, False) | {"output.weight": (D, A)}
feed_forward = {f"time_mix_{k}": (1, 1, D) for k in ["key", "receptance"]} | {"key.weight": (FF, D), "receptance.weight": (D, D), "value.weight": (D, FF)}
case("std.rwkv4.WKV4", dict(A=A), {"k": (A,), "v": (A,)}, {"time_decay": (A,), "time_first": (A,)},
     whole=lambda p, x: {"o": wkv4(x["k"], x["v"], p["time_decay"], p["time_first"])})
case("std.rwkv4.RWKV4TimeMixing", dict(D=D, A=A), {"x": (D,)}, attention, whole=lambda p, x: {"y": rwkv4_attention(p, x["x"])}, peer=transformers_rwkv("RwkvSelfAttention"))
case("std.rwkv4.RWKV4ChannelMixing", dict(D=D, F=FF), {"x": (D,)}, feed_forward, whole=lambda p, x: {"y": rwkv4_feed_forward(p, x["x"])}, peer=transformers_rwkv("RwkvFeedForward"))
block = {f"attention.{key}": shape for key, shape in attention.items()} | {f"feed_forward.{key}": shape for key, shape in feed_forward.items()}
case("std.rwkv4.RWKV4Block", dict(D=D, A=A, F=FF), {"x": (D,)}, {f"ln{k}.{w}": (D,) for k in [1, 2] for w in ["weight", "bias"]} | block, whole=rwkv4_block,
     peer=transformers_rwkv("RwkvBlock"))


def wkv5(r, k, v, decay, bonus):
    """With decays [batch, time, head, key]."""
    return memory(r, k, v, decay, read=bonus)


def constant_decay(p):
    return torch.exp(-p["time_decay"].exp()).expand(BATCH, LENGTH, H, K)


def group_norm(p, o):
    # As GroupNorm of an eighth.
    return F.group_norm(o.flatten(2).flatten(0, 1) / 8, H, p["ln_x.weight"], p["ln_x.bias"], 1e-5).view(BATCH, LENGTH, -1)


def rwkv5(p, x):
    x = x["x"]

    def mixed(name, part):
        part = p[f"time_mix_{part}"][0, 0]
        return linear(p, name, x * part + shift(x) * (1 - part))

    r, k, v = (heads(mixed(name, part), H) for name, part in [("receptance", "r"), ("key", "k"), ("value", "v")])
    o = wkv5(r, k, v, constant_decay(p), p["time_faaaa"])
    return {"y": linear(p, "output", group_norm(p, o) * F.silu(mixed("gate", "g")))}


def rwkv5_channels(p, x):
    x = x["x"]
    mixed = {k: x * p[f"time_mix_{k}"][0, 0] + shift(x) * (1 - p[f"time_mix_{k}"][0, 0]) for k in "kr"}
    return {"y": torch.sigmoid(linear(p, "receptance", mixed["r"])) * linear(p, "value", torch.relu(linear(p, "key", mixed["k"])) ** 2)}


H, K = 2, 3
D = H * K
rkv = {"r": (H, K), "k": (H, K), "v": (H, K)}
tensors = linears(["receptance", "key", "value", "gate", "output"], D, D, False) | {"ln_x.weight": (D,), "ln_x.bias": (D,), "time_faaaa": (H, K)}
channels = {"key.weight": (FF, D), "receptance.weight": (D, D), "value.weight": (D, FF)}
case("std.rwkv5.WKV5", dict(H=H, K=K), rkv, {"time_decay": (H, K), "time_faaaa": (H, K)},
     whole=lambda p, x: {"o": wkv5(x["r"], x["k"], x["v"], constant_decay(p), p["time_faaaa"])})
case("std.rwkv5.RWKV5TimeMixing", dict(H=H, K=K), {"x": (D,)}, {f"time_mix_{k}": (1, 1, D) for k in "kvrg"} | {"time_decay": (H, K)} | tensors, whole=rwkv5)
case("std.rwkv5.RWKV5ChannelMixing", dict(D=D, F=FF), {"x": (D,)}, {f"time_mix_{k}": (1, 1, D) for k in "kr"} | channels, whole=rwkv5_channels)


def fla_rwkv6(p, x):
    r, k, v, w = (x[n].transpose(1, 2) for n in "rkvw")
    return fla("rwkv6", "recurrent_naive").naive_recurrent_rwkv6(r, k, v, w.log(), p["time_faaaa"], scale=1.0)[0].transpose(1, 2)


def rwkv6(p, x):
    x = x["x"]
    xx = shift(x) - x
    thin = torch.tanh((x + xx * p["time_maa_x"][0, 0]) @ p["time_maa_w1"]).unflatten(-1, (5, -1))
    more = torch.einsum("btfr,frd->fbtd", thin, p["time_maa_w2"])
    mixed = {k: x + xx * (p[f"time_maa_{k}"][0, 0] + more[f]) for f, k in enumerate("wkvrg")}
    w = p["time_decay"][0, 0] + torch.tanh(mixed["w"] @ p["time_decay_w1"]) @ p["time_decay_w2"]
    r, k, v = (heads(linear(p, name, mixed[part]), H) for name, part in [("receptance", "r"), ("key", "k"), ("value", "v")])
    o = wkv5(r, k, v, heads(torch.exp(-w.exp()), H), p["time_faaaa"])
    return {"y": linear(p, "output", group_norm(p, o) * F.silu(linear(p, "gate", mixed["g"])))}


def rwkv6_channels(p, x):
    x = x["x"]
    mixed = {k: x + (shift(x) - x) * p[f"time_maa_{k}"][0, 0] for k in "kr"}
    return {"y": torch.sigmoid(linear(p, "receptance", mixed["r"])) * linear(p, "value", torch.relu(linear(p, "key", mixed["k"])) ** 2)}


R, W = 2, 3
case("std.rwkv6.WKV6", dict(H=H, K=K), rkv | {"w": (H, K)}, {"time_faaaa": (H, K)}, whole=lambda p, x: {"o": wkv5(x["r"], x["k"], x["v"], x["w"], p["time_faaaa"])},
     peer=fla_rwkv6, special={"w": uniform(0.1, 1)})
case("std.rwkv6.RWKV6TimeMixing", dict(H=H, K=K, R=R, W=W), {"x": (D,)},
     {f"time_maa_{k}": (1, 1, D) for k in "xwkvrg"} | {"time_maa_w1": (D, 5 * R), "time_maa_w2": (5, R, D), "time_decay": (1, 1, D), "time_decay_w1": (D, W), "time_decay_w2": (W, D)}
     | tensors, whole=rwkv6)
case("std.rwkv6.RWKV6ChannelMixing", dict(D=D, F=FF), {"x": (D,)}, {f"time_maa_{k}": (1, 1, D) for k in "kr"} | channels, whole=rwkv6_channels)


def wkv7(r, w, k, v, gone, a):
    S, rows = torch.zeros(BATCH, r.shape[2], v.shape[-1], r.shape[-1]).double(), []
    for t in range(r.shape[1]):
        # S (diag(w) - gone (a gone)) + v k
        transition = torch.diag_embed(w[:, t]) - gone[:, t, :, :, None] * (a * gone)[:, t, :, None]
        S = S @ transition + v[:, t, :, :, None] * k[:, t, :, None]
        rows.append((S @ r[:, t, ..., None])[..., 0])
    return torch.stack(rows, 1)


def rwkv7(p, x):
    x, v = x["x"], x["v"]
    b = {k: x + (shift(x) - x) * p[f"x_{k}"][0, 0] for k in "rwkag"}
    lora = {}
    for k, act in [("w", torch.tanh), ("a", lambda z: z), ("g", torch.sigmoid)]:
        lora[k] = linear(p, f"{k}_lora.lora.2", act(linear(p, f"{k}_lora.lora.0", b[k])))
    w = torch.exp(-torch.tensor(-0.5).double().exp() * torch.sigmoid(lora["w"]))
    a = torch.sigmoid(lora["a"])
    r, k = linear(p, "r_proj", b["r"]), linear(p, "k_proj", b["k"])
    gone = F.normalize(heads(k * p["k_k"], H), dim=-1)
    k = k * (1 + (a - 1) * p["k_a"])
    r, w, k, v, a = (heads(z, H) for z in (r, w, k, v, a))
    o = wkv7(r, w, k, v, gone, a)
    o = F.group_norm(o.flatten(2).flatten(0, 1), H, p["g_norm.weight"], p["g_norm.bias"], K * 1e-5).view(BATCH, LENGTH, -1)
    o = o + ((r * k * p["r_k"]).sum(-1, keepdim=True) * v).flatten(2)
    return {"y": linear(p, "o_proj", o * lora["g"])}


W, A, G = 2, 3, 2
case("std.rwkv7.WKV7", dict(H=H, K=K), {n: (H, K) for n in ["r", "k", "w", "gone", "a", "v"]}, {},
     whole=lambda p, x: {"o": wkv7(x["r"], x["w"], x["k"], x["v"], x["gone"], x["a"])}, special={"w": uniform(0.1, 1), "a": uniform(0, 1)})
case("std.rwkv7.RWKV7TimeMixing", dict(H=H, K=K, W=W, A=A, G=G), {"x": (D,), "v": (D,)},
     {f"x_{k}": (1, 1, D) for k in "rwkag"} | linears(["r_proj", "k_proj", "o_proj"], D, D, False)
     | {f"{k}_lora.lora.0.weight": (n, D) for k, n in [("w", W), ("a", A), ("g", G)]} | {f"{k}_lora.lora.2.weight": (D, n) for k, n in [("w", W), ("a", A), ("g", G)]}
     | {f"{k}_lora.lora.2.bias": (D,) for k in "wa"} | {"k_k": (D,), "k_a": (D,), "r_k": (H, K), "g_norm.weight": (D,), "g_norm.bias": (D,)}, whole=rwkv7)
case("std.rwkv7.RWKV7ChannelMixing", dict(D=D, F=FF), {"x": (D,)}, {"x_k": (D,), "key.weight": (FF, D), "value.weight": (D, FF)},
     whole=lambda p, x: {"y": linear(p, "value", torch.relu(linear(p, "key", x["x"] + (shift(x["x"]) - x["x"]) * p["x_k"])) ** 2)})


# MARK: The delta rule


def fla_delta(p, x):
    if "alpha" not in x:
        return fla("delta_rule").delta_rule_recurrence(*(x[n].transpose(1, 2) for n in ["q", "k", "v", "beta"]))[0].transpose(1, 2)
    if x["alpha"].dim() == 3:
        return fla("gated_delta_rule").naive_recurrent_gated_delta_rule(x["q"], x["k"], x["v"], x["beta"], x["alpha"].log())[0]
    return fla("kda").naive_recurrent_kda(x["q"], x["k"], x["v"], x["alpha"].log(), x["beta"])[0]


def delta(x):
    # The transition is diag(alpha), then I - beta k k^T from the left.
    return memory(x["q"] / x["q"].shape[-1] ** 0.5, x["k"], x["v"], x.get("alpha"), erase=x["beta"])


def delta_product(x):
    S, rows = torch.zeros(BATCH, *x["q"].shape[2:], x["v1"].shape[-1]).double(), []
    one = torch.eye(x["q"].shape[-1]).double()
    for t in range(LENGTH):
        S = x["alpha"][:, t, :, None, None] * S
        for j in "12":
            k, beta = x["k" + j][:, t], x["beta" + j][:, t, :, None, None]
            S = (one - beta * k[..., None] * k[..., None, :]) @ S + beta * k[..., None] * x["v" + j][:, t, :, None]
        rows.append(torch.einsum("bhk,bhkv->bhv", x["q"][:, t], S) / x["q"].shape[-1] ** 0.5)
    return torch.stack(rows, 1)


def fla_delta_product(p, x):
    def both(name):
        return torch.stack([x[name + "1"], x[name + "2"]], 2).flatten(1, 2)

    return fla("gated_delta_product").naive_recurrent_gated_delta_product(x["q"], both("k"), both("v"), x["alpha"].log(), both("beta"), scale=x["q"].shape[-1] ** -0.5, num_householder=2)[0]


H, K, V, D = 2, 3, 2, 4
qkv = {"q": (H, K), "k": (H, K), "v": (H, V)}
rate, rates = uniform(0, 1), uniform(0.1, 1)
case("std.deltanet.DeltaRule", dict(H=H, K=K, V=V), qkv | {"beta": (H,)}, {}, whole=lambda p, x: {"o": delta(x)}, peer=fla_delta, special={"beta": rate})
case("std.deltanet.GatedDeltaRule", dict(H=H, K=K, V=V), qkv | {"alpha": (H,), "beta": (H,)}, {}, whole=lambda p, x: {"o": delta(x)}, peer=fla_delta,
     special={"beta": rate, "alpha": rates})
case("std.deltanet.KimiDeltaRule", dict(H=H, K=K, V=V), qkv | {"alpha": (H, K), "beta": (H,)}, {}, whole=lambda p, x: {"o": delta(x)}, peer=fla_delta,
     special={"beta": rate, "alpha": rates})
case("std.deltanet.DeltaProductRule", dict(H=H, K=K, V=V),
     {"q": (H, K), "k1": (H, K), "k2": (H, K), "v1": (H, V), "v2": (H, V), "alpha": (H,), "beta1": (H,), "beta2": (H,)}, {}, whole=lambda p, x: {"o": delta_product(x)},
     peer=fla_delta_product, special={"alpha": rates, "beta1": rate, "beta2": rate})


def unit(x):
    return x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) + 1e-6)


def delta_net(kind):
    def whole(p, x):
        x = x["x"]
        if kind == "kda":
            mixed = F.silu(convolution(p, "conv1d", torch.cat([linear(p, f"{n}_proj", x) for n in "qkv"], -1)))
            q, k, v = mixed.chunk(3, -1)
        else:
            q, k, v = (F.silu(convolution(p, f"{n}_conv1d", linear(p, f"{n}_proj", x))) for n in "qkv")
        beta = torch.sigmoid(linear(p, "b_proj", x))
        if kind == "product":
            alpha = torch.exp(-p["A_log"].exp() * F.softplus(linear(p, "a_proj", x) + p["dt_bias"]))
            (k1, k2), (v1, v2), (b1, b2) = (z.chunk(2, -1) for z in (k, v, 2 * beta))
            y = {"q": unit(heads(q, H)), "k1": unit(heads(k1, H)), "k2": unit(heads(k2, H)), "v1": heads(v1, H), "v2": heads(v2, H), "alpha": alpha, "beta1": b1, "beta2": b2}
            o = delta_product(y)
        else:
            y = {"q": unit(heads(q, H)), "k": unit(heads(k, H)), "v": heads(v, H), "beta": beta}
            if kind == "gated":
                y["alpha"] = torch.exp(-p["A_log"].exp() * F.softplus(linear(p, "a_proj", x) + p["dt_bias"]))
            if kind == "kda":
                steps = F.softplus(linear(p, "forget_gate.f_b_proj", linear(p, "forget_gate.f_a_proj", x)) + p["forget_gate.dt_bias"])
                y["alpha"] = torch.exp(-p["forget_gate.A_log"].exp()[0] * heads(steps, H))
            o = delta(y)
        o = rms(o, p["o_norm.weight"], 1e-6 if kind == "kda" else 1e-5).flatten(2)
        if kind == "kda":
            o = o * torch.sigmoid(linear(p, "g_b_proj", linear(p, "g_a_proj", x)))
        elif kind != "plain":
            o = o * F.silu(linear(p, "g_proj", x))
        return {"y": linear(p, "o_proj", o)}

    return whole


def transformers_kda(p, x):
    from transformers import KimiLinearConfig
    from transformers.models.kimi_linear.modeling_kimi_linear import KimiLinearDeltaAttention

    config = KimiLinearConfig(hidden_size=D, linear_num_heads=H, linear_head_dim=K, linear_conv_kernel_dim=4, rms_norm_eps=1e-6, num_hidden_layers=1,
                              layer_types=["linear_attention"])
    return named(KimiLinearDeltaAttention(config, 0), p)(x["x"])


def convolutions(**widths):
    return {f"{name}_conv1d.weight": (width, 1, 4) for name, width in widths.items()}


plain = projections(q=H * K, k=H * K, v=H * V, b=H) | convolutions(q=H * K, k=H * K, v=H * V) | {"o_norm.weight": (V,), "o_proj.weight": (D, H * V)}
gated = projections(g=H * V, a=H) | {"A_log": (H,), "dt_bias": (H,)}
twice = projections(k=2 * H * K, v=2 * H * V, b=2 * H) | convolutions(k=2 * H * K, v=2 * H * V)
case("std.deltanet.DeltaNet", dict(D=D, H=H, K=K, V=V), {"x": (D,)}, plain, whole=delta_net("plain"))
case("std.deltanet.GatedDeltaNet", dict(D=D, H=H, K=K, V=V), {"x": (D,)}, plain | gated, whole=delta_net("gated"))
case("std.deltanet.DeltaProduct", dict(D=D, H=H, K=K, V=V), {"x": (D,)}, plain | gated | twice, whole=delta_net("product"))
case("std.deltanet.KDA", dict(D=D, H=H, K=K), {"x": (D,)},
     projections(q=H * K, k=H * K, v=H * K, b=H, g_a=K) | {"conv1d.weight": (3 * H * K, 1, 4), "g_b_proj.weight": (H * K, K), "forget_gate.f_a_proj.weight": (K, D),
      "forget_gate.f_b_proj.weight": (H * K, K), "forget_gate.dt_bias": (H * K,), "forget_gate.A_log": (1, 1, H, 1), "o_norm.weight": (K,), "o_proj.weight": (D, H * K)},
     whole=delta_net("kda"), peer=transformers_kda)


# MARK: TTT, Aaren, xLSTM


def ttt(M):
    def whole(p, x):
        def norm(z):
            return F.layer_norm(z, z.shape[-1:], eps=1e-6) * p["weight"] + p["bias"]

        W, b = p["W0"].expand(BATCH, -1, -1, -1), p["b0"].expand(BATCH, -1, -1)
        rows = []
        for t in range(LENGTH):
            if t % M == 0:
                base_W, base_b, sum_W, sum_b = W, b, 0, 0
            k, v, q = x["k"][:, t], x["v"][:, t], x["q"][:, t] / x["q"].shape[-1] ** 0.5
            # The gradient by autograd, which is differentiated again.
            W_, b_ = (z if z.requires_grad else z.requires_grad_() for z in (base_W + 0, base_b + 0))
            loss = 0.5 * (k + norm(torch.einsum("bhk,bhkv->bhv", k, W_) + b_) - v).pow(2).sum()
            dW, db = torch.autograd.grad(loss, (W_, b_), create_graph=True)
            sum_W, sum_b = sum_W + dW, sum_b + db
            eta = x["eta"][:, t]
            W, b = base_W - eta[..., None, None] * sum_W, base_b - eta[..., None] * sum_b
            said = torch.einsum("bhk,bhkv->bhv", q, W) + b
            rows.append(said + norm(said))
        return {"o": torch.stack(rows, 1)}

    return whole


def fla_ttt(M):
    def peer(p, x):
    
        q, k, v = (x[n].clone() for n in "qkv")
        start = {"initial_state": p["W0"].float().expand(BATCH, -1, -1, -1), "initial_state_bias": p["b0"].float()[:, None].expand(BATCH, -1, -1, -1)}
        return fla("ttt").chunk_ttt_linear_ref(q, k, v, p["weight"], p["bias"], x["eta"][..., None], mini_batch_size=M, **start)[0]

    return peer


M = 3
case("std.ttt.TTTLinear", dict(H=H, K=K, M=M), {"q": (H, K), "k": (H, K), "v": (H, K), "eta": (H,)}, {"weight": (H, K), "bias": (H, K), "W0": (H, K, K), "b0": (H, K)},
     whole=ttt(M), peer=fla_ttt(M), special={"eta": uniform(0, 0.3)})


def aaren(k, v, q):
    rows = []
    for t in range(k.shape[1]):
        weights = torch.softmax(torch.einsum("hk,bshk->bsh", q, k[:, : t + 1]) / k.shape[-1] ** 0.5, 1)
        rows.append(torch.einsum("bsh,bshv->bhv", weights, v[:, : t + 1]))
    return torch.stack(rows, 1)


case("std.aaren.AttentionOverPast", dict(H=H, K=K, V=V), {"k": (H, K), "v": (H, V)}, {"q": (H, K)}, whole=lambda p, x: {"o": aaren(x["k"], x["v"], p["q"])})
case("std.aaren.Aaren", dict(D=D, H=H, K=K, V=V), {"x": (D,)}, projections(k=H * K, v=H * V) | {"q": (H, K), "out_proj.weight": (D, H * V)},
     whole=lambda p, x: {"y": linear(p, "out_proj", aaren(heads(linear(p, "k_proj", x["x"]), H), heads(linear(p, "v_proj", x["x"]), H), p["q"]).flatten(2))})


def slstm_step(p, x, state):
    H, P, _ = p["recurrent"].shape
    h, c, n, m = state or (torch.zeros(BATCH, H, P).double(),) * 3 + (torch.full((BATCH, H, P), -torch.inf).double(),)
    gates = (x["x"] @ p["weight"].T).view(BATCH, 4, H, P) + torch.einsum("bhj,hjgp->bghp", h, p["recurrent"].view(H, P, 4, P)) + p["bias"]
    i, f, z, o = gates.unbind(1)
    f = F.logsigmoid(f)
    new = torch.maximum(f + m, i)
    c = torch.exp(f + m - new) * c + torch.exp(i - new) * torch.tanh(z)
    n = torch.exp(f + m - new) * n + torch.exp(i - new)
    h = torch.sigmoid(o) * c / n
    return {"y": h.flatten(1)}, (h, c, n, new)


P, D = 3, 4
case("std.slstm.SLSTM", dict(D=D, H=H, P=P), {"x": (D,)}, {"weight": (4 * H * P, D), "recurrent": (H, P, 4 * P), "bias": (4, H, P)}, slstm_step)


def matrix_memory(q, k, v, i, f):
    # Without the stabiliser: everything by its definition.
    K = q.shape[-1]
    C, n, rows = 0, 0, []
    for t in range(q.shape[1]):
        F_, I = torch.sigmoid(f[:, t]), torch.exp(i[:, t])
        C = F_[..., None, None] * C + I[..., None, None] * k[:, t, ..., None] * v[:, t, :, None]
        n = F_[..., None] * n + I[..., None] * k[:, t]
        # The bound and the eps are of the stabilised sums, which are smaller by exp(m).
        m = torch.maximum(F.logsigmoid(f[:, t]) + (m if t else torch.zeros_like(i[:, 0])), i[:, t])
        s, h = torch.einsum("bhk,bhk->bh", q[:, t], n) / K**0.5, torch.einsum("bhk,bhkv->bhv", q[:, t], C) / K**0.5
        rows.append(h * torch.exp(-m)[..., None] / (torch.maximum(s.abs() * torch.exp(-m), torch.exp(-m)) + 1e-6)[..., None])
    return torch.stack(rows, 1)


def mlstm(p, x):
    x = x["x"]
    q, k, v = (heads(linear(p, n, x), H) for n in "qkv")
    i, f = (15 * torch.tanh(linear(p, f"{n}gate_preact", x) / 15) for n in "if")
    h = matrix_memory(q, k, v, i, f)
    h = F.layer_norm(h, h.shape[-1:], eps=1e-6).flatten(2) * p["multihead_norm.weight"]
    return {"y": linear(p, "out_proj", torch.sigmoid(linear(p, "ogate_preact", x)) * h)}


def transformers_mlstm(p, x):
    from transformers import xLSTMConfig
    from transformers.models.xlstm.modeling_xlstm import xLSTMLayer

    config = xLSTMConfig(hidden_size=D, num_heads=H, qk_dim_factor=H * K / D, v_dim_factor=H * V / D, num_blocks=1, chunkwise_kernel="chunkwise--native_autograd",
                         sequence_kernel="native_sequence__native", step_kernel="native", mode="train", return_last_states=True, chunk_size=LENGTH, use_bias=False,
                         autocast_kernel_dtype="float32", inference_state_dtype="float32")
    return named(xLSTMLayer(config), p)(x["x"])[0]


K, V = 4, 2
case("std.mlstm.MatrixMemory", dict(H=H, K=K, V=V), {"q": (H, K), "k": (H, K), "v": (H, V), "i": (H,), "f": (H,)}, {},
     whole=lambda p, x: {"h": matrix_memory(x["q"], x["k"], x["v"], x["i"], x["f"])})
case("std.mlstm.MLSTM", dict(D=D, H=H, K=K, V=V), {"x": (D,)},
     {f"{n}.weight": (H * K, D) for n in "qk"} | {"v.weight": (H * V, D), "ogate_preact.weight": (H * V, D)} | linears(["igate_preact", "fgate_preact"], H, D)
     | {"multihead_norm.weight": (H * V,), "out_proj.weight": (D, H * V)}, whole=mlstm, peer=transformers_mlstm)


# MARK: attention


def attend(q, k, v, window=LENGTH):
    """Heads [batch, time, H, K]: each step by itself, over the steps that it sees."""
    rows = []
    for t in range(q.shape[1]):
        seen = slice(max(0, t - window + 1), t + 1)
        weights = torch.softmax(torch.einsum("bhk,bshk->bhs", q[:, t], k[:, seen]) / q.shape[-1] ** 0.5, -1)
        rows.append(torch.einsum("bhs,bshv->bhv", weights, v[:, seen]))
    return torch.stack(rows, 1)


def turned(x, pairs):
    """The first 2 * pairs numbers of each head turn with the position."""
    angle = torch.arange(x.shape[1], dtype=torch.double)[:, None] * 10000 ** (-torch.arange(pairs, dtype=torch.double) / pairs)
    z = torch.complex(x[..., :pairs], x[..., pairs : 2 * pairs]) * torch.polar(torch.ones_like(angle), angle)[:, None]
    return torch.cat([z.real, z.imag, x[..., 2 * pairs :]], -1)


H, K, V, W = 2, 3, 4, 3
case("std.attention.CausalAttention", dict(H=H, K=K, V=V), {"q": (H, K), "k": (H, K), "v": (H, V)}, {}, whole=lambda p, x: {"o": attend(x["q"], x["k"], x["v"])},
     peer=lambda p, x: F.scaled_dot_product_attention(*(x[n].transpose(1, 2) for n in "qkv"), is_causal=True).transpose(1, 2))
case("std.attention.LocalAttention", dict(H=H, K=K, V=V, W=W), {"q": (H, K), "k": (H, K), "v": (H, V)}, {}, whole=lambda p, x: {"o": attend(x["q"], x["k"], x["v"], W)})

D = 6


def multi_head(p, x):
    q, k, v = (part.unflatten(-1, (H, D // H)) for part in (x["x"] @ p["in_proj_weight"].T + p["in_proj_bias"]).chunk(3, -1))
    return {"y": linear(p, "out_proj", attend(q, k, v).flatten(2))}


def torch_multi_head(p, x):
    mask = torch.nn.Transformer.generate_square_subsequent_mask(LENGTH, dtype=torch.double)
    return named(torch.nn.MultiheadAttention(D, H, batch_first=True), p)(x["x"], x["x"], x["x"], attn_mask=mask)[0]


case("std.attention.MultiHeadAttention", dict(D=D, H=H), {"x": (D,)}, {"in_proj_weight": (3 * D, D), "in_proj_bias": (3 * D,), "out_proj.weight": (D, D), "out_proj.bias": (D,)},
     whole=multi_head, peer=torch_multi_head)



def attend_across(q, k, v):
    weights = torch.softmax(torch.einsum("bthk,bshk->bths", q, k) / q.shape[-1] ** 0.5, -1)
    return torch.einsum("bths,bshv->bthv", weights, v)


def multi_head_across(p, x):
    W, b = p["in_proj_weight"], p["in_proj_bias"]
    q = x["x"] @ W[:D].T + b[:D]
    k, v = (x["y"] @ W[D:].T + b[D:]).chunk(2, -1)
    return {"z": linear(p, "out_proj", attend_across(*(part.unflatten(-1, (H, D // H)) for part in (q, k, v))).flatten(2))}


def additive(p, x):
    score = torch.tanh((x["query"] @ p["W"].T)[:, :, None] + (x["y"] @ p["U"].T)[:, None]) @ p["v"]
    weights = torch.softmax(score, -1)
    return {"context": weights @ x["y"], "weights": weights}


case("std.attention.CrossAttention", dict(H=H, K=K, V=V), {"q": (H, K), "k": (H, K), "v": (H, V)}, {}, whole=lambda p, x: {"o": attend_across(x["q"], x["k"], x["v"])},
     peer=lambda p, x: F.scaled_dot_product_attention(*(x[n].transpose(1, 2) for n in "qkv")).transpose(1, 2), lengths=dict(k=5, v=5))
case("std.attention.MultiHeadCrossAttention", dict(D=D, H=H), {"x": (D,), "y": (D,)},
     {"in_proj_weight": (3 * D, D), "in_proj_bias": (3 * D,), "out_proj.weight": (D, D), "out_proj.bias": (D,)}, whole=multi_head_across,
     peer=lambda p, x: named(torch.nn.MultiheadAttention(D, H, batch_first=True), p)(x["x"], x["y"], x["y"])[0], lengths=dict(y=9))
case("std.attention.AdditiveAttention", dict(Q=3, E=4, A=5), {"query": (3,), "y": (4,)}, {"W": (5, 3), "U": (5, 4), "v": (5,)}, whole=additive, lengths=dict(y=6))

G, R, J = 2, 3, 2


def grouped(p, x):
    q, k, v = ((x["x"] @ p[f"{n}_proj.weight"].T).unflatten(-1, (-1, 2 * J)) for n in "qkv")
    k, v = (part.repeat_interleave(R, 2) for part in (turned(k, J), v))
    return {"y": attend(turned(q, J), k, v).flatten(2) @ p["o_proj.weight"].T}


def transformers_llama(p, x):
    from transformers import LlamaConfig
    from transformers.models.llama import modeling_llama as library

    config = LlamaConfig(hidden_size=D, num_attention_heads=G * R, num_key_value_heads=G, head_dim=2 * J, attention_dropout=0)
    config._attn_implementation = "eager"
    mask = torch.nn.Transformer.generate_square_subsequent_mask(LENGTH, dtype=torch.double)[None, None]
    positions = library.LlamaRotaryEmbedding(config)(x["x"], torch.arange(LENGTH)[None])
    return named(library.LlamaAttention(config, 0), p)(x["x"], positions, mask)[0]


case("std.attention.RotaryAttention", dict(D=D, G=G, R=R, J=J), {"x": (D,)},
     {"q_proj.weight": (G * R * 2 * J, D), "k_proj.weight": (G * 2 * J, D), "v_proj.weight": (G * 2 * J, D), "o_proj.weight": (D, G * R * 2 * J)},
     whole=grouped, peer=transformers_llama)


def local(p, x):
    q, k, v = ((x["x"] @ p[f"{n}_proj.weight"].T).unflatten(-1, (-1, 4 * J)) for n in "qkv")
    k, v = (part.repeat_interleave(H, 2) for part in (turned(k, J), v))
    return {"y": linear(p, "o_proj", attend(turned(q, J), k, v, W).flatten(2))}


def transformers_griffin(p, x):
    from transformers import RecurrentGemmaConfig
    from transformers.models.recurrent_gemma import modeling_recurrent_gemma as library

    config = RecurrentGemmaConfig(hidden_size=D, num_attention_heads=H, num_key_value_heads=1, head_dim=4 * J, partial_rotary_factor=0.5)
    config._attn_implementation = "eager"
    steps = torch.arange(LENGTH)
    back = steps[:, None] - steps
    mask = torch.zeros(LENGTH, LENGTH, dtype=torch.double).masked_fill((back < 0) | (back >= W), -torch.inf)[None, None]
    return named(library.RecurrentGemmaAttention(config, 0), p)(x["x"], steps[None], mask)[0]


case("std.attention.GriffinAttention", dict(D=D, H=H, J=J, W=W), {"x": (D,)},
     {"q_proj.weight": (H * 4 * J, D), "k_proj.weight": (4 * J, D), "v_proj.weight": (4 * J, D), "o_proj.weight": (D, H * 4 * J), "o_proj.bias": (D,)},
     whole=local, peer=transformers_griffin)
