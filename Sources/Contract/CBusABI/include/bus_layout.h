// Where every byte of shared memory lies. Every segment is a sealed memfd with exactly one writer.
// Flat, plain integers with explicit padding: atomics are laid over the words by each language.
#ifndef BUS_LAYOUT_H
#define BUS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define BUS_LAYOUT_VERSION 1

// ---------------------------------------------------------------------------------------------
// Log segment: written by one publisher, mapped read-only by its readers.
//
//        0  identity (256 bytes, immutable after sealing)
//      256  index: 16 entries {position, sequence}, one written per 1/8 ring crossed
//      512  hot block of 384 bytes, at 512 + 128 * k; k differs from log to log, so that the hot
//           lines of many logs do not fall into one L1 set
//     4096  topic table (topics_bytes), append-only: {u16 length, bytes}...
//    ring_offset  ring of 2^k bytes
//
// Positions are bytes in the publisher's stream on this channel and never wrap: the log of
// generation g covers [base_position(g), base_position(g+1)). Ring offset = (position -
// base_position) mod capacity. Records are multiples of 64 bytes and never wrap.
#define BUS_LOG_MAGIC 0x474F4C42u
#define BUS_LOG_INDEX_OFFSET 256
#define BUS_LOG_INDEX_ENTRIES 16
#define BUS_LOG_HOT_FIRST 512
#define BUS_LOG_HOT_BYTES 384
#define BUS_LOG_HOT_STEP 128
#define BUS_LOG_HOT_PLACES 26
#define BUS_LOG_TOPICS_OFFSET 4096
#define BUS_LOG_RECORD_ALIGN 64
#define BUS_LOG_RESERVE_STEP 4096

typedef struct bus_log_identity {
  uint32_t magic;           //   0  BUS_LOG_MAGIC
  uint16_t layout_version;  //   4  BUS_LAYOUT_VERSION
  uint16_t kind;            //   6  BUS_LOG_KIND_*
  uint64_t segment_bytes;   //   8  size of the memfd
  uint64_t capacity;        //  16  ring bytes, a power of two
  uint8_t agent[16];        //  24  UUID of the publisher
  uint64_t incarnation;     //  40  of the publisher
  uint64_t base_position;   //  48  stream position of the first byte of this log
  uint64_t base_sequence;   //  56  messages committed before this log
  uint32_t generation;      //  64  0 for the first log of a stream, +1 per rotation
  uint32_t hot_offset;      //  68
  uint32_t topics_bytes;    //  72  size of the topic table
  uint32_t ring_offset;     //  76
  uint16_t channel_length;  //  80
  uint8_t channel[128];     //  82
  uint8_t reserved[46];     // 210
} bus_log_identity_t;
_Static_assert(sizeof(bus_log_identity_t) == 256, "identity");
_Static_assert(offsetof(bus_log_identity_t, channel) == 82, "channel");

#define BUS_LOG_KIND_TOPIC 1
#define BUS_LOG_KIND_PAIR 2

// Hot block, offsets from hot_offset.
#define BUS_HOT_RESERVE 0     // u64: every byte below it may be under the pen or overwritten
#define BUS_HOT_COMMIT 128    // u64: every byte below it is a whole record
#define BUS_HOT_SEQUENCE 136  // u64: messages committed in the stream; exact when at rest
#define BUS_HOT_WAITING 256   // u32: 1 while the publisher sleeps on a reader's cursor
#define BUS_HOT_TOPICS 264    // u32: bytes of the topic table that are filled
#define BUS_HOT_LAST 272      // u32: 1 when the stream was closed by its publisher, not by death
#define BUS_HOT_DEPARTED 280  // u64: counts lossless readers that left the window
#define BUS_HOT_DEPARTED_LIST 288  // 8 * u64: attachment of the n-th departure at n mod 8
#define BUS_HOT_DEPARTED_ENTRIES 8

