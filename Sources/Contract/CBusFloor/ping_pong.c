// How long a cache line takes from one core to the other.
#include "floor_internal.h"

#define WARM_UP 2000

struct court {
  struct floor_shared shared;
  _Alignas(FLOOR_LINE) uint64_t ping;
  _Alignas(FLOOR_LINE) uint64_t pong;
  _Alignas(FLOOR_LINE) uint64_t rounds;
  uint64_t ticks[];  // one round trip each
};

// No pause while waiting: it would add up to one pause to every way.
// The counter is read without a fence, which would add to every way too: a single sample may be
// off by what its neighbour lacks; percentiles and the mean hold.
static int serve(struct floor_shared *shared) {
  struct court *court = (struct court *)shared;
  const uint64_t rounds = court->rounds + WARM_UP;
  uint64_t before = floor_ticks();
  for (uint64_t i = 1; i <= rounds; i++) {
    floor_store(&court->ping, i);
    while (floor_load(&court->pong) != i) {}
    uint64_t now = floor_ticks();
    if (i > WARM_UP) court->ticks[i - WARM_UP - 1] = now - before;
    before = now;
  }
  return 0;
}

static int answer(struct floor_shared *shared) {
  struct court *court = (struct court *)shared;
  const uint64_t rounds = court->rounds + WARM_UP;
  for (uint64_t i = 1; i <= rounds; i++) {
    while (floor_load(&court->ping) != i) {}
    floor_store(&court->pong, i);
  }
  return 0;
}

int floor_ping_pong(int cpu_a, int cpu_b, uint64_t rounds, double *samples_ns,
                    struct floor_summary *summary) {
  if (rounds == 0 || rounds > FLOOR_MOST_ROUNDS || !summary) return -EINVAL;
  struct court *court = floor_share(sizeof *court + rounds * sizeof court->ticks[0]);
  if (!court) return -errno;
  court->rounds = rounds;
  int outcome = floor_run_pair(cpu_a, cpu_b, serve, answer, &court->shared);
  if (outcome == 0) outcome = floor_summarize(court->ticks, rounds, 0.5, samples_ns, summary);
  floor_unshare(&court->shared);
  return outcome;
}
