#include "allocation_count.h"

#include <errno.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED

uint64_t allocation_count(void) { return UINT64_MAX; }

#else

// The C library's own names for what we stand in for.
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *old);

static __thread uint64_t allocations __attribute__((tls_model("initial-exec")));

uint64_t allocation_count(void) { return allocations; }

void *malloc(size_t bytes) {
  allocations++;
  return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
  allocations++;
  return __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes) {
  allocations++;
  return __libc_realloc(old, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
  allocations++;
  return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void **to, size_t alignment, size_t bytes) {
  void *got = memalign(alignment, bytes);
  if (!got) return ENOMEM;
  *to = got;
  return 0;
}

void free(void *old) { __libc_free(old); }

#endif
