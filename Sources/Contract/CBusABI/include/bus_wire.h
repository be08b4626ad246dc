// The message on the wire and in every log: 64 bytes, little-endian, byte for byte the original
// msg_header_t. Flat, plain integers, so that Swift, C and Python read the same file.
#ifndef BUS_WIRE_H
#define BUS_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define BUS_WIRE_MAGIC 0xAF42CAFEu
#define BUS_WIRE_VERSION 1u
#define BUS_HEADER_BYTES 64

typedef struct bus_header {
  uint32_t magic;             //  0  BUS_WIRE_MAGIC
  uint16_t version;           //  4  BUS_WIRE_VERSION
  uint16_t type;              //  6  one of BUS_TYPE_*
  uint32_t length;            //  8  payload bytes, the extension not counted; 0 is legal
  uint8_t priority;           // 12  0 = not set (normal), else 1 + level 0..5
  uint8_t hops;               // 13  hops taken so far (loop guard)
  uint16_t extension_length;  // 14  bytes of header extension, a multiple of 8
  uint64_t timestamp;         // 16  ns since the Unix epoch
  uint8_t source[16];         // 24  agent UUID, RFC 9562 byte order
  uint8_t destination[16];    // 40  agent UUID; topic-addressed: 8 zero bytes, 64-bit topic id
  uint32_t flags;             // 56  BUS_FLAG_*; unknown bits are ignored
  uint32_t correlation_id;    // 60
} bus_header_t;

_Static_assert(sizeof(bus_header_t) == BUS_HEADER_BYTES, "the header is 64 bytes");
_Static_assert(offsetof(bus_header_t, length) == 8, "length");
_Static_assert(offsetof(bus_header_t, priority) == 12, "priority");
_Static_assert(offsetof(bus_header_t, timestamp) == 16, "timestamp");
_Static_assert(offsetof(bus_header_t, source) == 24, "source");
_Static_assert(offsetof(bus_header_t, destination) == 40, "destination");
_Static_assert(offsetof(bus_header_t, flags) == 56, "flags");
_Static_assert(offsetof(bus_header_t, correlation_id) == 60, "correlation_id");

#define BUS_TYPE_REQUEST 0x01
#define BUS_TYPE_RESPONSE 0x02
#define BUS_TYPE_EVENT 0x04
#define BUS_TYPE_COMMAND 0x08
#define BUS_TYPE_HEARTBEAT 0x10
#define BUS_TYPE_ERROR 0x20
#define BUS_TYPE_BROADCAST 0x40

#endif
