#!/usr/bin/env bash
# Trains language models of examples/ on this project's documents: recc, and where .build/peers has them (make bench-peers; or PEERS=a
# Python that has them) JAX and PyTorch, one after another, from the same first weights on the same minibatches.
#
#   run.sh RECC [NAME …]    some of stack_lm, mamba2, gated_delta_net; THREADS=2
set -euo pipefail
recc=${1:-.build/release/recc}
shift || true
cd "$(dirname "$0")/../.."
python=${PEERS:-.build/peers/bin/python}
threads=${THREADS:-2}
# Without the page that has the figures of this run: it would change what it tells of.
texts=(README.md)
for page in docs/*.md; do if [ "$page" != docs/training.md ]; then texts+=("$page"); fi; done
given=()
for text in "${texts[@]}"; do given+=(--text "$text"); done
first=$(mktemp --suffix .safetensors)
trap 'rm -f "$first"' EXIT

timed() {
  local start
  start=$(date +%s.%N)
  "$@" | tail -n 1
  awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "  %.1f s from start to end\n", b - a }'
}

# NAME, the sizes of the model, what the run and its peers have in common, and the peers: scripts of this folder.
row() {
  local name=$1 peer
  local -a dims=() common peers
  for size in $2; do dims+=(-D "$size"); done
  read -r -a common <<<"$3"
  read -r -a peers <<<"$4"
  echo "$name, recc"
  timed "$recc" train "examples/$name.rec" "${dims[@]}" "${given[@]}" "${common[@]}" --hold-out 0.1 --every 25 --schedule cosine --clip 1
  "$recc" train "examples/$name.rec" "${dims[@]}" "${given[@]}" "${common[@]}" --steps 0 -o "$first"
  for peer in "${peers[@]}"; do
    if "$python" -c "import ${peer%%_*}" 2>/dev/null; then
      echo "$name, ${peer%%_*}"
      timed "$python" "Benchmarks/training/$peer.py" "${texts[@]}" --weights "$first" "${common[@]}" --hold-out 0.1 --every 25
    fi
  done
}

wanted() {
  local name
  for name in "${names[@]}"; do if [ "$name" = "$1" ]; then return 0; fi; done
  return 1
}

names=("$@")
if [ $# = 0 ]; then names=(stack_lm mamba2 gated_delta_net); fi
# Up to a validation loss.
if wanted stack_lm; then
  row stack_lm "V=256 D=64 H=128 L=2" "--window 128 --batch 8 --lr 5e-3 --warmup 20 --threads $threads --steps 600 --until 2.1" "jax_lm torch_lm"
fi
# Four blocks each, for so many steps; PyTorch in chunks of 64 steps.
common="--window 256 --batch 4 --lr 5e-3 --warmup 20 --threads $threads --steps 200"
if wanted mamba2; then row mamba2 "V=256 D=128 H=4 P=64 N=64 L=4" "$common" torch_blocks; fi
if wanted gated_delta_net; then row gated_delta_net "Y=256 D=128 H=4 K=64 V=64 F=256 L=4" "$common" torch_blocks; fi
