#include "bus_layout.h"
#include "bus_version.h"
#include "bus_wire.h"
