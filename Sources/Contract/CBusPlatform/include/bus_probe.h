// Does this kernel give what BCS would like to use? Each probe tries the thing itself and leaves
// nothing behind. 0 or a value >= 0: it works; -errno: why not. Probes ask the kernel and ignore
// plat_forbid().
#ifndef BUS_PROBE_H
#define BUS_PROBE_H

#include <stddef.h>
#include <stdint.h>

/// Creates a sealable anonymous file.
int plat_probe_memfd(void);
/// Creates one that can never become executable.
int plat_probe_noexec_seal(void);
/// The commands membarrier(2) knows here, as a bit mask.
int plat_probe_membarrier(void);
/// Creates a ring of two entries; -EPERM and -ENOSYS are the usual refusals.
int plat_probe_io_uring(void);
/// Opens a pidfd of this process.
int plat_probe_pidfd_open(void);
/// Asks a socket for the pidfd of its peer.
int plat_probe_peer_pidfd(void);
/// Waits on a list of futexes whose values have already changed.
int plat_probe_futex_waitv(void);
/// Ticks per second of the CPU's counter, measured for 10 ms against CLOCK_MONOTONIC_RAW.
double plat_probe_ticks_per_second(void);

#define PLAT_UNLIMITED UINT64_MAX

/// How many descriptors this process may have open.
int plat_probe_descriptor_limit(uint64_t *soft, uint64_t *hard);
/// How many bytes this process may lock in memory.
int plat_probe_locked_memory_limit(uint64_t *soft, uint64_t *hard);
/// Size of the file system at `path`, and what an unprivileged process may still use of it.
int plat_probe_space(const char *path, uint64_t *bytes, uint64_t *available);
/// Reads at most `room` bytes of a text file of /proc or /sys; returns how many.
int64_t plat_probe_read(const char *path, void *text, size_t room);

#endif
