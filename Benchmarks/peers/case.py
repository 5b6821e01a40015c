"""Writes a case: inputs, parameters and cotangents of a row, the same for the same row."""
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from rows import GROUPS, KINDS

group, index, target = sys.argv[1:]
row = next(g for g in GROUPS if g.name == group).rows[int(index)]
kind, dims = KINDS[row.kind], dict(row.dims)
dims["G"] = 4 * dims.get("H", 0)


def safetensors(path):
    data = path.read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, end = (start + offset for offset in entry["data_offsets"])
            yield name, np.frombuffer(data[first:end], {"F32": "<f4", "F64": "<f8"}[entry["dtype"]]).reshape(entry["shape"])


def draw(role, name, shape):
    """Uniform where there is a range; else normal, matrices scaled to keep the size of what they are multiplied with."""
    generator = np.random.default_rng(zlib.crc32(f"{role}.{name}".encode()))
    if name in kind.ranges:
        return generator.uniform(*kind.ranges[name], shape).astype(np.float32)
    scale = 0.5 if role != "param" else 1 / np.sqrt(shape[-1]) if len(shape) == 2 else 0.1
    return (scale * generator.standard_normal(shape)).astype(np.float32)


def sizes(letters):
    return [dims[letter] for letter in letters]


if kind.data:
    case = {name: tensor for name, tensor in safetensors(Path(kind.data)) if name.startswith("input.")}
    np.savez(target, **case)
    raise SystemExit

lead = [row.batch, row.length]
case = {f"input.{name}": draw("input", name, lead + sizes(letters)) for name, letters in kind.inputs.items()}
case |= {f"param.{name}": draw("param", name, sizes(letters)) for name, letters in kind.params.items()}
if row.backward is not None:
    result = {"h": "H" if "H" in dims else "D", "y": "D", "o": "NV"}[kind.output]
    case[f"cotangent.{kind.output}"] = draw("cotangent", kind.output, lead + [dims[letter] for letter in result if letter in dims])
np.savez(target, **case)
