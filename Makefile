# make demo   build recc and run it on speech
# make test   build and run every test
# make bench  time recc beside the limits of this machine (docs/benchmarks.md)
# make bench-peers  the same beside jax, torch, ONNX Runtime and numba (installs them from PyPI into .build)
# make bench-training  train a language model to a stated loss, beside jax and torch (docs/training.md)
#   the first two take options: make bench BENCH='--only lstm', make bench-peers BENCH=--backward
# make test-math   every f32 input of every elementary function (some minutes)

RECC = .build/release/recc
BENCH =

.PHONY: all setup build demo test test-math bench bench-peers bench-training clean

all: build

setup:
	@scripts/setup.sh

build: setup
	@swift build -c release --product recc

demo: build
	@$(RECC) test examples/*.rec
	@echo
	@$(RECC) explain examples/gru.rec -D D=16 -D H=64
	@echo
	@echo "Who speaks when: Silero's voice detector on 8.5 seconds of sound (265 frames of 32 ms)"
	@$(RECC) run examples/silero_vad.rec --data examples/data/speech.safetensors \
	  --params examples/data/silero_vad_16k.safetensors --draw p
	@echo
	@$(RECC) verify examples/silero_vad.rec --data examples/data/speech.safetensors \
	  --params examples/data/silero_vad_16k.safetensors --tolerance 1e-5
	@echo
	@$(RECC) bench examples/silero_vad.rec --length 265

test: build
	@swift build -c release --product recc-math
	@swift test

test-math: setup
	@swift build -c release --product recc-math
	@.build/release/recc-math --all

bench: build
	@python3 Benchmarks/bench.py --recc $(RECC) $(BENCH)

bench-peers: build
	@Benchmarks/peers.sh $(RECC) $(BENCH)

bench-training: build
	@Benchmarks/training/run.sh $(RECC)

clean:
	@rm -rf .build
