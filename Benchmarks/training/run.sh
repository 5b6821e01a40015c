#!/usr/bin/env bash
# Trains examples/stack_lm.rec on this project's documents up to a validation loss: recc, and where .build/peers has them
# (make bench-peers) JAX and PyTorch, one after another.
set -euo pipefail
recc=${1:-.build/release/recc}
cd "$(dirname "$0")/../.."
# Without the page that has the figures of this run: it would change what it tells of.
texts=(README.md)
for page in docs/*.md; do if [ "$page" != docs/training.md ]; then texts+=("$page"); fi; done
goal=1.9
given=()
for text in "${texts[@]}"; do given+=(--text "$text"); done

timed() {
  local start
  start=$(date +%s.%N)
  "$@" | tail -n 1
  awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "  %.1f s from start to end\n", b - a }'
}

echo "recc, up to a validation loss of $goal"
timed "$recc" train examples/stack_lm.rec -D V=256 -D D=64 -D H=128 -D L=2 "${given[@]}" --window 128 --hold-out 0.1 --batch 8 \
  --steps 600 --every 25 --lr 5e-3 --schedule cosine --warmup 20 --clip 1 --threads 2 --until $goal
for peer in jax torch; do
  if .build/peers/bin/python -c "import $peer" 2>/dev/null; then
    echo "$peer"
    timed .build/peers/bin/python "Benchmarks/training/${peer}_lm.py" "${texts[@]}" --until $goal
  fi
done
