/* Steps of a GRU in C. docs/c.md says what the calls do.
 *
 *   recc compile examples/gru.rec -D D=8 -D H=16 --seed 1 --emit library -o out
 *   cc examples/c/gru.c -Iout out/libgru.a -lm -o gru && ./gru
 */
#include "gru.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int code) {
  if (code == GRU_OK) return;
  fprintf(stderr, "gru: %s\n", gru_error_text(code));
  exit(1);
}

int main(void) {
  float x[100][GRU_INPUT_x];
  for (int t = 0; t < 100; t++)
    for (int k = 0; k < GRU_INPUT_x; k++) x[t][k] = sinf(0.1f * (float)(t * (k + 1)));

  gru_stream *stream;
  check(gru_create(&stream, 1, NULL));
  float h[GRU_OUTPUT_h];
  for (int t = 0; t < 60; t++) check(gru_step(stream, x[t], h));
  printf("h after 60 steps begins with %.3f %.3f %.3f\n", h[0], h[1], h[2]);

  /* The state can be put away, and taken up again by this stream or another one. */
  size_t size = gru_saved_size(stream);
  void *state = malloc(size);
  if (!state) return 1;
  check(gru_save(stream, state, size));

  /* Many steps at once give what single steps give. */
  float whole[40][GRU_OUTPUT_h];
  check(gru_run(stream, 40, x[60], whole[0]));
  check(gru_restore(stream, state, size));
  for (int t = 60; t < 100; t++) check(gru_step(stream, x[t], h));
  printf("the last steps are %s\n", memcmp(h, whole[39], sizeof h) ? "different" : "the same");

  free(state);
  gru_destroy(stream);
  return 0;
}
