// Two pinned processes that start together, bounded in time and always reaped.
#include "floor_internal.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void *floor_share(uint64_t bytes) {
  const int flags = MAP_SHARED | MAP_ANONYMOUS;
  struct floor_shared *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (block == MAP_FAILED) return NULL;
  block->bytes = bytes;
  return block;
}

void floor_unshare(struct floor_shared *shared) { munmap(shared, shared->bytes); }

// A forked process has no page tables for shared memory: fill them before the measurement begins.
static void touch_all(struct floor_shared *shared) {
  uint8_t *bytes = (uint8_t *)shared;
  for (uint64_t at = 0; at < shared->bytes; at += 4096)
    __atomic_fetch_add(bytes + at, 0, __ATOMIC_RELAXED);
}

// Runs in the forked process, where only system calls are safe: the parent may have had threads.
__attribute__((noreturn)) static void play(floor_role role, int cpu, struct floor_shared *shared,
                                           pid_t parent) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) _exit(errno);
  if (getppid() != parent) _exit(ESRCH);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) < 0) _exit(errno);
  touch_all(shared);
  __atomic_fetch_add(&shared->arrived, 1, __ATOMIC_ACQ_REL);
  while (floor_load(&shared->arrived) < 2) floor_pause();
  _exit(-role(shared));
}

struct child {
  pid_t pid;  // 0 once reaped
  int pidfd;
};

static int start(struct child *child, floor_role role, int cpu, struct floor_shared *shared) {
  pid_t parent = getpid();
  child->pidfd = -1;
  child->pid = fork();
  if (child->pid < 0) {
    child->pid = 0;
    return -errno;
  }
  if (child->pid == 0) play(role, cpu, shared, parent);
  child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
  return child->pidfd < 0 ? -errno : 0;
}

// 0 or the child's -errno; a child that was killed counts as -ECHILD.
static int reap(struct child *child) {
  int status = 0;
  pid_t got;
  do {
    got = waitpid(child->pid, &status, 0);
  } while (got < 0 && errno == EINTR);
  child->pid = 0;
  if (got < 0) return -errno;
  return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Waits for both; the first failure or the deadline ends the wait.
static int await(struct child *children) {
  const int64_t deadline = now_ms() + FLOOR_MOST_SECONDS * 1000;
  while (children[0].pid || children[1].pid) {
    struct pollfd ends[2];
    for (int i = 0; i < 2; i++) {
      ends[i].fd = children[i].pid ? children[i].pidfd : -1;
      ends[i].events = POLLIN;
      ends[i].revents = 0;
    }
    int64_t left = deadline - now_ms();
    if (left <= 0) return -ETIMEDOUT;
    if (poll(ends, 2, (int)left) < 0 && errno != EINTR) return -errno;
    for (int i = 0; i < 2; i++) {
      if (!ends[i].revents) continue;
      int outcome = reap(&children[i]);
      if (outcome < 0) return outcome;
    }
  }
  return 0;
}

static int check_cpus(int a, int b) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) < 0) return -errno;
  if (CPU_COUNT(&allowed) < 2) return -ENOTSUP;
  if (a == b || a < 0 || b < 0 || a >= CPU_SETSIZE || b >= CPU_SETSIZE) return -EINVAL;
  if (!CPU_ISSET((size_t)a, &allowed) || !CPU_ISSET((size_t)b, &allowed)) return -EINVAL;
  return 0;
}

int floor_run_pair(int cpu_a, int cpu_b, floor_role a, floor_role b, struct floor_shared *shared) {
  int outcome = check_cpus(cpu_a, cpu_b);
  if (outcome < 0) return outcome;
  struct child children[2] = {{0, -1}, {0, -1}};
  outcome = start(&children[0], a, cpu_a, shared);
  if (outcome == 0) outcome = start(&children[1], b, cpu_b, shared);
  if (outcome == 0) outcome = await(children);
  for (int i = 0; i < 2; i++) {
    if (children[i].pid) {
      kill(children[i].pid, SIGKILL);
      reap(&children[i]);
    }
    if (children[i].pidfd >= 0) close(children[i].pidfd);
  }
  return outcome;
}
