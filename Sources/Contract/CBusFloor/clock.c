// What reading time and the smallest operations cost, and how ticks become nanoseconds.
#include "floor_internal.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t raw_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC_RAW, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct instant {
  uint64_t ticks, ns;
};

// Of several attempts the one with the narrowest bracket: an interrupt cannot fall into it unseen.
static struct instant instant(void) {
  struct instant best = {0, 0};
  uint64_t narrowest = UINT64_MAX;
  for (int i = 0; i < 32; i++) {
    uint64_t before = floor_ticks(), ns = raw_ns(), after = floor_ticks();
    if (after - before >= narrowest) continue;
    narrowest = after - before;
    best = (struct instant){before + narrowest / 2, ns};
  }
  return best;
}

double floor_ticks_per_ns(void) {
  static _Atomic double known;
  if (known > 0) return known;
  struct instant first = instant();
  while (raw_ns() - first.ns < 20000000u) floor_pause();
  struct instant last = instant();
  known = (double)(last.ticks - first.ticks) / (double)(last.ns - first.ns);
  return known;
}

int floor_compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int floor_summarize(const uint64_t *ticks, uint64_t count, double share, double *samples_ns,
                    struct floor_summary *summary) {
  memset(summary, 0, sizeof *summary);
  if (count == 0) return 0;
  double *sorted = malloc(count * sizeof *sorted);
  if (!sorted) return -ENOMEM;
  const double ns_per_tick = share / floor_ticks_per_ns();
  double total = 0;
  for (uint64_t i = 0; i < count; i++) {
    sorted[i] = (double)ticks[i] * ns_per_tick;
    total += sorted[i];
  }
  if (samples_ns) memcpy(samples_ns, sorted, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, floor_compare_doubles);
  summary->count = count;
  summary->min_ns = sorted[0];
  summary->p50_ns = sorted[count / 2];
  summary->p90_ns = sorted[count / 10 * 9 + count % 10 * 9 / 10];
  summary->p99_ns = sorted[count - 1 - (count - 1) / 100];
  summary->p999_ns = sorted[count - 1 - (count - 1) / 1000];
  summary->max_ns = sorted[count - 1];
  summary->mean_ns = total / (double)count;
  free(sorted);
  return 0;
}

static void read_ticks(uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    uint64_t now = floor_ticks();
    __asm__ __volatile__("" ::"r"(now));
  }
}
static void read_clock(uint64_t n) {
  struct timespec t;
  for (uint64_t i = 0; i < n; i++) clock_gettime(CLOCK_MONOTONIC, &t);
}
static void call_kernel(uint64_t n) {
  for (uint64_t i = 0; i < n; i++) syscall(SYS_getppid);
}
static void add_atomically(uint64_t n) {
  _Alignas(FLOOR_LINE) uint64_t word = 0;
  for (uint64_t i = 0; i < n; i++) __atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
}
static void store_released(uint64_t n) {
  _Alignas(FLOOR_LINE) uint64_t word = 0;
  for (uint64_t i = 0; i < n; i++) {
    floor_store(&word, i);
    __asm__ __volatile__("" ::"r"(&word) : "memory");
  }
}
static void pause_often(uint64_t n) {
  for (uint64_t i = 0; i < n; i++) floor_pause();
}

static double cost_ns(void (*repeat)(uint64_t), uint64_t times) {
  enum { blocks = 25 };
  double cost[blocks];
  repeat(times);
  for (int i = 0; i < blocks; i++) {
    uint64_t begin = floor_ticks();
    repeat(times);
    cost[i] = (double)(floor_ticks() - begin) / (double)times / floor_ticks_per_ns();
  }
  qsort(cost, blocks, sizeof cost[0], floor_compare_doubles);
  return cost[blocks / 2];
}

int floor_clock(struct floor_clock *clock) {
  clock->ticks_per_ns = floor_ticks_per_ns();
  clock->ticks_ns = cost_ns(read_ticks, 20000);
  clock->clock_gettime_ns = cost_ns(read_clock, 20000);
  clock->syscall_ns = cost_ns(call_kernel, 5000);
  clock->rmw_ns = cost_ns(add_atomically, 20000);
  clock->store_ns = cost_ns(store_released, 100000);
  clock->pause_ns = cost_ns(pause_often, 5000);
  return 0;
}
