/* Tunes a model where it runs: gradients of its loss, and parameters that change. docs/c.md says what the calls do.
 *
 *   recc compile examples/embed/amplifier.rec --params examples/embed/amplifier.safetensors --grad --emit library -o out
 *   cc examples/c/tune.c -Iout out/libamplifier.a -lm -o tune && ./tune
 */
#include "amplifier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 8, STEPS = 256 };

static void check(int code) {
  if (code == AMPLIFIER_OK) return;
  fprintf(stderr, "amplifier: %s\n", amplifier_error_text(code));
  exit(1);
}

/* A step against the gradient. */
static void move(float *parameter, const float *gradient, int count) {
  for (int k = 0; k < count; k++) parameter[k] -= 0.05f * gradient[k];
}

int main(void) {
  /* Sounds, and what another amplifier makes of them. */
  static float x[BATCH][STEPS], target[BATCH][STEPS];
  for (int b = 0; b < BATCH; b++)
    for (int t = 0; t < STEPS; t++) {
      x[b][t] = 0.5f * sinf(0.03f * (float)(b + 1) * (float)t);
      target[b][t] = 0.9f * tanhf(3 * x[b][t]);
    }

  /* Parameters of one's own begin as those of the library. */
  amplifier_gradient_data library = {0};
  check(amplifier_parameters(&library));
  float W[AMPLIFIER_PARAMETER_W], b[AMPLIFIER_PARAMETER_b], U[AMPLIFIER_PARAMETER_U], Wo[AMPLIFIER_PARAMETER_Wo], bo;
  memcpy(W, library.W, sizeof W);
  memcpy(b, library.b, sizeof b);
  memcpy(U, library.U, sizeof U);
  memcpy(Wo, library.Wo, sizeof Wo);
  memcpy(&bo, library.bo, sizeof bo);

  float slope_W[AMPLIFIER_PARAMETER_W], slope_b[AMPLIFIER_PARAMETER_b], slope_U[AMPLIFIER_PARAMETER_U], slope_Wo[AMPLIFIER_PARAMETER_Wo], slope_bo;
  double loss, first = 0;
  amplifier_gradient_data data = {
    .x = x[0], .target = target[0], .W = W, .b = b, .U = U, .Wo = Wo, .bo = &bo, .error = &loss,
    .grad_W = slope_W, .grad_b = slope_b, .grad_U = slope_U, .grad_Wo = slope_Wo, .grad_bo = &slope_bo};

  /* Memory is taken once, for all steps. */
  const size_t size = amplifier_gradient_memory(BATCH, STEPS);
  void *memory = malloc(size);
  if (!memory) return 1;
  for (int step = 0; step < 300; step++) {
    check(amplifier_gradient(&data, BATCH, STEPS, memory, size));
    if (step == 0) first = loss;
    move(W, slope_W, AMPLIFIER_PARAMETER_W);
    move(b, slope_b, AMPLIFIER_PARAMETER_b);
    move(U, slope_U, AMPLIFIER_PARAMETER_U);
    move(Wo, slope_Wo, AMPLIFIER_PARAMETER_Wo);
    move(&bo, &slope_bo, 1);
  }
  printf("after 300 steps the loss is a %s of what it was\n", loss < first / 4 ? "quarter or less" : "larger part");
  free(memory);
  return 0;
}
