// The release: what the programs print, and what the headers belong to.
#ifndef BUS_VERSION_H
#define BUS_VERSION_H

#define BUS_RELEASE "0.1.0"

#endif
