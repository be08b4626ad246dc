// Programs that this process starts. Functions return a value >= 0 on success, -errno on failure.
#ifndef BUS_CHILD_H
#define BUS_CHILD_H

#include <sys/types.h>

/// How plat_child_start() starts a program.
typedef struct plat_child {
  /// A path, or a name that is looked for in the folders of PATH.
  const char *program;
  char *const *arguments;
  char *const *environment;
  /// What becomes its standard input, output and error; -1: those of this process.
  int input, output, errors;
  /// Not 0: it leads a process group of its own.
  int leads_group;
  /// Not 0: the kernel sends it SIGTERM when the calling thread ends, so it has to be started on a
  /// thread that lives as long as the process.
  int ends_with_parent;
  /// Not 0: it inherits no descriptor but the three standard ones.
  int closes_others;
  /// The descriptor of plat_guardian_start(), which ends its group after this process; or -1.
  int guardian;
} plat_child_t;

/// Starts a program with default signals. Its pid, or -errno, also when it cannot be executed.
pid_t plat_child_start(const plat_child_t *how);

/// Starts the guardian: a process that waits for the end of this one and then ends the process
/// groups of the children that still run, with SIGTERM, and a second later with SIGKILL.
///
/// It is a copy of this process that holds nothing of it, so it is to be started before there are
/// threads. Returns the descriptor by which it notices the end, and its pid.
int plat_guardian_start(pid_t *pid);

/// A child has ended and has not been waited for yet: what it leaves behind is its own affair.
void plat_guardian_release(int guardian, pid_t child);

/// 1 when a child has ended and can be waited for, else 0; it is not waited for.
int plat_child_ended(pid_t child);

#endif
