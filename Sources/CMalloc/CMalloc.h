// glibc's settings of malloc, which Swift's Glibc module leaves out.
#include <malloc.h>
