// Counts the heap allocations of the calling thread, by standing in for the C library's functions
// in whatever program links this target. Test programs only.
#ifndef ALLOCATION_COUNT_H
#define ALLOCATION_COUNT_H

#include <stdint.h>

/// Allocations of this thread so far; UINT64_MAX where a sanitizer owns the heap.
uint64_t allocation_count(void);

#endif
