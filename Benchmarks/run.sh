#!/usr/bin/env bash
# Times examples on generated data; each row is one command that a user can run.
set -euo pipefail
recc=${1:-.build/release/recc}
cd "$(dirname "$0")/.."
row() { echo; echo "\$ recc bench $*"; "$recc" bench "$@"; }
row examples/gru.rec -D D=256 -D H=256 --batch 1 --length 1024
row examples/gru.rec -D D=64 -D H=64 --batch 64 --length 128 --threads 2
row examples/lstm.rec -D D=256 -D H=256 --batch 32 --length 256 --threads 2
row examples/mingru.rec -D D=256 -D H=256 --batch 8 --length 2048 --threads 2
row examples/silero_vad.rec --length 265
