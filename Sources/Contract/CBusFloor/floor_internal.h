// What the measurements share; not part of the interface.
#ifndef FLOOR_INTERNAL_H
#define FLOOR_INTERNAL_H

#include "bus_floor.h"

#include <errno.h>
#include <string.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static inline uint64_t floor_ticks(void) {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  uint64_t ticks;
  __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
#error "no cycle counter known for this CPU"
#endif
}

static inline void floor_pause(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

#define FLOOR_LINE 128  // two lines: the prefetcher fetches them in pairs

static inline uint64_t floor_load(const uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static inline void floor_store(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/// Opens every block that two processes share.
struct floor_shared {
  _Alignas(FLOOR_LINE) uint64_t bytes;    // of the whole block
  _Alignas(FLOOR_LINE) uint64_t arrived;  // processes that are pinned and ready
};

/// One side of a measurement; runs in a process of its own and returns 0 or -errno.
typedef int (*floor_role)(struct floor_shared *shared);

/// A zeroed block, or NULL and errno.
void *floor_share(uint64_t bytes);
void floor_unshare(struct floor_shared *shared);
/// Runs both sides on their CPUs, started together, and reaps them.
int floor_run_pair(int cpu_a, int cpu_b, floor_role a, floor_role b, struct floor_shared *shared);

/// Turns `count` samples in ticks, each of `share` of which counts, into nanoseconds and sums them
/// up. `samples_ns` may be NULL.
int floor_summarize(const uint64_t *ticks, uint64_t count, double share, double *samples_ns,
                    struct floor_summary *summary);
int floor_compare_doubles(const void *a, const void *b);

#endif
