#include "plat_crc32c.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>

int plat_crc32c_available(void) { return __builtin_cpu_supports("sse4.2") ? 1 : 0; }

__attribute__((target("sse4.2"))) uint32_t plat_crc32c(uint32_t crc, const void *bytes,
                                                       size_t length) {
  const uint8_t *at = (const uint8_t *)bytes;
  uint64_t running = (uint32_t)~crc;
  for (; length >= 8; length -= 8, at += 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    running = _mm_crc32_u64(running, word);
  }
  uint32_t rest = (uint32_t)running;
  for (; length > 0; length--, at++) rest = _mm_crc32_u8(rest, *at);
  return ~rest;
}

#else

int plat_crc32c_available(void) { return 0; }

// Bit by bit: right, though nobody should choose it over a table.
uint32_t plat_crc32c(uint32_t crc, const void *bytes, size_t length) {
  const uint8_t *at = (const uint8_t *)bytes;
  uint32_t running = ~crc;
  for (; length > 0; length--, at++) {
    running ^= *at;
    for (int bit = 0; bit < 8; bit++)
      running = (running >> 1) ^ (0x82F63B78u & (0u - (running & 1u)));
  }
  return ~running;
}

#endif
