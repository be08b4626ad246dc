// What BCS needs of Linux and of the CPU and Swift's Glibc overlay does not offer. Functions
// return 0 or a value >= 0 on success and -errno on failure; none of them keeps state, except
// the degradations that plat_forbid() switches on for tests.
#ifndef BUS_PLATFORM_H
#define BUS_PLATFORM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

// --- CPU -------------------------------------------------------------------------------------

/// Ticks of the CPU's constant-rate counter.
static inline uint64_t plat_ticks(void) {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  uint64_t ticks;
  __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
#error "no cycle counter known for this CPU"
#endif
}

/// One polite step of a spinning loop.
static inline void plat_pause(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

/// Lets nothing that follows begin before what was loaded is there.
static inline void plat_settle(void) {
#if defined(__x86_64__)
  _mm_lfence();
#elif defined(__aarch64__)
  __asm__ __volatile__("isb" ::: "memory");
#endif
}

/// Asks for a cache line to write, without waiting for it.
static inline void plat_own(void *line) {
#if defined(__x86_64__)
  __asm__ __volatile__("prefetchw %0" : : "m"(*(volatile char *)line));
#else
  __builtin_prefetch(line, 1, 3);
#endif
}

/// Keeps the compiler from moving memory accesses across this point; costs no instruction.
static inline void plat_compiler_barrier(void) { __asm__ __volatile__("" ::: "memory"); }

/// Copies `words` 8-byte words that another process may be overwriting: each word is a relaxed
/// atomic load, so the race is defined; the caller checks afterwards whether the copy is whole.
static inline void plat_copy_racing(void *to, const void *from, size_t words) {
  uint64_t *d = (uint64_t *)to;
  const uint64_t *s = (const uint64_t *)from;
  for (size_t i = 0; i < words; i++) {
    uint64_t w = __atomic_load_n(s + i, __ATOMIC_RELAXED);
    memcpy(d + i, &w, 8);
  }
}

/// 1 when the counter ticks at a constant rate in all states, so that it may serve as a clock.
int plat_ticks_constant(void);
/// Pins the calling thread to one CPU.
int plat_pin(int cpu);
/// The CPUs this process may run on, lowest first; returns how many were written to `cpus`.
int plat_allowed_cpus(int *cpus, int most);

// --- Memory ----------------------------------------------------------------------------------

#define PLAT_SEALS_REQUIRED 0x17  // SEAL | SHRINK | GROW | FUTURE_WRITE
/// The same, and nobody writes any more: for what never changes.
#define PLAT_SEALS_WHOLE 0x1F  // PLAT_SEALS_REQUIRED | WRITE

/// Creates an anonymous sealable file, CLOEXEC and where the kernel knows it NOEXEC_SEAL.
int plat_memfd(const char *name);
/// Allocates every page of the file now, so that no later store can raise SIGBUS.
int plat_allocate(int fd, uint64_t bytes);
/// Where the first hole of a file is, its size when there is none.
int64_t plat_first_hole(int fd);
/// Forbids growing, shrinking, new writable mappings and further seals.
int plat_seal(int fd);
/// Adds PLAT_SEALS_WHOLE; EBUSY while the file is mapped writable anywhere.
int plat_seal_whole(int fd);
/// Fills a buffer of at most 256 bytes with random bytes of the kernel; 0, or a negative errno.
int plat_random(void *out, size_t bytes);
/// The seals of the file, or -errno (EINVAL: not a sealable file).
int plat_seals(int fd);
/// MADV_DONTFORK and MADV_DONTDUMP.
int plat_private_mapping(void *base, size_t bytes);

// --- Sleeping and waking ---------------------------------------------------------------------

/// Sleeps while `*word == expected`, at most `timeout_ns`. 0 woken, -EAGAIN, -ETIMEDOUT, -EINTR.
int plat_futex_wait(const void *word, uint32_t expected, uint64_t timeout_ns);
/// Wakes at most `count` sleepers; returns how many. Works through a read-only mapping.
int plat_futex_wake(const void *word, int count);

/// One word that plat_futex_wait_any() watches.
typedef struct plat_watch {
  const void *word;
  uint32_t expected;
} plat_watch_t;
#define PLAT_MOST_WATCHES 128
/// Sleeps while every word has its expected value, at most `timeout_ns`. 0 woken, -EAGAIN,
/// -ETIMEDOUT, -EINTR; -ENOSYS before kernel 5.16.
int plat_futex_wait_any(const plat_watch_t *watches, int count, uint64_t timeout_ns);

/// A pipe that no program started from here inherits: where it is read, where it is written.
int plat_pipe(int ends[2]);

/// Registers this process as a target of plat_barrier_everywhere().
int plat_barrier_register(void);
/// A full memory barrier on every running thread of every registered process.
int plat_barrier_everywhere(void);
/// A full memory barrier on every running thread of this process; negative when there is none.
///
/// 1: by taking a page's write permission, because the kernel makes no other one. That is none on
/// CPUs that tell each other of it without being interrupted (arm64, x86 with INVLPGB).
int plat_barrier_own_threads(void);

/// An event descriptor, CLOEXEC and non-blocking, for a poll that another thread ends.
int plat_event(void);
/// Makes the event descriptor readable.
void plat_event_raise(int event);
/// Makes it unreadable again.
void plat_event_clear(int event);
/// Names the calling thread, at most 15 bytes.
void plat_name_thread(const char *name);
/// Starts a thread that nobody waits for, with a small stack and every signal blocked: handlers run
/// on the program's own threads. 0 or the error number.
int plat_start_thread(void *(*run)(void *), void *context);

// --- Processes -------------------------------------------------------------------------------

/// A descriptor that becomes readable when the process ends.
int plat_pidfd_open(pid_t pid);
/// The pidfd of the socket's peer (SO_PEERPIDFD); -ENOPROTOOPT before kernel 6.5.
int plat_peer_pidfd(int socket);
/// pid, uid and gid of the socket's peer.
int plat_peer_credentials(int socket, pid_t *pid, uid_t *uid, gid_t *gid);
/// Start time of a process in clock ticks since boot, field 22 of /proc/PID/stat.
int plat_start_time(pid_t pid, uint64_t *ticks);
/// Forbids other processes of the same user to read or trace this one; no core dumps.
int plat_undumpable(void);

/// Fills the standard descriptors that the parent closed with ones that can be neither read nor
/// written, so that no socket or memory file gets their numbers and the program's output.
void plat_hold_standard_descriptors(void);

// --- Control socket --------------------------------------------------------------------------

#define PLAT_MOST_DESCRIPTORS 8

/// Sends one record with `count` descriptors (at most 8). Never blocks: -EAGAIN.
int plat_send(int socket, const void *bytes, size_t length, const int *fds, int count);
/// As many descriptors as the kernel takes beside one record.
#define PLAT_RECEIVED_DESCRIPTORS 253
#define PLAT_CUT_BYTES 1
#define PLAT_CUT_DESCRIPTORS 2
/// Receives one record with all descriptors beside it, and closes none of them, whatever they are:
/// `fds` has room for PLAT_RECEIVED_DESCRIPTORS. `cut` says what did not fit.
ssize_t plat_receive_all(int socket, void *bytes, size_t room, int *fds, int *count, int *cut);
/// Receives one record. Descriptors beyond `most` or cut off by the kernel are closed and
/// reported by -EMSGSIZE; a record longer than `room` likewise. 0 = the peer closed.
ssize_t plat_receive(int socket, void *bytes, size_t room, int *fds, int most, int *count);
/// The same, but a record whose descriptors found no room in this process is received without
/// them, and `lost` says so.
ssize_t plat_receive_what_fits(int socket, void *bytes, size_t room, int *fds, int most,
                               int *count, int *lost);

// --- Degradations, for tests -----------------------------------------------------------------

#define PLAT_NO_NOEXEC_SEAL 1u
#define PLAT_NO_PEERPIDFD 2u
#define PLAT_NO_MEMBARRIER 4u
#define PLAT_NO_TSC 8u
#define PLAT_NO_MEMFD 16u
#define PLAT_NO_FUTEX_WAITV 32u
/// Makes this process behave as on a kernel that lacks the features of `mask`.
void plat_forbid(uint32_t mask);
/// What plat_forbid() switched off.
uint32_t plat_forbidden(void);

#endif
