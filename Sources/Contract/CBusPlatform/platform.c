#include "bus_platform.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static _Atomic uint32_t forbidden;

void plat_forbid(uint32_t mask) { atomic_fetch_or(&forbidden, mask); }
uint32_t plat_forbidden(void) { return atomic_load_explicit(&forbidden, memory_order_relaxed); }
static int lacks(uint32_t feature) { return (plat_forbidden() & feature) != 0; }

static int result(long value) { return value < 0 ? -errno : (int)value; }

// --- CPU -------------------------------------------------------------------------------------

int plat_ticks_constant(void) {
  if (lacks(PLAT_NO_TSC)) return 0;
#if defined(__x86_64__)
  unsigned a, b, c, d;
  if (!__get_cpuid(0x80000007, &a, &b, &c, &d)) return 0;
  return (d >> 8) & 1;
#else
  return 1;
#endif
}

int plat_pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu < 0 || cpu >= CPU_SETSIZE) return -EINVAL;
  CPU_SET((size_t)cpu, &set);
  return result(sched_setaffinity(0, sizeof set, &set));
}

int plat_allowed_cpus(int *cpus, int most) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) < 0) return -errno;
  int found = 0;
  for (int i = 0; i < CPU_SETSIZE && found < most; i++)
    if (CPU_ISSET((size_t)i, &set)) cpus[found++] = i;
  return found;
}

// --- Memory ----------------------------------------------------------------------------------

int plat_memfd(const char *name) {
  if (lacks(PLAT_NO_MEMFD)) return -EPERM;
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  if (!lacks(PLAT_NO_NOEXEC_SEAL)) {
    int fd = (int)syscall(SYS_memfd_create, name, flags | MFD_NOEXEC_SEAL);
    if (fd >= 0 || errno != EINVAL) return result(fd);
  }
  return result(syscall(SYS_memfd_create, name, flags));
}

// Pages that are reserved and were never written to are holes still, which nobody can tell from
// those that would be charged to whoever reads them first.
static int fill_holes(int fd, off_t bytes) {
  static const char zeros[1 << 16];
  off_t at = lseek(fd, 0, SEEK_HOLE);
  while (at >= 0 && at < bytes) {
    off_t end = lseek(fd, at, SEEK_DATA);
    if (end < 0 || end > bytes) end = bytes;
    while (at < end) {
      size_t count = end - at < (off_t)sizeof zeros ? (size_t)(end - at) : sizeof zeros;
      ssize_t done = pwrite(fd, zeros, count, at);
      if (done < 0 && errno != EINTR) return errno;
      if (done > 0) at += done;
    }
    if (at < bytes) at = lseek(fd, at, SEEK_HOLE);
  }
  return at < 0 ? errno : 0;
}

int64_t plat_first_hole(int fd) {
  off_t at = lseek(fd, 0, SEEK_HOLE);
  return at < 0 ? -(int64_t)errno : (int64_t)at;
}

int plat_allocate(int fd, uint64_t bytes) {
  if (ftruncate(fd, (off_t)bytes) < 0) return -errno;
  int error;
  do {
    error = posix_fallocate(fd, 0, (off_t)bytes);
  } while (error == EINTR);
  if (error == 0) error = fill_holes(fd, (off_t)bytes);
  // The kernel's default mode would let another user reopen a descriptor passed read-only.
  if (error == 0 && fchmod(fd, 0600) < 0) error = errno;
  return -error;
}

int plat_seal(int fd) { return result(fcntl(fd, F_ADD_SEALS, PLAT_SEALS_REQUIRED)); }
int plat_seal_whole(int fd) { return result(fcntl(fd, F_ADD_SEALS, PLAT_SEALS_WHOLE)); }
int plat_random(void *out, size_t bytes) {
  ssize_t got = getrandom(out, bytes, 0);
  return got == (ssize_t)bytes ? 0 : got < 0 ? -errno : -EIO;
}
int plat_seals(int fd) { return result(fcntl(fd, F_GET_SEALS)); }

int plat_private_mapping(void *base, size_t bytes) {
  if (madvise(base, bytes, MADV_DONTFORK) < 0) return -errno;
  return result(madvise(base, bytes, MADV_DONTDUMP));
}

// --- Sleeping and waking ---------------------------------------------------------------------

int plat_futex_wait(const void *word, uint32_t expected, uint64_t timeout_ns) {
  struct timespec t = {(time_t)(timeout_ns / 1000000000u), (long)(timeout_ns % 1000000000u)};
  return result(syscall(SYS_futex, word, FUTEX_WAIT, expected, &t, NULL, 0));
}

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

int plat_futex_wait_any(const plat_watch_t *watches, int count, uint64_t timeout_ns) {
  if (count <= 0 || count > PLAT_MOST_WATCHES) return -EINVAL;
  if (lacks(PLAT_NO_FUTEX_WAITV)) return -ENOSYS;
  struct {
    uint64_t value, address;
    uint32_t flags, reserved;
  } list[PLAT_MOST_WATCHES];
  for (int i = 0; i < count; i++) {
    list[i].value = watches[i].expected;
    list[i].address = (uint64_t)(uintptr_t)watches[i].word;
    list[i].flags = 2;  // FUTEX2_SIZE_U32, shared between processes
    list[i].reserved = 0;
  }
  struct timespec end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  uint64_t nanoseconds = (uint64_t)end.tv_nsec + timeout_ns % 1000000000u;
  end.tv_sec += (time_t)(timeout_ns / 1000000000u + nanoseconds / 1000000000u);
  end.tv_nsec = (long)(nanoseconds % 1000000000u);
  int woken = result(syscall(SYS_futex_waitv, list, count, 0, &end, CLOCK_MONOTONIC));
  return woken > 0 ? 0 : woken;
}

