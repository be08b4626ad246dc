#include "bus_layout.h"
#include "bus_wire.h"
