# make demo   build recc and run it on speech
# make test   build and run every test
# make library  build librecc-c.so, for C and other languages (docs/capi.md)
# make python   build a wheel for Python that holds it, in .build/python (docs/python.md)
# make embed    build the example app of examples/embed, and run it
# make test-python-peers  test the Python package within torch and jax, for PEERS=python3 which has them
# make bench  time recc beside the limits of this machine (docs/benchmarks.md)
# make bench-peers  the same beside jax, torch, ONNX Runtime and numba (installs them from PyPI into .build)
#   bench and bench-peers take options: make bench BENCH='--only lstm', make bench-peers BENCH=--backward
# make bench-choice  hold the choice of plans against forced ones over a grid of shapes (some minutes)
# make bench-lanes   time nonlinear recurrences step by step, in windows and by Newton's method, and draw it (docs/benchmarks.md)
# make bench-starts  time starts with and without kept code, and what is in memory (docs/cache.md)
# make bench-tiles  time the tiles that products are made of, in every shape (docs/plans.md)
# make bench-calls   time calls from Swift and Python, and an LSTM beside torch.nn.LSTM in the same process (docs/benchmarks.md)
# make bench-libraries  sizes of compiled libraries, and what a step takes, beside RTNeural and ONNX Runtime (docs/benchmarks.md)
# make bench-checkpoints  tokens a second of language models, for PEERS=python3 which has torch and transformers (docs/benchmarks.md)
# make bench-training  train language models beside jax and torch (docs/training.md)
# make fuzz   random programs through every part, for MINUTES=10 (docs/fuzzing.md); FUZZ='--seed 5' and other options
# make test-math   every f32 input of every elementary function (some minutes)

RECC = .build/release/recc
# Swift's libraries within the program, where the toolchain has them: it then starts some milliseconds earlier.
STATIC := $(shell test -d "$$(dirname "$$(readlink -f "$$(command -v swift)")")/../lib/swift_static" && echo --static-swift-stdlib)
RELEASE = -c release $(STATIC)
BENCH =
MINUTES = 10
FUZZ =
PEERS = python3

.PHONY: all setup build demo library python embed test test-python-peers test-math fuzz bench bench-peers bench-choice bench-lanes bench-starts bench-tiles bench-calls bench-libraries bench-checkpoints bench-training clean

all: build

setup:
	@scripts/setup.sh

build: setup
	@swift build $(RELEASE) --product recc

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

library: setup
	@swift build $(RELEASE) --product recc-objects
	@swiftc -emit-library $(STATIC:--static-swift-stdlib=-static-stdlib) -o .build/release/librecc-c.so \
	  @.build/release/recc-objects.product/Objects.LinkFileList

python: library
	@RECC_LIBRARY=.build/release/librecc-c.so python3 python/wheel_builder.py .build/python

embed: setup
	@swift build -c release --package-path examples/embed
	@cd examples/embed && .build/release/embed sounds .build/sounds && .build/release/embed detect .build/sounds/speech.wav \
	  && .build/release/embed amplify .build/sounds/notes.wav .build/sounds/loud.wav

# With the library that is there, of the release or of the tests.
test-python-peers:
	@cd python && $(PEERS) -m unittest tests.peers

test: setup
	@swift test

test-math: setup
	@swift build $(RELEASE) --product recc-math
	@.build/release/recc-math --all

fuzz: setup
	@swift build $(RELEASE) --product recc-fuzz
	@.build/release/recc-fuzz --minutes $(MINUTES) --output .build/fuzz $(FUZZ)

bench: build
	@python3 Benchmarks/bench.py --recc $(RECC) $(BENCH)

bench-choice: build
	@Benchmarks/choice.py $(RECC)

bench-lanes: build
	@Benchmarks/lanes.py --recc $(RECC) --svg docs/lanes.svg $(BENCH)

bench-starts: build
	@Benchmarks/starts.py --recc $(RECC) $(BENCH)

bench-tiles: setup
	@swift build $(RELEASE) --product recc-tiles
	@.build/release/recc-tiles

bench-calls: library
	@swift build $(RELEASE) --product recc-calls
	@.build/release/recc-calls
	@$(PEERS) Benchmarks/calls.py $(BENCH)

bench-libraries: build
	@python3 Benchmarks/libraries.py --recc $(RECC) $(BENCH)

bench-checkpoints: library
	@$(PEERS) Benchmarks/checkpoints.py $(BENCH)

bench-peers: build
	@Benchmarks/peers.sh $(RECC) $(BENCH)

bench-training: build
	@Benchmarks/training/run.sh $(RECC)

clean:
	@rm -rf .build
