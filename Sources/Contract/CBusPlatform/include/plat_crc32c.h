// CRC32C (Castagnoli) by the CPU's own instruction. BusWire falls back to its table without it.
#ifndef PLAT_CRC32C_H
#define PLAT_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/// 1 when this CPU computes CRC32C in hardware (x86: SSE4.2).
int plat_crc32c_available(void);
/// Continues a CRC32C over `length` bytes in hardware. `crc` is the finished checksum of what came
/// before, 0 at the start. On x86 call it only when plat_crc32c_available() is 1.
uint32_t plat_crc32c(uint32_t crc, const void *bytes, size_t length);

#endif
