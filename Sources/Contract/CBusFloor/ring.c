// A plain single-producer, single-consumer ring, as one would write it in C without a bus around
// it: each side keeps a private copy of the other's position and looks again only when it must.
#include "floor_internal.h"

#define MOST_MESSAGES 10000000000u
#define MOST_CAPACITY (UINT64_C(1) << 32)
#define ITEM_WORDS 16  // the usual item: 64 bytes of header, 64 of payload

struct ring {
  struct floor_shared shared;
  _Alignas(FLOOR_LINE) struct floor_ring_setup setup;
  uint64_t slots;  // a power of two
  _Alignas(FLOOR_LINE) uint64_t head;  // items published
  _Alignas(FLOOR_LINE) uint64_t tail;  // items consumed
  _Alignas(FLOOR_LINE) uint64_t began;
  uint64_t stamps;  // sum of all stamps written
  _Alignas(FLOOR_LINE) uint64_t ended;
  uint64_t sum;  // of every word read
  _Alignas(4096) uint64_t words[];
};

// Word 0 is the item's number, word 1 its stamp, the others differ in every item.
static inline uint64_t write_item(uint64_t *item, uint64_t words, uint64_t number, int stamped) {
  uint64_t stamp = stamped ? floor_ticks() : 0;
  item[0] = number;
  item[1] = stamp;
  for (uint64_t k = 2; k < words; k++) item[k] = number + k;
  return stamp;
}

static inline uint64_t sum_item(const uint64_t *item, uint64_t words) {
  uint64_t sum = 0;
  for (uint64_t k = 0; k < words; k++) sum += item[k];
  return sum;
}

static uint64_t expected_sum(uint64_t items, uint64_t words) {
  uint64_t numbers = items % 2 ? items * ((items - 1) / 2) : items / 2 * (items - 1);
  uint64_t constants = words * (words - 1) / 2 - 1;
  return (words - 1) * numbers + items * constants;
}

// Inlined for constant arguments: no test inside the loop asks what the setup says.
static inline __attribute__((always_inline)) int produce(struct ring *ring, uint64_t words,
                                                         int stamped) {
  const uint64_t messages = ring->setup.messages, batch = ring->setup.batch;
  const uint64_t slots = ring->slots;
  uint64_t tail = 0, stamps = 0, next = 0;
  ring->began = floor_ticks();
  while (next < messages) {
    uint64_t end = next + batch < messages ? next + batch : messages;
    while (end - tail > slots) {
      tail = floor_load(&ring->tail);
      if (end - tail > slots) floor_pause();
    }
    for (; next < end; next++)
      stamps += write_item(ring->words + (next & (slots - 1)) * words, words, next, stamped);
    floor_store(&ring->head, end);
  }
  ring->stamps = stamps;
  return 0;
}

static inline __attribute__((always_inline)) int consume(struct ring *ring, uint64_t words) {
  const uint64_t messages = ring->setup.messages, slots = ring->slots;
  uint64_t next = 0, sum = 0;
  while (next < messages) {
    uint64_t head = floor_load(&ring->head);
    if (head == next) {
      // Each look takes the line away from the producer: let it get ahead first.
      for (int i = 0; i < 4; i++) floor_pause();
      continue;
    }
    uint64_t end = head - next > slots / 8 ? next + slots / 8 : head;
    for (; next < end; next++)
      sum += sum_item(ring->words + (next & (slots - 1)) * words, words);
    floor_store(&ring->tail, next);
  }
  ring->ended = floor_ticks();
  ring->sum = sum;
  return 0;
}

static int producer(struct floor_shared *shared) {
  struct ring *ring = (struct ring *)shared;
  const uint64_t words = ring->setup.item_bytes / 8;
  const int stamped = ring->setup.stamped != 0;
  if (words == ITEM_WORDS)
    return stamped ? produce(ring, ITEM_WORDS, 1) : produce(ring, ITEM_WORDS, 0);
  return stamped ? produce(ring, words, 1) : produce(ring, words, 0);
}

static int consumer(struct floor_shared *shared) {
  struct ring *ring = (struct ring *)shared;
  const uint64_t words = ring->setup.item_bytes / 8;
  return words == ITEM_WORDS ? consume(ring, ITEM_WORDS) : consume(ring, words);
}

// The number of slots, or 0 when the setup is out of range.
static uint64_t slots_of(const struct floor_ring_setup *setup) {
  const uint64_t item = setup->item_bytes;
  if (setup->messages == 0 || setup->messages > MOST_MESSAGES) return 0;
  if (item < 64 || item % 64 != 0) return 0;
  if (setup->capacity > MOST_CAPACITY || setup->capacity / item < 8) return 0;
  uint64_t slots = 8;
  while (slots * 2 * item <= setup->capacity) slots *= 2;
  return setup->batch >= 1 && setup->batch <= slots / 8 ? slots : 0;
}

int floor_ring(int cpu_a, int cpu_b, const struct floor_ring_setup *setup,
               double *messages_per_second) {
  if (!setup || !messages_per_second) return -EINVAL;
  const uint64_t slots = slots_of(setup);
  if (slots == 0) return -EINVAL;
  const double ticks_per_ns = floor_ticks_per_ns();
  struct ring *ring = floor_share(sizeof *ring + slots * setup->item_bytes);
  if (!ring) return -errno;
  ring->setup = *setup;
  ring->slots = slots;
  int outcome = floor_run_pair(cpu_a, cpu_b, producer, consumer, &ring->shared);
  uint64_t due = expected_sum(setup->messages, setup->item_bytes / 8) + ring->stamps;
  if (outcome == 0 && ring->sum != due) outcome = -EIO;
  if (outcome == 0) {
    double ns = (double)(ring->ended - ring->began) / ticks_per_ns;
    *messages_per_second = (double)setup->messages * 1e9 / ns;
  }
  floor_unshare(&ring->shared);
  return outcome;
}