typedef struct bus_log_index_entry {
  uint64_t position;  // of the first record that starts in this eighth of the ring
  uint64_t sequence;  // of that record: messages committed before it
} bus_log_index_entry_t;
_Static_assert(BUS_LOG_INDEX_OFFSET + BUS_LOG_INDEX_ENTRIES * sizeof(bus_log_index_entry_t)
                 == BUS_LOG_HOT_FIRST, "the index fills the place before the hot block");
_Static_assert(BUS_LOG_HOT_FIRST + (BUS_LOG_HOT_PLACES - 1) * BUS_LOG_HOT_STEP + BUS_LOG_HOT_BYTES
                 <= BUS_LOG_TOPICS_OFFSET, "the hot block ends before the topic table");

// Record types of the log itself, never delivered and not counted in sequences. Only magic,
// version, type and length of such a record are filled.
#define BUS_RECORD_PADDING 0xFF00  // fills the ring's end; length = bytes behind this header
#define BUS_RECORD_ROTATED 0xFF01  // the stream goes on in the log of the next generation
#define BUS_RECORD_CLOSED 0xFF02   // the publisher closed the stream

// ---------------------------------------------------------------------------------------------
// Reader segment: one per agent, written by it, mapped read-only by the publishers it reads.
//
//        0  identity (256 bytes)
//      256  epochs: one line each; odd = that reader thread sleeps (futex word)
//     4096  cursor slots: one line each
#define BUS_READER_MAGIC 0x52454452u
#define BUS_READER_EPOCHS_OFFSET 256
#define BUS_READER_EPOCHS 60
#define BUS_READER_LINE 64
#define BUS_READER_SLOTS_OFFSET 4096
#define BUS_READER_SEGMENT_BYTES 65536
#define BUS_READER_SLOTS 960

typedef struct bus_reader_identity {
  uint32_t magic;           //  0  BUS_READER_MAGIC
  uint16_t layout_version;  //  4
  uint16_t reserved;        //  6
  uint64_t segment_bytes;   //  8
  uint8_t agent[16];        // 16
  uint64_t incarnation;     // 32
  uint32_t epochs;          // 40  number of epoch lines
  uint32_t slots;           // 44  number of cursor slots
  uint8_t reserved2[208];   // 48
} bus_reader_identity_t;
_Static_assert(sizeof(bus_reader_identity_t) == 256, "reader identity");
_Static_assert(BUS_READER_EPOCHS_OFFSET + BUS_READER_EPOCHS * BUS_READER_LINE
                 <= BUS_READER_SLOTS_OFFSET, "epochs end before the slots");
_Static_assert(BUS_READER_SLOTS_OFFSET + BUS_READER_SLOTS * BUS_READER_LINE
                 == BUS_READER_SEGMENT_BYTES, "slots fill the segment");

// Cursor slot, offsets from its line.
#define BUS_SLOT_CURSOR 0   // u64: the reader needs no byte below it (futex word: low 32 bits)
#define BUS_SLOT_TICKET 8   // u64: join id the slot serves; another value = the reader left
#define BUS_SLOT_RECEIVED 16  // u64: messages taken, for whoever watches
#define BUS_SLOT_GAPS 24      // u64: messages lost to overwriting, for whoever watches

// ---------------------------------------------------------------------------------------------
// Clock page: written by the router, read-only to agents. unix_ns = unix_base +
// ((tsc - tsc_base) * mult >> 32).
#define BUS_CLOCK_MAGIC 0x4B434C43u
#define BUS_CLOCK_BYTES 4096
typedef struct bus_clock_page {
  uint32_t magic;           //  0
  uint16_t layout_version;  //  4
  uint16_t usable;          //  6  0: read the time from the kernel instead
  uint64_t version;         //  8  seqlock: odd while it is being written
  uint64_t tsc_base;        // 16
  uint64_t mult;            // 24  ns per tick, 32.32 fixed point
  uint64_t unix_base;       // 32  ns since the Unix epoch at tsc_base
  uint64_t mono_base;       // 40  CLOCK_MONOTONIC ns at tsc_base
  uint64_t tsc_hz;          // 48
} bus_clock_page_t;
_Static_assert(sizeof(bus_clock_page_t) == 56, "clock page");

#endif
