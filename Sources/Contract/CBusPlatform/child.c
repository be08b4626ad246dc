#include "bus_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void note(int32_t *place, int32_t group) {
  __atomic_store_n(place, group, __ATOMIC_RELAXED);
}

// --- In the child, which shares the memory of its parent until it executes --------------------

static int put(int from, int to) {
  if (from < 0) return 0;
  // It may be one that executing would close.
  if (from == to) return fcntl(from, F_SETFD, 0);
  return dup2(from, to) < 0 ? -1 : 0;
}

static void default_signals(void) {
  struct sigaction action = {.sa_handler = SIG_DFL};
  for (int number = 1; number < NSIG; number++) sigaction(number, &action, NULL);
}

static void close_from(int first) {
  if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0) return;
  // Kernels before 5.9.
  long most = sysconf(_SC_OPEN_MAX);
  for (long fd = first; fd < (most > 0 && most < 65536 ? most : 65536); fd++) close((int)fd);
}

// Returns only when the program cannot be executed.
static int execute(const plat_child_t *how, pid_t parent, const sigset_t *none) {
  if (how->leads_group && setpgid(0, 0) < 0) return errno;
  // Here, so that its parent's end at any later moment finds it: a store, which waits for nobody.
  if (how->guarded) note(how->guarded, getpid());
  if (how->ends_with_parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0) return errno;
    // A parent that ended before that call is not there to be waited for.
    if (getppid() != parent) return ECHILD;
  }
  default_signals();
  if (put(how->input, 0) < 0 || put(how->output, 1) < 0 || put(how->errors, 2) < 0) return errno;
  if (how->closes_others) close_from(3);
  sigprocmask(SIG_SETMASK, none, NULL);
  execvpe(how->program, how->arguments, how->environment);
  return errno;
}

pid_t plat_child_start(const plat_child_t *how) {
  sigset_t all, before, none;
  sigfillset(&all);
  sigemptyset(&none);
  // No handler may run in the child while it shares our memory.
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t parent = getpid();
  volatile int reason = 0;
  pid_t child = vfork();
  if (child == 0) {
    reason = execute(how, parent, &none);
    _exit(127);
  }
  if (child < 0) reason = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (child < 0) return -reason;
  if (reason == 0) return child;
  if (how->guarded) plat_guarded_release(how->guarded);
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
  return -reason;
}

int plat_child_ended(pid_t child) {
  siginfo_t info = {0};
  if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) < 0) return errno == ECHILD;
  return info.si_pid == child;
}

// --- The guardian -----------------------------------------------------------------------------

int32_t *plat_guarded_groups(void) {
  size_t bytes = PLAT_GUARDED_MAX * sizeof(int32_t);
  void *groups = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return groups == MAP_FAILED ? NULL : groups;
}

void plat_guarded_free(int32_t *groups) { munmap(groups, PLAT_GUARDED_MAX * sizeof(int32_t)); }
void plat_guarded_release(int32_t *place) { note(place, 0); }

static void hold_nothing_but(int pipe_end) {
  int none = open("/dev/null", O_RDWR);
  for (int standard = 0; standard < 3; standard++) {
    if (none >= 0) dup2(none, standard);
  }
  dup2(pipe_end, 3);
  close_from(4);
}

static int end_all(const int32_t *groups, int signal) {
  int found = 0;
  for (int at = 0; at < PLAT_GUARDED_MAX; at++) {
    int32_t group = __atomic_load_n(&groups[at], __ATOMIC_RELAXED);
    if (group <= 0) continue;
    kill(-group, signal);
    found = 1;
  }
  return found;
}

static void watch_over(const int32_t *groups, int pipe_end) {
  char nothing;
  // Nobody writes to it: it ends with the process that holds the other end.
  while (read(pipe_end, &nothing, 1) < 0 && errno == EINTR) {}
  if (!end_all(groups, SIGTERM)) return;
  struct timespec second = {1, 0};
  while (nanosleep(&second, &second) < 0 && errno == EINTR) {}
  end_all(groups, SIGKILL);
}

int plat_guardian_start(const int32_t *groups, pid_t *pid) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  pid_t guardian = fork();
  if (guardian < 0) {
    int reason = errno;
    close(ends[0]);
    close(ends[1]);
    return -reason;
  }
  if (guardian == 0) {
    // The signals of a terminal, and those to the group of this process, are not for it.
    setsid();
    if (chdir("/") < 0) _exit(1);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_IGN);
    prctl(PR_SET_NAME, "bcs-guardian");
    hold_nothing_but(ends[0]);
    watch_over(groups, 3);
    _exit(0);
  }
  close(ends[0]);
  *pid = guardian;
  return ends[1];
}
