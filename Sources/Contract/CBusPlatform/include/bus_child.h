// Programs that this process starts. Functions return a value >= 0 on success, -errno on failure.
#ifndef BUS_CHILD_H
#define BUS_CHILD_H

#include <stdint.h>
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
  /// Where its group is noted for the guardian, which ends it after this process; or NULL.
  int32_t *guarded;
} plat_child_t;

/// Starts a program with default signals. Its pid, or -errno, also when it cannot be executed.
pid_t plat_child_start(const plat_child_t *how);

/// How many process groups can be noted for a guardian.
#define PLAT_GUARDED_MAX 4096

/// Places for the groups that a guardian ends, 0 where there is none: memory that this process, the
/// children it starts and their guardians share, so that no note of it waits or gets lost while the
/// guardian stands still or is another one. NULL when the kernel has no memory.
int32_t *plat_guarded_groups(void);

/// Gives those places back.
void plat_guarded_free(int32_t *groups);

/// A child has ended and has not been waited for yet: what it leaves behind is its own affair.
void plat_guarded_release(int32_t *place);

/// Starts a guardian: a process that waits for the end of this one and then ends the groups that
/// are noted, with SIGTERM, and a second later with SIGKILL.
///
/// It is a copy of this process that uses nothing of it but the places, and calls nothing that
/// other threads could have locked; memory that this process had by then stays its as well, so the
/// first is best started early. Returns the descriptor by which it notices the end, and its pid.
int plat_guardian_start(const int32_t *groups, pid_t *pid);

/// 1 when a child has ended and can be waited for, else 0; it is not waited for.
int plat_child_ended(pid_t child);

#endif
