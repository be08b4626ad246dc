#include "bus_loop.h"

#include <errno.h>
#include <poll.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int result(int value) { return value < 0 ? -errno : value; }

int plat_timer(uint64_t period_ns) {
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer < 0) return -errno;
  struct timespec t = {(time_t)(period_ns / 1000000000u), (long)(period_ns % 1000000000u)};
  struct itimerspec spec = {.it_interval = t, .it_value = t};
  if (timerfd_settime(timer, 0, &spec, NULL) < 0) {
    int error = errno;
    close(timer);
    return -error;
  }
  return timer;
}

int plat_timer_drain(int timer) {
  uint64_t count;
  return read(timer, &count, sizeof count) == (ssize_t)sizeof count ? 0 : -errno;
}

int plat_ending_signals(void) {
  // A write beyond a limit on file sizes is told by EFBIG; the others mean nothing to a router.
  static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM};
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
    if (sigaction(ignored[i], &ignore, NULL) < 0) return -errno;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGQUIT);
  // Who started us with nohup wants the terminal's end to end nothing.
  struct sigaction hangup;
  if (sigaction(SIGHUP, NULL, &hangup) < 0) return -errno;
  if (hangup.sa_handler != SIG_IGN) sigaddset(&set, SIGHUP);
  int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (error != 0) return -error;
  return result(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int plat_accept(int listener) {
  int fd;
  do {
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  return result(fd);
}

int plat_hung_up(int fd) {
  struct pollfd p = {.fd = fd};
  if (poll(&p, 1, 0) < 0) return -errno;
  return (p.revents & (POLLHUP | POLLERR)) != 0;
}

int plat_unread_bytes(int fd) {
  int bytes = 0;
  return ioctl(fd, SIOCOUTQ, &bytes) < 0 ? -errno : bytes;
}

int plat_raise_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
  return limit.rlim_cur > INT32_MAX ? INT32_MAX : (int)limit.rlim_cur;
}

uint64_t plat_boot_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
