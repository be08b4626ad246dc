/* A lossless reader joins a running publisher that has store buffers. The service thread closes
   the limit, makes every thread of the process pass a barrier, and reads the commit once.
   -DBAD_ORDER: it reads the commit before it closes the limit.
   -DBAD_BARRIER: it closes the limit without the barrier. */
#define CAP 2
#define LAST 4
#define OPEN 200
byte ring[CAP];
byte commitMemory = 0, commitBuffer = 0;
bool isBuffered = 0;
byte limit = OPEN;                   /* as the publisher's processor sees it */
byte limitBuffer = OPEN; bool isLimitBuffered = 0;
byte cursor = 0, start = 0;
bool inWindow = 0, isJoined = 0, lock = 0;

/* The publisher's commit and the service's close leave their store buffers at some time. */
active proctype Drain() {
end: do
  :: atomic { isBuffered -> commitMemory = commitBuffer; isBuffered = 0 }
  :: atomic { isLimitBuffered -> limit = limitBuffer; isLimitBuffered = 0 }
  od
}

active proctype Publisher() {
  byte pos = 0, seen;
  do
  :: pos < LAST ->
     seen = limit;
     if
     :: pos + 1 <= seen ->
        ring[pos % CAP] = pos + 1;
        atomic { !isBuffered -> commitBuffer = pos + 1; isBuffered = 1 };
        pos++
     :: else ->
        /* A lock is a full barrier: the buffer is empty on both sides of it. */
        atomic { !lock && !isBuffered -> lock = 1 };
        if
        :: inWindow -> limit = cursor + CAP
        :: else -> limit = OPEN
        fi;
        lock = 0
     fi
  :: else -> break
  od
}

active proctype Service() {
  byte seen;
  atomic { !lock -> lock = 1 };
#ifdef BAD_ORDER
  seen = commitMemory;
  limit = 0;
  !isBuffered;
#else
#ifdef BAD_BARRIER
  atomic { limitBuffer = 0; isLimitBuffered = 1 };
  seen = commitMemory;
  !isLimitBuffered;
#else
  limit = 0;
  !isBuffered;                       /* the barrier on the publisher's processor */
  seen = commitMemory;
#endif
#endif
  cursor = seen; start = seen;
  inWindow = 1;
  lock = 0;
  isJoined = 1
}

active proctype Reader() {
  byte pos;
  isJoined; pos = start;
  do
  :: pos < LAST ->
     commitMemory > pos;
     assert(ring[pos % CAP] == pos + 1);
     pos++; cursor = pos
  :: else -> break
  od
}
