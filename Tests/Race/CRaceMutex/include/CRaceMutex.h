#ifndef CRACEMUTEX_H
#define CRACEMUTEX_H
#include <stdint.h>
/// 1: the locks of this program are visible to ThreadSanitizer.
int race_mutex(void);
#endif
