/* Takes steps of a cell one by one, in one thread: prints the median time of one in µs, and writes what the first ones give.
 *
 *   steps INPUTS OUTPUTS STEPS WEIGHTS SAMPLES RESULT
 *
 * Files hold f32 in the order of the machine. A cell is what defines these two: */
#define _POSIX_C_SOURCE 200112L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void *cell_create(const float *weights);
void cell_step(void *cell, const float *x, float *h);

enum { ROUNDS = 31 };
static const double round_time = 10e3;

/* The time of this thread alone, so that other programs do little harm. */
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* At an address that every vector may be loaded from. */
static float *aligned(size_t count) {
  void *memory = NULL;
  if (posix_memalign(&memory, 64, (count ? count : 1) * sizeof(float))) exit(1);
  return memory;
}

static float *contents(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) exit(1);
  size_t count = (size_t)ftell(file) / sizeof(float);
  rewind(file);
  float *numbers = aligned(count);
  if (fread(numbers, sizeof(float), count, file) != count) exit(1);
  fclose(file);
  return numbers;
}

int main(int count, char **arguments) {
  if (count != 7) return 1;
  size_t inputs = (size_t)atoi(arguments[1]), outputs = (size_t)atoi(arguments[2]), steps = (size_t)atoi(arguments[3]);
  const float *x = contents(arguments[5]);
  float *h = aligned(steps * outputs);
  void *cell = cell_create(contents(arguments[4]));
  if (!cell) return 1;
  for (size_t t = 0; t < steps; t++) cell_step(cell, x + t * inputs, h + t * outputs);
  FILE *file = fopen(arguments[6], "wb");
  if (!file || fwrite(h, sizeof(float), steps * outputs, file) != steps * outputs || fclose(file)) return 1;

  double times[ROUNDS], estimate = now();
  for (size_t t = 0; t < steps; t++) cell_step(cell, x + t * inputs, h + t * outputs);
  estimate = now() - estimate;
  size_t turns = estimate < round_time ? (size_t)(round_time / (estimate + 1)) + 1 : 1;
  for (int round = 0; round < ROUNDS; round++) {
    double start = now();
    for (size_t turn = 0; turn < turns; turn++)
      for (size_t t = 0; t < steps; t++) cell_step(cell, x + t * inputs, h + t * outputs);
    times[round] = (now() - start) / (double)(turns * steps);
  }
  qsort(times, ROUNDS, sizeof *times, compare);
  printf("%.4f\n", times[ROUNDS / 2]);
  return 0;
}
