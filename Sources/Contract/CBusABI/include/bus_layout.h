// Where every byte of shared memory lies. Every segment is a sealed memfd with exactly one writer.
// Flat, plain integers with explicit padding: atomics are laid over the words by each language.
#ifndef BUS_LAYOUT_H
#define BUS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#define BUS_LAYOUT_VERSION 2

// ---------------------------------------------------------------------------------------------
// Log segment: written by one publisher, mapped read-only by its readers.
//
//        0  identity (256 bytes, immutable after sealing)
//      256  index: 16 entries {position, sequence}, one written per 1/8 ring crossed
//      512  hot block of 384 bytes, at 512 + 128 * k; k differs from log to log, so that the hot
//           lines of many logs do not fall into one L1 set
//     4096  topic table (topics_bytes), append-only: {u16 length, bytes}..., of which
//           the first BUS_LOG_TOPICS_MAX have ids
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
// Topics of a stream that have ids; those beyond travel as extension items.
#define BUS_LOG_TOPICS_MAX 4096
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
#define BUS_HOT_DEPARTED_UNNAMED 0  // in the list: somebody whose attachment is not kept

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
#define BUS_READER_SEGMENT_BYTES 131072
#define BUS_READER_SLOTS 1984
// Its readers make no barrier on their publishers before they sleep: publishers fence instead.
#define BUS_READER_NO_BARRIER 1u