int plat_futex_wake(const void *word, int count) {
  return result(syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0));
}

static int membarrier(int command) {
  if (lacks(PLAT_NO_MEMBARRIER)) return -ENOSYS;
  return result(syscall(SYS_membarrier, command, 0, 0));
}

int plat_barrier_register(void) {
  int global = membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
  int own = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
  return global < 0 ? global : own;
}
int plat_barrier_everywhere(void) { return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED); }

// Without membarrier: taking write permission from a touched page makes the kernel interrupt every
// CPU that runs a thread of this process, which is a full barrier there.
// One caller at a time: another one's protection would make the touch of this one a fault.
static int barrier_by_protection(void) {
  static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
  static char *page = MAP_FAILED;
  pthread_mutex_lock(&turn);
  if (page == MAP_FAILED)
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int done = page == MAP_FAILED ? -1 : mprotect(page, 4096, PROT_READ | PROT_WRITE);
  if (done == 0) {
    __atomic_fetch_add(page, 1, __ATOMIC_SEQ_CST);
    done = mprotect(page, 4096, PROT_READ);
  }
  done = result(done);
  pthread_mutex_unlock(&turn);
  return done;
}

int plat_barrier_own_threads(void) {
  int done = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  if (done >= 0) return 0;
  done = barrier_by_protection();
  return done < 0 ? done : 1;
}

int plat_event(void) { return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
void plat_event_raise(int event) { (void)eventfd_write(event, 1); }
void plat_event_clear(int event) {
  eventfd_t value;
  (void)eventfd_read(event, &value);
}
void plat_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int plat_start_thread(void *(*run)(void *), void *context) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 << 10);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // A thread begins with the mask of whoever starts it.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  int result = pthread_create(&thread, &attributes, run, context);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return result;
}

// --- Processes -------------------------------------------------------------------------------

int plat_pidfd_open(pid_t pid) { return result(syscall(SYS_pidfd_open, pid, 0)); }

int plat_peer_pidfd(int socket) {
  if (lacks(PLAT_NO_PEERPIDFD)) return -ENOPROTOOPT;
  int fd = -1;
  socklen_t size = sizeof fd;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) < 0) return -errno;
  return fd;
}

int plat_peer_credentials(int socket, pid_t *pid, uid_t *uid, gid_t *gid) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return -errno;
  *pid = peer.pid;
  *uid = peer.uid;
  *gid = peer.gid;
  return 0;
}

int plat_start_time(pid_t pid, uint64_t *ticks) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return -EIO;
  text[n] = 0;
  // The command name may hold spaces and parentheses: count fields behind the last one.
  char *field = strrchr(text, ')');
  for (int i = 2; field && i < 22; i++) field = strchr(field + 1, ' ');
  if (!field) return -EINVAL;
  *ticks = strtoull(field + 1, NULL, 10);
  return 0;
}

int plat_undumpable(void) { return result(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)); }

void plat_hold_standard_descriptors(void) {
  for (int fd = 0; fd <= 2; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    // Takes the lowest number that is free, which is this one.
    (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
  }
}

// --- Control socket --------------------------------------------------------------------------

int plat_send(int socket, const void *bytes, size_t length, const int *fds, int count) {
  if (count < 0 || count > PLAT_MOST_DESCRIPTORS) return -EINVAL;
  struct iovec io = {(void *)(uintptr_t)bytes, length};
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int) * PLAT_MOST_DESCRIPTORS)];
  } control;
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = control.room;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

int plat_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0; }

ssize_t plat_receive_all(int socket, void *bytes, size_t room, int *fds, int *count, int *cut) {
  struct iovec io = {bytes, room};
  union {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int) * PLAT_RECEIVED_DESCRIPTORS)];
  } control;
  struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.room,
                           .msg_controllen = sizeof control.room};
  *count = *cut = 0;
  ssize_t n;
  do {
    n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return -errno;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < here && *count < PLAT_RECEIVED_DESCRIPTORS; i++)
      memcpy(&fds[(*count)++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
  }
  if (message.msg_flags & MSG_TRUNC) *cut |= PLAT_CUT_BYTES;
  if (message.msg_flags & MSG_CTRUNC) *cut |= PLAT_CUT_DESCRIPTORS;
  return n;
}

ssize_t plat_receive_what_fits(int socket, void *bytes, size_t room, int *fds, int most,
                               int *count, int *lost) {
  int all[PLAT_RECEIVED_DESCRIPTORS], given, cut;
  *count = *lost = 0;
  ssize_t n = plat_receive_all(socket, bytes, room, all, &given, &cut);
  if (n < 0) return n;
  *lost = (cut & PLAT_CUT_DESCRIPTORS) != 0;
  int refused = given > most || (cut & PLAT_CUT_BYTES);
  // Which of several descriptors is missing cannot be told: none is kept.
  for (int i = 0; i < given; i++) {
    if (refused || *lost) close(all[i]);
    else fds[(*count)++] = all[i];
  }
  return refused ? -EMSGSIZE : n;
}

ssize_t plat_receive(int socket, void *bytes, size_t room, int *fds, int most, int *count) {
  int lost;
  ssize_t n = plat_receive_what_fits(socket, bytes, room, fds, most, count, &lost);
  return n >= 0 && lost ? -EMSGSIZE : n;
}
