#include "bus_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bus_platform.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

// For a call that returns a descriptor only to show that it works.
static int closed(long fd) {
  if (fd < 0) return -errno;
  close((int)fd);
  return 0;
}

int plat_probe_memfd(void) {
  return closed(syscall(SYS_memfd_create, "bcs-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

int plat_probe_noexec_seal(void) {
  return closed(syscall(SYS_memfd_create, "bcs-probe", MFD_CLOEXEC | MFD_NOEXEC_SEAL));
}

int plat_probe_membarrier(void) {
  long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  return commands < 0 ? -errno : (int)commands;
}

int plat_probe_io_uring(void) {
  struct io_uring_params params;
  memset(&params, 0, sizeof params);
  return closed(syscall(SYS_io_uring_setup, 2, &params));
}

int plat_probe_pidfd_open(void) { return closed(syscall(SYS_pidfd_open, getpid(), 0)); }

int plat_probe_peer_pidfd(void) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
  int fd = -1;
  socklen_t size = sizeof fd;
  int outcome = getsockopt(ends[0], SOL_SOCKET, SO_PEERPIDFD, &fd, &size) < 0 ? -errno : 0;
  if (fd >= 0) close(fd);
  close(ends[0]);
  close(ends[1]);
  return outcome;
}

int plat_probe_futex_waitv(void) {
  uint32_t word = 1;
  struct futex_waitv wait = {.val = 0, .uaddr = (uintptr_t)&word, .flags = FUTEX_32};
  long woken = syscall(SYS_futex_waitv, &wait, 1, 0, NULL, 0);
  return woken >= 0 || errno == EAGAIN ? 0 : -errno;
}

static uint64_t raw_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC_RAW, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double plat_probe_ticks_per_second(void) {
  uint64_t ns = raw_ns(), ticks = plat_ticks(), elapsed;
  do {
    elapsed = raw_ns() - ns;
  } while (elapsed < 10000000u);
  return (double)(plat_ticks() - ticks) * 1e9 / (double)elapsed;
}

static int limit(int resource, uint64_t *soft, uint64_t *hard) {
  struct rlimit found;
  if (getrlimit((__rlimit_resource_t)resource, &found) < 0) return -errno;
  *soft = found.rlim_cur == RLIM_INFINITY ? PLAT_UNLIMITED : found.rlim_cur;
  *hard = found.rlim_max == RLIM_INFINITY ? PLAT_UNLIMITED : found.rlim_max;
  return 0;
}

int plat_probe_descriptor_limit(uint64_t *soft, uint64_t *hard) {
  return limit(RLIMIT_NOFILE, soft, hard);
}

int plat_probe_locked_memory_limit(uint64_t *soft, uint64_t *hard) {
  return limit(RLIMIT_MEMLOCK, soft, hard);
}

int plat_probe_space(const char *path, uint64_t *bytes, uint64_t *available) {
  struct statvfs found;
  if (statvfs(path, &found) < 0) return -errno;
  *bytes = found.f_blocks * found.f_frsize;
  *available = found.f_bavail * found.f_frsize;
  return 0;
}

int64_t plat_probe_read(const char *path, void *text, size_t room) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  size_t have = 0;
  ssize_t n = 1;
  // Files of /proc give at most a page a call.
  while (n > 0 && have < room) {
    n = read(fd, (char *)text + have, room - have);
    if (n > 0) have += (size_t)n;
  }
  int outcome = n < 0 ? -errno : 0;
  close(fd);
  return outcome < 0 ? outcome : (int64_t)have;
}
