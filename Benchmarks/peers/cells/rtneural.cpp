// A cell of RTNeural with sizes that are known when it is compiled. GRU or LSTM, INPUTS and OUTPUTS are defined.
#include <RTNeural/RTNeural.h>

#include <vector>

#ifdef GRU
using Layer = RTNeural::GRULayerT<float, INPUTS, OUTPUTS>;
enum { GATES = 3 };
#else
using Layer = RTNeural::LSTMLayerT<float, INPUTS, OUTPUTS>;
enum { GATES = 4 };
#endif
using Model = RTNeural::ModelT<float, INPUTS, OUTPUTS, Layer>;

// The transpose of GATES * OUTPUTS rows.
static std::vector<std::vector<float>> columns(const float *rows, int count) {
  std::vector<std::vector<float>> result(count, std::vector<float>(GATES * OUTPUTS));
  for (int row = 0; row < GATES * OUTPUTS; row++)
    for (int column = 0; column < count; column++) result[column][row] = rows[row * count + column];
  return result;
}

extern "C" void *cell_create(const float *weights) {
  auto *model = new Model;
  auto &layer = model->get<0>();
  layer.setWVals(columns(weights, INPUTS));
  weights += GATES * OUTPUTS * INPUTS;
  layer.setUVals(columns(weights, OUTPUTS));
  weights += GATES * OUTPUTS * OUTPUTS;
  std::vector<float> bias(weights, weights + GATES * OUTPUTS);
#ifdef GRU
  std::vector<float> inner(GATES * OUTPUTS);
  for (int k = 0; k < OUTPUTS; k++) inner[2 * OUTPUTS + k] = weights[GATES * OUTPUTS + k];
  layer.setBVals({bias, inner});
#else
  layer.setBVals(bias);
#endif
  model->reset();
  return model;
}

extern "C" void cell_step(void *cell, const float *x, float *h) {
  auto *model = static_cast<Model *>(cell);
  model->forward(x);
  const float *outputs = model->getOutputs();
  for (int k = 0; k < OUTPUTS; k++) h[k] = outputs[k];
}
