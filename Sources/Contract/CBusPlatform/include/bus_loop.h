// What an event loop on one thread needs of Linux beside what it waits in: timerfd, signalfd,
// accept. Results as in bus_platform.h: >= 0 on success, -errno on failure.
#ifndef BUS_LOOP_H
#define BUS_LOOP_H

#include <stdint.h>

/// A descriptor that becomes readable every `period_ns`.
int plat_timer(uint64_t period_ns);
/// Takes what the timer counted, so that it is no longer readable.
int plat_timer_drain(int timer);
/// Blocks SIGTERM, SIGINT, SIGQUIT and, unless it is ignored, SIGHUP, and ignores SIGPIPE, SIGXFSZ,
/// SIGUSR1, SIGUSR2 and SIGALRM; the descriptor becomes readable when a blocked one came.
int plat_ending_signals(void);
/// Takes a connection: CLOEXEC and not blocking.
int plat_accept(int listener);
/// 1 when the socket's peer has closed its end, 0 when not.
int plat_hung_up(int fd);
/// What was sent over a socket and lies unread at the other end, in bytes of the kernel's buffers;
/// 0 when the other end has read all, or has closed.
int plat_unread_bytes(int fd);
/// Raises the soft limit of descriptors to the hard one; returns it, at most INT32_MAX.
int plat_raise_descriptors(void);
/// CLOCK_BOOTTIME in ns: goes on while the machine sleeps.
uint64_t plat_boot_ns(void);

#endif
