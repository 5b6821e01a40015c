"""The rows of the tables: what is computed, at which size, and which peers compute it too."""
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kind:
    """A program, with the shapes of what it is given (a leading batch and time are understood) and the name of its result."""

    program: str
    inputs: dict
    params: dict = field(default_factory=dict)
    output: str = "h"
    ranges: dict = field(default_factory=dict)
    # Files with real data and weights, in place of generated ones.
    data: str | None = None
    weights: str | None = None


CELL = {"x": "D"}
MEMORY = {"q": "NK", "k": "NK", "v": "NV"}
KINDS = {
    "affine": Kind("Benchmarks/programs/affine.rec", {"a": "D", "b": "D"}, ranges={"a": (0.9, 1)}),
    "mingru": Kind("examples/mingru.rec", CELL, {"Wz": "HD", "Wh": "HD", "bz": "H", "bh": "H"}),
    "selective": Kind(
        "Benchmarks/programs/selective_scan.rec", {"x": "D", "dt": "D", "b": "N", "c": "N"}, {"A": "DN"}, output="y",
        ranges={"dt": (0.001, 0.1), "A": (-16, -1)}),
    "gated": Kind(
        "Benchmarks/programs/gated_unit.rec", {"xz": "D", "xr": "D", "xn": "D"}, {"az": "D", "ar": "D", "an": "D"},
        ranges={"az": (-1, 1), "ar": (-1, 1), "an": (-1, 1)}),
    "filter": Kind("Benchmarks/programs/saturating_filter.rec", {"x": ""}, output="y"),
    "lstm": Kind("Benchmarks/programs/lstm.rec", CELL, {"W": "GD", "U": "GH", "b": "G"}),
    "apart": Kind(
        "Benchmarks/programs/lstm_apart.rec", CELL,
        {name: shape for gate in "ifgo" for name, shape in ((f"W{gate}", "HD"), (f"U{gate}", "HH"), (f"b{gate}", "H"))}),
    "gru": Kind(
        "examples/gru.rec", CELL,
        {name: shape for gate in "zrn" for name, shape in ((f"W{gate}", "HD"), (f"U{gate}", "HH"), (f"b{gate}", "H"))} | {"cn": "H"}),
    "normalised": Kind(
        "Benchmarks/programs/normalised_gate.rec", CELL,
        {"W": "HD", "Wg": "HD", "U": "HH", "Ug": "HH", "b": "H", "bg": "H"}),
    "linear": Kind("Benchmarks/programs/linear.rec", CELL, {"W": "HD"}, output="y"),
    "decayed_attention": Kind("Benchmarks/programs/decayed_attention.rec", MEMORY | {"rate": "N"}, output="o"),
    "softmax_attention": Kind("Benchmarks/programs/softmax_attention.rec", MEMORY, output="o"),
    "gated_attention": Kind("Benchmarks/programs/gated_attention.rec", MEMORY | {"gate": "NK"}, output="o"),
    "delta_rule": Kind("Benchmarks/programs/delta_rule.rec", MEMORY | {"rate": "N"}, output="o"),
    "gated_delta_rule": Kind("Benchmarks/programs/gated_delta_rule.rec", MEMORY | {"rate": "N", "decay": "N"}, output="o"),
    "matrix_lstm": Kind("Benchmarks/programs/matrix_lstm.rec", MEMORY | {"i": "N", "f": "N"}, output="o"),
    "rwkv7": Kind("Benchmarks/programs/rwkv7.rec", MEMORY | {"decay": "NK", "erased": "NK", "rate": "NK"}, output="o"),
    "silero": Kind(
        "examples/silero_vad.rec", {}, output="p",
        data="examples/data/speech.safetensors", weights="examples/data/silero_vad_16k.safetensors"),
}

# The columns: a name, and the file under peers/ that computes it.
PEERS = {
    "jax scan": "jax_scan.py",
    "jax associative_scan": "jax_associative_scan.py",
    "jax chunks": "jax_chunks.py",
    "torch": "torch_modules.py",
    "torch chunks": "torch_chunks.py",
    "torch attention": "torch_attention.py",
    "mlstm-kernels": "mlstm_kernels_native.py",
    "onnxruntime": "onnxruntime_graphs.py",
    "numba": "numba_loops.py",
}


@dataclass(frozen=True)
class Row:
    name: str
    kind: str
    batch: int
    length: int
    dims: dict
    forward: tuple = ()
    # None where the row is not measured backward.
    backward: tuple | None = None
    # One step at a time, one sequence, one thread.
    is_stream: bool = False
    threads: int | None = None

    @property
    def size(self):
        if "N" in self.dims and "K" in self.dims:
            return f"{self.batch}×{self.dims['N']}×{self.length}"
        given, state = self.dims.get("D"), self.dims.get("H")
        channels = f"{given}→{state}" if state else given
        return "×".join(str(part) for part in ((None if self.is_stream else f"{self.batch}×{self.length}"), channels) if part)


