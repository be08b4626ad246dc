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

// --- Flags -----------------------------------------------------------------------------------
// Unknown bits are sent as 0, ignored by readers and kept by whoever relays a message.

// The message was handed out before and not acknowledged. Only the router says so: readers
// believe it in a log the router marked as relay, and ignore it in every other.
#define BUS_FLAG_REDELIVERED 0x00000001u
// The payload goes on in the next message with the same source, destination, type and
// correlation id. MORE alone is a first or middle part, LAST_PART alone ends the split, neither
// is a whole message; both at once is a broken split.
#define BUS_FLAG_MORE 0x00000002u
#define BUS_FLAG_LAST_PART 0x00000004u
// The sender keeps a pending request under correlation_id and waits for a response or an error.
#define BUS_FLAG_REPLY_EXPECTED 0x00000008u
// Reserved for the edge and the store, which compress what leaves memory. Never set in a log.
#define BUS_FLAG_COMPRESSED 0x00000010u
// More responses to the same request follow; a response without it, or an error, is the last.
#define BUS_FLAG_STREAMED 0x00000020u
// A command that asks to stop the request of its correlation id. Its payload is 8 bytes: the
// position of that request in the sender's normal lane.
#define BUS_FLAG_CANCEL 0x00000040u

#define BUS_FLAGS_KNOWN 0x0000007Fu
// What only the router may set. A reader masks these out of any log that is not a relay.
#define BUS_FLAGS_ROUTER_ONLY BUS_FLAG_REDELIVERED
// What changes on the way, besides hops: the checksum takes these bits as 0.
#define BUS_FLAGS_IN_TRANSIT 0x00000011u

// --- Extension -------------------------------------------------------------------------------
// extension_length bytes between header and payload, a sequence of items:
//
//        0  u16 kind, one of BUS_ITEM_*
//        2  u16 length of the value in bytes
//        4  the value, then bytes up to the item's next multiple of 8: written as 0, not read
//
// Unknown kinds are skipped. A known kind occurs at most once. Kind 0 is filler, so eight zero
// bytes are an empty item. Texts are UTF-8 without NUL and not empty.
#define BUS_ITEM_HEADER_BYTES 4
#define BUS_ITEM_ALIGN 8

#define BUS_ITEM_FILLER 0
#define BUS_ITEM_TOPIC 1            // text; when the log's topic table has no place, and remote
#define BUS_ITEM_DEADLINE 2         // u64: ns that remained at the header's timestamp; a request
                                    // without it has BUS_DEADLINE_DEFAULT_NS, all others no end
#define BUS_ITEM_CONVERSATION 3     // 16 bytes
#define BUS_ITEM_TRACE 4            // W3C trace context: trace id 16, parent id 8, flags 1
#define BUS_ITEM_CONTENT_TYPE 5     // text, how the payload is encoded
#define BUS_ITEM_CONTENT_NAME 6     // text, what the payload is called (a file name, a schema)
#define BUS_ITEM_CRC32C 7           // u32; mandatory on durable and remote messages
#define BUS_ITEM_IDEMPOTENCY_KEY 8  // bytes; the router stores one message per key
#define BUS_ITEM_KINDS 9            // kinds below it are known

#define BUS_DEADLINE_BYTES 8
#define BUS_DEADLINE_DEFAULT_NS 5000000000u
#define BUS_CONVERSATION_BYTES 16
#define BUS_TRACE_BYTES 25
#define BUS_CRC32C_BYTES 4

// The CRC32C (Castagnoli, reflected 0x82F63B78, start and final xor ~0, as in RFC 3720) covers
// header, extension and payload in this order, with everything that a relay may change taken as
// zero: hops, BUS_FLAGS_IN_TRANSIT, the last 8 bytes of a destination whose first 8 are zero (a
// topic id means something in one log only), and the 4 bytes of the CRC item's value. The payload
// is taken as the sender gave it, before compression.

// --- Limits ----------------------------------------------------------------------------------
#define BUS_PAYLOAD_BYTES_MAX 16777216u        // 16 MiB
#define BUS_REMOTE_PAYLOAD_BYTES_MAX 1048576u  // 1 MiB on the network edge
#define BUS_EXTENSION_BYTES_MAX 65528u         // the largest multiple of 8 in 16 bits
#define BUS_TOPIC_BYTES_MAX 127u
#define BUS_TOPIC_TOKENS_MAX 16u
#define BUS_AGENT_NAME_BYTES_MAX 63u
#define BUS_CONTENT_TYPE_BYTES_MAX 127u
#define BUS_CONTENT_NAME_BYTES_MAX 255u
#define BUS_IDEMPOTENCY_KEY_BYTES_MAX 64u
#define BUS_HOPS_MAX 16u        // a message that took so many is not relayed again
#define BUS_PRIORITY_LEVELS 6u  // 0 emergency, 1 critical, 2 high, 3 normal, 4 low, 5 background
#define BUS_PRIORITY_NORMAL 3u  // what an unset priority means
#define BUS_RESERVED_PREFIX "bcs."

#define BUS_ITEM_BYTES(value) (((value) + BUS_ITEM_HEADER_BYTES + 7u) & ~7u)

_Static_assert(BUS_EXTENSION_BYTES_MAX % BUS_ITEM_ALIGN == 0, "the longest extension is legal");
_Static_assert(BUS_EXTENSION_BYTES_MAX + BUS_ITEM_ALIGN > UINT16_MAX, "and the longest there is");
_Static_assert(BUS_HEADER_BYTES % BUS_ITEM_ALIGN == 0, "items start aligned");
_Static_assert(BUS_HEADER_BYTES + BUS_EXTENSION_BYTES_MAX + BUS_PAYLOAD_BYTES_MAX <= INT32_MAX,
               "the length of a whole message fits in every integer that carries it");
