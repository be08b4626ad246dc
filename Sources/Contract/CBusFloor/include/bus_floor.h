// The machine's floor: what plain C reaches here, with nothing of BCS in the way. A figure of ours
// is quoted beside the floor of the same run.
//
// Functions of two CPUs fork two processes, pin one to each CPU and let them meet in shared
// anonymous memory; the calling process sleeps until both ended, at most FLOOR_MOST_SECONDS, and
// leaves no child behind. They return 0 or -errno: -ENOTSUP when fewer than two CPUs are allowed,
// -EINVAL for a CPU that is not allowed or an argument out of range, -ETIMEDOUT, -EIO when what
// arrived is not what was sent.
#ifndef BUS_FLOOR_H
#define BUS_FLOOR_H

#include <stddef.h>
#include <stdint.h>

#define FLOOR_MOST_SECONDS 30
#define FLOOR_MOST_ROUNDS 10000000u

/// A distribution, in nanoseconds. Percentiles are samples, not interpolated.
struct floor_summary {
  uint64_t count;
  double min_ns, p50_ns, p90_ns, p99_ns, p999_ns, max_ns, mean_ns;
};

/// Cost of one call or instruction in nanoseconds, the median of many blocks.
struct floor_clock {
  double ticks_per_ns;      // rate of the CPU's counter
  double ticks_ns;          // reading the counter
  double clock_gettime_ns;  // CLOCK_MONOTONIC
  double syscall_ns;        // getppid, through the kernel
  double rmw_ns;            // atomic add to a line nobody else touches
  double store_ns;          // release store to such a line
  double pause_ns;          // the spin-loop hint
};

/// What floor_ring() sends.
struct floor_ring_setup {
  uint64_t messages;    // 1 ... 10^10
  uint64_t capacity;    // bytes of the ring; rounded down to a power of two of items, at least 8
  uint32_t item_bytes;  // header of 64 bytes and payload: a multiple of 64, at least 64
  uint32_t batch;       // items published by one store, 1 ... an eighth of the ring
  uint32_t stamped;     // 1: each item carries a counter reading taken as it is written
};

/// Ticks of the CPU's counter per nanosecond, measured against CLOCK_MONOTONIC_RAW in the first
/// call, which takes 20 ms.
double floor_ticks_per_ns(void);

/// Bounces a cache line between two spinning processes. A sample is half a round trip;
/// `samples_ns` has room for `rounds` of them, in order of time, or is NULL.
int floor_ping_pong(int cpu_a, int cpu_b, uint64_t rounds, double *samples_ns,
                    struct floor_summary *summary);

/// Sends items from CPU a to CPU b through a single-producer ring. Every byte of an item is
/// written by the one and summed by the other; a wrong sum is -EIO.
int floor_ring(int cpu_a, int cpu_b, const struct floor_ring_setup *setup,
               double *messages_per_second);

/// Copies a block of `bytes` again and again, about 150 ms long: median bytes copied per second.
int floor_memcpy(uint64_t bytes, double *bytes_per_second);

/// Wakes a process that sleeps on CPU b from CPU a. A sample runs from before the store and
/// FUTEX_WAKE until the sleeper is back from its call. Rounds in which the sleeper was not yet
/// asleep give none: `summary->count` says how many of `samples_ns` were filled.
int floor_futex_wake(int cpu_a, int cpu_b, uint64_t rounds, double *samples_ns,
                     struct floor_summary *summary);

/// Ping-pong of two processes that both sleep while they wait. A sample is half a round trip.
int floor_futex_ping_pong(int cpu_a, int cpu_b, uint64_t rounds, double *samples_ns,
                          struct floor_summary *summary);

/// The cost of clocks, a system call and an atomic operation on the calling thread's CPU.
int floor_clock(struct floor_clock *clock);

#endif
