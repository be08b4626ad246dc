// Compiles the headers, so that their static asserts are checked in every build.
#include "CBusABI.h"
