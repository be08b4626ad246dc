// The slow paths of Swift's Mutex, in code that ThreadSanitizer sees. Those of the standard library
// are not instrumented, so that a lock that was waited for would order nothing, and each use of
// what it protects would be reported. The linker takes these in their place, in race_check alone.
#include "CRaceMutex.h"

#include <sched.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) uint32_t *word

// The word holds the owner's thread number, or 0; the fast paths, inlined, agree.
#define HANDLE(method) __asm__("$s15Synchronization12_MutexHandleV" method)
SWIFT void race_lock(uint32_t owner, SELF) HANDLE("9_lockSlowyys6UInt32VF");
SWIFT void race_unlock(SELF) HANDLE("11_unlockSlowyyF");
SWIFT _Bool race_try(SELF) HANDLE("12_tryLockSlowSbyF");

SWIFT void race_lock(uint32_t owner, SELF) {
  uint32_t none = 0;
  while (!__atomic_compare_exchange_n(word, &none, owner, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
    none = 0;
    sched_yield();
  }
}

SWIFT void race_unlock(SELF) { __atomic_store_n(word, 0, __ATOMIC_RELEASE); }

SWIFT _Bool race_try(SELF) {
  (void)word;
  return 0;
}

int race_mutex(void) { return 1; }
