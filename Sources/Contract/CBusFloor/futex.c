// What it costs to wake a process that sleeps in the kernel.
#include "floor_internal.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP 50
// As long as `bcs bench latency --wait sleep` pauses: the longer a core was idle, the longer the
// host takes to give it back, and the two must compare.
#define SETTLE_NS 200000

struct bed {
  struct floor_shared shared;
  _Alignas(FLOOR_LINE) uint32_t word;  // what the sleeper, or the one who answers, sleeps on
  _Alignas(FLOOR_LINE) uint32_t back;  // what the one who asks sleeps on
  _Alignas(FLOOR_LINE) uint64_t ready;
  _Alignas(FLOOR_LINE) uint64_t done;
  uint64_t woken_at;
  _Alignas(FLOOR_LINE) uint64_t rounds;
  uint64_t settle_ticks;
  uint64_t kept;
  uint64_t ticks[];
};

// Sleeps until the word is no longer `expected`; a wait is cut off after a second and renewed.
static void sleep_on(const uint32_t *word, uint32_t expected) {
  const struct timespec second = {1, 0};
  while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == expected)
    syscall(SYS_futex, word, FUTEX_WAIT, expected, &second, NULL, 0);
}

static long set_and_wake(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
  return syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int waker(struct floor_shared *shared) {
  struct bed *bed = (struct bed *)shared;
  const uint64_t rounds = bed->rounds + WARM_UP;
  for (uint64_t i = 1; i <= rounds; i++) {
    while (floor_load(&bed->ready) != i) floor_pause();
    uint64_t settled = floor_ticks() + bed->settle_ticks;
    while (floor_ticks() < settled) floor_pause();
    uint64_t before = floor_ticks();
    long woken = set_and_wake(&bed->word, (uint32_t)i);
    while (floor_load(&bed->done) != i) floor_pause();
    if (i <= WARM_UP || woken != 1 || bed->woken_at < before) continue;
    bed->ticks[bed->kept++] = bed->woken_at - before;
  }
  return 0;
}

static int sleeper(struct floor_shared *shared) {
  struct bed *bed = (struct bed *)shared;
  const uint64_t rounds = bed->rounds + WARM_UP;
  for (uint64_t i = 1; i <= rounds; i++) {
    floor_store(&bed->ready, i);
    sleep_on(&bed->word, (uint32_t)(i - 1));
    bed->woken_at = floor_ticks();
    floor_store(&bed->done, i);
  }
  return 0;
}

static int ask(struct floor_shared *shared) {
  struct bed *bed = (struct bed *)shared;
  const uint64_t rounds = bed->rounds + WARM_UP;
  uint64_t before = floor_ticks();
  for (uint64_t i = 1; i <= rounds; i++) {
    set_and_wake(&bed->word, (uint32_t)i);
    sleep_on(&bed->back, (uint32_t)(i - 1));
    uint64_t now = floor_ticks();
    if (i > WARM_UP) bed->ticks[bed->kept++] = now - before;
    before = now;
  }
  return 0;
}

static int reply(struct floor_shared *shared) {
  struct bed *bed = (struct bed *)shared;
  const uint64_t rounds = bed->rounds + WARM_UP;
  for (uint64_t i = 1; i <= rounds; i++) {
    sleep_on(&bed->word, (uint32_t)(i - 1));
    set_and_wake(&bed->back, (uint32_t)i);
  }
  return 0;
}

struct play {
  floor_role a, b;
  double share;  // of a sample that is one way
};

static int measure(int cpu_a, int cpu_b, struct play play, uint64_t rounds, double *samples_ns,
                   struct floor_summary *summary) {
  if (rounds == 0 || rounds > FLOOR_MOST_ROUNDS || !summary) return -EINVAL;
  struct bed *bed = floor_share(sizeof *bed + rounds * sizeof bed->ticks[0]);
  if (!bed) return -errno;
  bed->rounds = rounds;
  bed->settle_ticks = (uint64_t)(SETTLE_NS * floor_ticks_per_ns());
  int outcome = floor_run_pair(cpu_a, cpu_b, play.a, play.b, &bed->shared);
  if (outcome == 0)
    outcome = floor_summarize(bed->ticks, bed->kept, play.share, samples_ns, summary);
  floor_unshare(&bed->shared);
  return outcome;
}

int floor_futex_wake(int cpu_a, int cpu_b, uint64_t rounds, double *samples_ns,
                     struct floor_summary *summary) {
  return measure(cpu_a, cpu_b, (struct play){waker, sleeper, 1.0}, rounds, samples_ns, summary);
}

int floor_futex_ping_pong(int cpu_a, int cpu_b, uint64_t rounds, double *samples_ns,
                          struct floor_summary *summary) {
  return measure(cpu_a, cpu_b, (struct play){ask, reply, 0.5}, rounds, samples_ns, summary);
}
