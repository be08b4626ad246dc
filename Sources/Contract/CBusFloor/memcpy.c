// How fast a block is copied that fits a given level of the cache, or none.
#include "floor_internal.h"

#include <stdlib.h>
#include <sys/mman.h>

#define MOST_BLOCK (UINT64_C(1) << 32)

// Keeps the compiler from seeing that nobody reads the copy.
static void copy(uint8_t *to, const uint8_t *from, uint64_t bytes, uint64_t times) {
  for (uint64_t i = 0; i < times; i++) {
    memcpy(to, from, bytes);
    __asm__ __volatile__("" ::"r"(to), "r"(from) : "memory");
  }
}

static double copy_rate(uint8_t *to, const uint8_t *from, uint64_t bytes) {
  enum { blocks = 15 };
  double rate[blocks];
  const double ticks_per_ns = floor_ticks_per_ns();
  uint64_t begin = floor_ticks();
  copy(to, from, bytes, 1);
  double once_ns = (double)(floor_ticks() - begin) / ticks_per_ns;
  uint64_t times = (uint64_t)(10e6 / (once_ns + 1)) + 1;
  for (int i = 0; i < blocks; i++) {
    begin = floor_ticks();
    copy(to, from, bytes, times);
    double ns = (double)(floor_ticks() - begin) / ticks_per_ns;
    rate[i] = (double)bytes * (double)times * 1e9 / ns;
  }
  qsort(rate, blocks, sizeof rate[0], floor_compare_doubles);
  return rate[blocks / 2];
}

int floor_memcpy(uint64_t bytes, double *bytes_per_second) {
  if (bytes == 0 || bytes > MOST_BLOCK || !bytes_per_second) return -EINVAL;
  const uint64_t room = (bytes + 4095) & ~UINT64_C(4095);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  uint8_t *block = mmap(NULL, 2 * room, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (block == MAP_FAILED) return -errno;
  memset(block, 0x5a, 2 * room);
  *bytes_per_second = copy_rate(block + room, block, bytes);
  munmap(block, 2 * room);
  return 0;
}
