#include "bus_floor.h"
