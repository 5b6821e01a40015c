#!/usr/bin/env bash
# Times recc beside ONNX Runtime in one run. The peers go into an environment of their own under .build.
set -euo pipefail
recc=${1:-.build/release/recc}
cd "$(dirname "$0")/.."
env=.build/peers
if [ ! -x $env/bin/python ]; then
  echo "peers: installing numpy, onnxruntime and silero-vad into $env"
  python3 -m venv $env
  $env/bin/pip install -q numpy onnxruntime
  $env/bin/pip install -q --no-deps silero-vad==6.2.3
fi
"$recc" verify examples/silero_vad.rec --data examples/data/speech.safetensors \
  --params examples/data/silero_vad_16k.safetensors --precision f32
"$recc" bench examples/silero_vad.rec --length 265
$env/bin/python Benchmarks/silero_peer.py
