#include "recc.h"

#include <stddef.h>

// What other languages write down of the structures (python/recc).
_Static_assert(offsetof(recc_tensor, rank) == 3 * sizeof(void *) && sizeof(recc_tensor) == 3 * sizeof(void *) + 8, "a tensor");
_Static_assert(offsetof(recc_port, rank) == 3 * sizeof(void *), "a port");
_Static_assert(offsetof(recc_problem, line) == 4 * sizeof(void *), "a problem");
