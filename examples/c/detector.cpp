// Who speaks when: Silero's voice detector in C++. Reads sound from standard input, 16000 raw 32-bit floats a second.
//
//   recc compile examples/silero_vad.rec --params examples/data/silero_vad_16k.safetensors --name vad --emit library -o out
//   c++ -std=c++17 examples/c/detector.cpp -Iout out/libvad.a -lm -o detector && ./detector < speech.f32
#include "vad.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <stdexcept>

/// A stream of one sequence, which ends with this.
class Detector {
public:
  Detector() {
    vad_stream *made = nullptr;
    check(vad_create(&made, 1));
    stream.reset(made);
  }

  /// The probability that someone speaks in a frame of sound, which follows the frames before.
  float operator()(const float *samples) {
    // A frame has the end of the one before in front.
    std::move(frame.end() - context, frame.end(), frame.begin());
    std::copy(samples, samples + size, frame.begin() + context);
    float probability = 0;
    check(vad_step(stream.get(), frame.data(), &probability));
    return probability;
  }

  static constexpr int size = 512;

private:
  static constexpr int context = VAD_INPUT_frame - size;

  static void check(int code) {
    if (code != VAD_OK) throw std::runtime_error(vad_error_text(code));
  }

  struct End {
    void operator()(vad_stream *stream) const { vad_destroy(stream); }
  };

  std::unique_ptr<vad_stream, End> stream;
  std::array<float, VAD_INPUT_frame> frame{};
};

int main() try {
  Detector detector;
  std::array<float, Detector::size> samples;
  bool speaks = false;
  int count = 0;
  for (; std::fread(samples.data(), sizeof(float), samples.size(), stdin) == samples.size(); count++) {
    // Speech ends where it is far less probable than where it began.
    const bool now = detector(samples.data()) > (speaks ? 0.35f : 0.5f);
    if (now != speaks) std::printf("%5.2f s  speech %s\n", count * Detector::size / 16000.0, now ? "begins" : "ends");
    speaks = now;
  }
  std::printf("%5.2f s  end\n", count * Detector::size / 16000.0);
  return 0;
} catch (const std::exception &problem) {
  std::fprintf(stderr, "detector: %s\n", problem.what());
  return 1;
}