_Static_assert(BUS_REMOTE_PAYLOAD_BYTES_MAX <= BUS_PAYLOAD_BYTES_MAX, "what arrives fits");
_Static_assert(BUS_TOPIC_BYTES_MAX < 128, "a topic fits NUL-terminated in the event's topic[128]");
_Static_assert(2 * BUS_TOPIC_TOKENS_MAX - 1 <= BUS_TOPIC_BYTES_MAX, "every token can be there");
_Static_assert(BUS_AGENT_NAME_BYTES_MAX <= BUS_TOPIC_BYTES_MAX, "a name is a service too");
_Static_assert(BUS_AGENT_NAME_BYTES_MAX < 64, "a name fits NUL-terminated in the request's method");
_Static_assert(BUS_PRIORITY_LEVELS + 1 <= UINT8_MAX && BUS_PRIORITY_NORMAL < BUS_PRIORITY_LEVELS,
               "each priority and 'not set' fit in the header's byte");
_Static_assert(BUS_HOPS_MAX < UINT8_MAX, "hops do not wrap before they are stopped");
_Static_assert(BUS_ITEM_BYTES(BUS_TOPIC_BYTES_MAX) + BUS_ITEM_BYTES(BUS_DEADLINE_BYTES)
                 + BUS_ITEM_BYTES(BUS_CONVERSATION_BYTES) + BUS_ITEM_BYTES(BUS_TRACE_BYTES)
                 + BUS_ITEM_BYTES(BUS_CONTENT_TYPE_BYTES_MAX)
                 + BUS_ITEM_BYTES(BUS_CONTENT_NAME_BYTES_MAX) + BUS_ITEM_BYTES(BUS_CRC32C_BYTES)
                 + BUS_ITEM_BYTES(BUS_IDEMPOTENCY_KEY_BYTES_MAX) <= BUS_EXTENSION_BYTES_MAX,
               "all items at their longest fit in one extension");
_Static_assert((BUS_FLAGS_ROUTER_ONLY & ~BUS_FLAGS_KNOWN) == 0, "router flags are known");
_Static_assert(BUS_FLAGS_IN_TRANSIT == (BUS_FLAG_REDELIVERED | BUS_FLAG_COMPRESSED), "transit");

// --- Errors ----------------------------------------------------------------------------------
// The payload of an error: u32 code, then text in UTF-8. Codes below BUS_ERROR_CODE_OWN are the
// bus's own, the others belong to the application. From BUS_ERROR_CAUSE_FIRST on, a number of the
// bus stands for one cause of a code, and for the code with it.
#define BUS_ERROR_CODE_BYTES 4
#define BUS_ERROR_CAUSE_FIRST 100u
#define BUS_ERROR_CODE_OWN 1000u
#define BUS_CANCEL_BYTES 8

// --- Identity --------------------------------------------------------------------------------
// An agent's UUID is, unless given, version 5 (RFC 9562) of its name in this namespace:
// c74931eb-3db2-479a-902b-0441abb9812d. The numbers are its bytes read big-endian.
#define BUS_NAMESPACE_HIGH 0xC74931EB3DB2479AuLL
#define BUS_NAMESPACE_LOW 0x902B0441ABB9812DuLL

// --- Payloads of the original ----------------------------------------------------------------
// Chosen by content type. Fixed fields first; the variable bytes follow and end with the payload.
// Texts are UTF-8, end with a NUL and are filled up with NULs. Reserved words are zero.
#define BUS_CONTENT_REQUEST "bcs/request"
#define BUS_CONTENT_RESPONSE "bcs/response"
#define BUS_CONTENT_EVENT "bcs/event"

typedef struct bus_request_fixed {
  char method[64];      //  0
  uint32_t timeout_ms;  // 64  0 = no timeout
  uint32_t reserved;    // 68
} bus_request_fixed_t;  // 72  params

typedef struct bus_response_fixed {
  int32_t status_code;   //   0  0 = success
  uint32_t reserved;     //   4
  char error[256];       //   8
} bus_response_fixed_t;  // 264  result

typedef struct bus_event_fixed {
  char event_type[64];  //   0
  char topic[128];      //  64
  uint32_t priority;    // 192  as in the header: 0 = not set, else 1 + level
  uint32_t reserved;    // 196
} bus_event_fixed_t;    // 200  data

_Static_assert(sizeof(bus_request_fixed_t) == 72, "request");
_Static_assert(offsetof(bus_request_fixed_t, timeout_ms) == 64, "timeout_ms");
_Static_assert(sizeof(bus_response_fixed_t) == 264, "response");
_Static_assert(offsetof(bus_response_fixed_t, error) == 8, "error");
_Static_assert(sizeof(bus_event_fixed_t) == 200, "event");
_Static_assert(offsetof(bus_event_fixed_t, topic) == 64, "topic");
_Static_assert(offsetof(bus_event_fixed_t, priority) == 192, "event priority");

// ---------------------------------------------------------------------------------------------
// A reference to a sealed blob: the payload of a message that stands for a larger one.
#define BUS_BLOB_REFERENCE_MAGIC 0x31424F4C42534342ull  // "BCSBLOB1"

typedef struct bus_blob_reference {
  uint64_t magic;          //  0  BUS_BLOB_REFERENCE_MAGIC
  uint8_t token[16];       //  8
  uint64_t maker;          // 24  the maker's incarnation
  uint64_t payload_bytes;  // 32
  uint32_t crc32c;         // 40  of the 40 bytes before it
  uint32_t reserved;       // 44  0
} bus_blob_reference_t;
_Static_assert(sizeof(bus_blob_reference_t) == 48, "blob reference");

#endif
