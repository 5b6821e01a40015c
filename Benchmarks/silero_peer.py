"""Times ONNX Runtime on the frames of examples/data/speech.safetensors, one thread: frame by frame, and as one sequence."""
import json
import os
import statistics
import struct
import sys
import time

import numpy as np
import onnxruntime
import silero_vad_files


def read(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    start = 8 + size
    return {
        name: np.frombuffer(data[start + v["data_offsets"][0] : start + v["data_offsets"][1]], "<f4").reshape(v["shape"])
        for name, v in header.items()
        if name != "__metadata__"
    }


root = os.path.join(os.path.dirname(__file__), "..")
speech = read(os.path.join(root, "examples/data/speech.safetensors"))
frames, expected = speech["input.frame"][0], speech["output.p"][0]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
single = onnxruntime.InferenceSession(silero_vad_files.path("silero_vad_16k_op15.onnx"), options)
sequence = onnxruntime.InferenceSession(silero_vad_files.path("silero_vad_16k_sequence.onnx"), options)


def stream():
    state, out = np.zeros((2, 1, 128), np.float32), []
    for t in range(len(frames)):
        p, state = single.run(None, {"input": frames[t : t + 1], "state": state, "sr": np.array(16000, np.int64)})
        out.append(p[0, 0])
    return np.array(out)


def whole():
    zero = np.zeros((1, 1, 128), np.float32)
    return sequence.run(None, {"input": frames, "h": zero, "c": zero})[0].ravel()


for name, run in (("sequence", whole), ("stream", stream)):
    difference = np.abs(run() - expected).max()
    times = []
    for _ in range(15):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    print(f"onnxruntime {name}: {statistics.median(times) / len(frames) * 1e6:.1f} µs a frame, difference {difference:.1e}")
sys.exit(0)