typedef struct bus_reader_identity {
  uint32_t magic;           //  0  BUS_READER_MAGIC
  uint16_t layout_version;  //  4
  uint16_t flags;           //  6  BUS_READER_NO_BARRIER
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
// Sealed blob: one payload that nobody can change any more, its maker neither (F_SEAL_WRITE).
//
//        0  identity (64 bytes), zeros up to the payload
//     4096  the payload, zeros up to the end of its last page
#define BUS_BLOB_MAGIC 0x424F4C42u
#define BUS_BLOB_PAYLOAD_OFFSET 4096

typedef struct bus_blob_identity {
  uint32_t magic;           //  0  BUS_BLOB_MAGIC
  uint16_t layout_version;  //  4  BUS_LAYOUT_VERSION
  uint16_t reserved;        //  6
  uint64_t segment_bytes;   //  8  size of the memfd
  uint64_t payload_bytes;   // 16  at least 1
  uint8_t token[16];        // 24  128 random bits: who knows them may open the blob
  uint8_t reserved2[24];    // 40
} bus_blob_identity_t;
_Static_assert(sizeof(bus_blob_identity_t) == 64, "blob identity");

// ---------------------------------------------------------------------------------------------
// Counter segment: written by one agent, mapped read-only by whoever may watch it. An agent that
// needs more rows makes another, larger one (the next part): rows never move under their writers.
//
//        0  identity (256 bytes)
//      256  words of the part: version, used
//      512  rows (512 bytes each): half of the segment, less the 512 bytes above
//  bytes/2  histograms (1024 bytes each): the other half
//
// A row counts one reading or one publishing of one stream on one lane, or the past of one channel
// on one lane: what its rows counted that have ended. Identity first, counting words behind it, on
// lines that no other row shares.
#define BUS_COUNTERS_MAGIC 0x52544E43u
#define BUS_COUNTERS_BYTES_FIRST 24576
#define BUS_COUNTERS_GROWTH 4
#define BUS_COUNTERS_PARTS 5
#define BUS_COUNTERS_ROWS_OFFSET 512
#define BUS_COUNTERS_ROW_BYTES 768
#define BUS_COUNTERS_HISTOGRAM_BYTES 1024
// A segment has a row less than it has so many bytes, and a histogram for each so many.
#define BUS_COUNTERS_BYTES_PER_ROW (2 * BUS_COUNTERS_ROW_BYTES)
#define BUS_COUNTERS_BYTES_PER_HISTOGRAM (2 * BUS_COUNTERS_HISTOGRAM_BYTES)

typedef struct bus_counters_identity {
  uint32_t magic;           //  0  BUS_COUNTERS_MAGIC
  uint16_t layout_version;  //  4  BUS_LAYOUT_VERSION
  uint16_t part;            //  6  0 for the first segment of an agent
  uint64_t segment_bytes;   //  8  size of the memfd
  uint8_t agent[16];        // 16
  uint64_t incarnation;     // 32
  uint32_t rows;            // 40  segment_bytes / BUS_COUNTERS_BYTES_PER_ROW - 1
  uint32_t histograms;      // 44  segment_bytes / BUS_COUNTERS_BYTES_PER_HISTOGRAM
  uint8_t reserved[208];    // 48
} bus_counters_identity_t;
_Static_assert(sizeof(bus_counters_identity_t) == 256, "counters identity");

// Words of the part. The version is a seqlock over all parts of the agent, in part 0 only: odd
// while a row that ends is being added to the past of its channel.
#define BUS_COUNTERS_VERSION 256  // u64
#define BUS_COUNTERS_USED 264     // u64: rows from here on were never used

typedef struct bus_counter_row {
  uint32_t state;             //   0  BUS_ROW_*: stored last when a row begins
  uint32_t tenancy;           //   4  how many rows have lain here
  uint8_t direction;          //   8  BUS_ROW_SENT or BUS_ROW_RECEIVED
  uint8_t kind;               //   9  BUS_LOG_KIND_*
  uint8_t lane;               //  10  0 normal, 1 urgent
  uint8_t mode;               //  11  received: 1 lossless, 2 lossy, 3 latest; sent: 0
  uint16_t histogram;         //  12  1 + number of the histogram in this part, 0: none
  uint8_t channel_length;     //  14
  uint8_t peer_length;        //  15
  uint64_t stream;            //  16  the router's name for the stream; 0 in a row of the past
  uint64_t peer_incarnation;  //  24  received: of the publisher; sent to a pair: of the reader
  uint64_t attachment;        //  32  received: of the reading
  uint8_t channel[128];       //  40
  uint8_t peer[80];           // 168  name of the peer
  uint8_t reserved[8];        // 248
} bus_counter_row_t;
_Static_assert(sizeof(bus_counter_row_t) == 256, "counter row");
_Static_assert(offsetof(bus_counter_row_t, channel) == 40, "channel of a counter row");
_Static_assert(offsetof(bus_counter_row_t, peer) == 168, "peer of a counter row");
#define BUS_ROW_FREE 0   // never used
#define BUS_ROW_LIVE 1
#define BUS_ROW_ENDED 2  // its counts are in the past of its channel; stays until its place is used
#define BUS_ROW_PAST 3   // what the ended rows of a channel counted, with the channel's histogram
#define BUS_ROW_SENT 1
#define BUS_ROW_RECEIVED 2

// Counting words, offsets from the row.
#define BUS_COUNT_VERSION 256      // u64 seqlock, odd while a reader writes; sent: always 0
#define BUS_COUNT_SEQUENCE 264     // u64 received: messages of the stream before the next to take
#define BUS_COUNT_START 272        // u64 received: where in the stream this reading began
#define BUS_COUNT_MESSAGES 280     // u64 sent: the log's own sequence; received: handed over
#define BUS_COUNT_BYTES 288        // u64 of their payloads
#define BUS_COUNT_ERRORS 296       // u64 calls that failed
#define BUS_COUNT_GAP_EVENTS 304   // u64 how often a reader was overtaken
#define BUS_COUNT_GAP_MESSAGES 312 // u64 messages it lost by that
#define BUS_COUNT_DROPS 320        // 40 * u64, by BUS_DROP_*; those of no reason yet are 0
#define BUS_COUNT_DROP_REASONS 40
#define BUS_COUNT_BLOCKED 640      // u64 sent: how often the window was full
#define BUS_COUNT_SPARE 648        // 15 * u64 for what is counted next, as of queues; 0
#define BUS_COUNT_SPARE_WORDS 15
_Static_assert(BUS_COUNT_DROPS + BUS_COUNT_DROP_REASONS * 8 == BUS_COUNT_BLOCKED, "drops");
_Static_assert(BUS_COUNT_SPARE + BUS_COUNT_SPARE_WORDS * 8 == BUS_COUNTERS_ROW_BYTES, "spare");
_Static_assert(BUS_COUNTERS_ROWS_OFFSET % 128 == 0 && BUS_COUNTERS_ROW_BYTES % 128 == 0 &&
                 BUS_COUNT_VERSION % 128 == 0, "no two writers share a pair of lines");

// Why a message was not handed over. In a received row: part of the balance of its stream. In a
// sent row: refused before it was sent, so not in the stream at all.
#define BUS_DROP_EVICTED 0       // the reader was evicted before it took it
#define BUS_DROP_LEFT 1          // the reader left before it took it
#define BUS_DROP_CORRUPT 2       // the log could not be read on
#define BUS_DROP_FORGED 3        // it claimed another source than the log's owner
#define BUS_DROP_SUPERSEDED 4    // mode latest: a newer one of its topic came
#define BUS_DROP_FILTERED 5      // of the channel, but the reader's pattern does not want it
#define BUS_DROP_EXPIRED 6       // its deadline had passed
#define BUS_DROP_DENIED 7        // no right
#define BUS_DROP_PEER_GONE 8     // the one it was for is gone
#define BUS_DROP_RATE_LIMITED 9
#define BUS_DROP_QUEUE_FULL 10   // the window stayed full
#define BUS_DROP_UNKNOWN_CORRELATION 11  // a response to a request that does not wait
#define BUS_DROP_UNKNOWN_NAME 12         // the agent it was for does not answer that name
#define BUS_DROP_MALFORMED 13            // its extension or its kind breaks the format
#define BUS_DROP_TOO_MANY_HOPS 14        // it was passed on too often
#define BUS_DROP_CANCELLED 15            // a request that was taken back before it was started
_Static_assert(BUS_DROP_CANCELLED < BUS_COUNT_DROP_REASONS, "reasons");

// Histogram of one-way times: 127 * u64 counts, then a u64: the sum in ns. Bucket n < 4 holds n
// units of 16 ns; above, four buckets for each power of two; the last holds everything longer.
#define BUS_HISTOGRAM_BUCKETS 127
#define BUS_HISTOGRAM_UNIT_SHIFT 4
#define BUS_HISTOGRAM_SUM 1016
_Static_assert((BUS_HISTOGRAM_BUCKETS + 1) * 8 == BUS_COUNTERS_HISTOGRAM_BYTES, "histogram");

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