@dataclass(frozen=True)
class Group:
    name: str
    title: str
    rows: tuple
    sizes: str = "batch × time × channels"


JAX = ("jax scan", "jax associative_scan")
SCANS = JAX + ("torch",)


def affine(batch, length, channels, backward=SCANS):
    return Row("affine, a and b given", "affine", batch, length, {"D": channels}, SCANS + ("numba",), backward)


def mingru(batch, length, size):
    return Row("minGRU", "mingru", batch, length, {"D": size, "H": size}, SCANS, SCANS)


def cells(batch, length, size):
    dims = {"D": size, "H": size}
    for name, kind in (("LSTM", "lstm"), ("GRU", "gru")):
        yield Row(name, kind, batch, length, dims, ("torch", "onnxruntime", "jax scan"), ("torch", "jax scan"))


def product(size, batch=1, length=1024):
    return Row("product", "linear", batch, length, {"D": size, "H": size}, backward=())


def memories(batch, heads, length):
    dims = {"N": heads, "K": 64, "V": 64}
    chunks = ("jax scan", "jax chunks")
    for name, kind, peers in (
        ("softmax attention", "softmax_attention", ("torch attention",)),
        ("linear attention, decay by head", "decayed_attention", chunks + ("torch chunks", "torch attention")),
        ("gated linear attention", "gated_attention", chunks),
        ("mLSTM", "matrix_lstm", chunks + ("mlstm-kernels",)),
        ("delta rule", "delta_rule", chunks + ("torch chunks",)),
        ("gated delta rule", "gated_delta_rule", chunks + ("torch chunks",)),
        ("RWKV-7", "rwkv7", ("jax scan",)),
    ):
        yield Row(name, kind, batch, length, dims, peers, peers)


def stream(size):
    return Row("LSTM", "lstm", 1, 1024, {"D": size, "H": size}, ("torch", "onnxruntime"), is_stream=True, threads=1)


GROUPS = (
    Group("scans", "Recurrences that are affine in the state, and one that is not", (
        affine(1, 65536, 64),
        affine(8, 2048, 512),
        affine(1, 1048576, 1),
        affine(32, 256, 256, backward=None),
        mingru(8, 2048, 256),
        mingru(1, 16384, 64),
        Row("selective SSM, N = 16", "selective", 1, 2048, {"D": 512, "N": 16}, JAX, JAX),
        Row("gated unit, diagonal", "gated", 8, 2048, {"D": 256}, ("jax scan",), ("jax scan",)),
    )),
    Group("windows", "Long sequences of few numbers a step, whose steps are not affine", (
        *(Row("gated unit, diagonal", "gated", 1, length, {"D": size}, ("jax scan",), ("jax scan",))
          for length, size in ((65536, 1), (65536, 2), (65536, 8), (16384, 64))),
        Row("saturating filter of two states", "filter", 1, 480000, {}, ("jax scan",), ("jax scan",)),
    )),
    Group("cells", "Cells with a dense product in every step", (
        *cells(1, 1024, 256),
        *cells(32, 256, 256),
        *cells(8, 512, 512),
        *cells(64, 128, 64),
        *cells(1, 4096, 64),
        Row("a cell of one's own", "normalised", 1, 1024, {"D": 256, "H": 256}, ("jax scan",), ("jax scan",)),
        # As much work a step as the LSTM's of 256 has.
        Row("a cell of one's own", "normalised", 1, 1024, {"D": 384, "H": 384}, ("jax scan",), ("jax scan",)),
        Row("a cell of one's own", "normalised", 32, 256, {"D": 256, "H": 256}, ("jax scan",), ("jax scan",)),
        # The LSTM once more, written with a matrix for each gate.
        Row("LSTM, gates apart", "apart", 1, 1024, {"D": 256, "H": 256}, backward=()),
        Row("LSTM, gates apart", "apart", 32, 256, {"D": 256, "H": 256}, backward=()),
        Row("LSTM, gates apart", "apart", 8, 512, {"D": 512, "H": 512}, backward=()),
        Row("LSTM, gates apart", "apart", 64, 128, {"D": 64, "H": 64}, backward=()),
        Row("Silero voice detector", "silero", 1, 265, {}, ("onnxruntime",), threads=1),
    )),
    Group("matrices", "Recurrences of matrices of 64×64 for each head", (
        *memories(1, 4, 2048),
        *memories(2, 8, 4096),
    ), sizes="batch × heads × time"),
    Group("products", "Products over all steps, and backward the sums of outer products", (
        product(1024),
        product(256, batch=32, length=256),
    )),
    Group("stream", "One step of a stream, one sequence, one thread", (
        stream(128),
        stream(512),
        Row("Silero voice detector", "silero", 1, 265, {}, ("onnxruntime",), is_stream=True, threads=1),
    )),
)
