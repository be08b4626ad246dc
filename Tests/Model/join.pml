/* A lossless reader joins a running publisher that has store buffers. The service thread closes
   the limit, makes every thread of the process pass a barrier, and reads the commit once. Where the
   process has no such barrier, the publisher fences between its last commit and its look at the
   limit, at each claim, and the service thread between its close and its look at the commit.
   -DBAD_ORDER: it reads the commit before it closes the limit.
   -DBAD_BARRIER: it closes the limit without the barrier.
   -DBAD_CLAIM: a publisher that should fence at each claim does not.
   -DBAD_FENCE: the service thread of such a publisher does not. */
#define CAP 2
#define LAST 4
#define OPEN 200
bool isFenced = 0;                   /* no barrier is to be had: the publisher fences */
byte ring[CAP];
byte commitMemory = 0, committed = 0; /* what lies between them is in the store buffer */
byte limit = OPEN;                   /* as the publisher's processor sees it */
byte limitBuffer = OPEN; bool isLimitBuffered = 0;
byte cursor = 0, start = 0;
bool inWindow = 0, isJoined = 0, lock = 0;
#define IS_DRAINED (commitMemory == committed)

/* The publisher's commits and the service's close leave their store buffers at some time. */
proctype Drain() {
end: do
  :: atomic { !IS_DRAINED -> commitMemory++ }
  :: atomic { isLimitBuffered -> limit = limitBuffer; isLimitBuffered = 0 }
  od
}

proctype Publisher() {
  byte pos = 0, seen;
  do
  :: pos < LAST ->
#ifndef BAD_CLAIM
     !isFenced || IS_DRAINED;        /* the fence of a claim */
#endif
     seen = limit;
     if
     :: pos + 1 <= seen ->
        ring[pos % CAP] = pos + 1;
        committed = pos + 1;
        pos++
     :: else ->
        /* A lock is a full barrier: the buffer is empty on both sides of it. */
        atomic { !lock && IS_DRAINED -> lock = 1 };
        if
        :: inWindow -> limit = cursor + CAP
        :: else -> limit = OPEN
        fi;
        lock = 0
     fi
  :: else -> break
  od
}

proctype Service() {
  byte seen;
  atomic { !lock -> lock = 1 };
  if
  :: isFenced ->
     atomic { limitBuffer = 0; isLimitBuffered = 1 };
#ifndef BAD_FENCE
     !isLimitBuffered;               /* the fence on this thread's processor */
#endif
     seen = commitMemory;
     !isLimitBuffered
  :: else ->
#ifdef BAD_ORDER
     seen = commitMemory;
     limit = 0;
     IS_DRAINED
#else
#ifdef BAD_BARRIER
     atomic { limitBuffer = 0; isLimitBuffered = 1 };
     seen = commitMemory;
     !isLimitBuffered
#else
     limit = 0;
     IS_DRAINED;                     /* the barrier on the publisher's processor */
     seen = commitMemory
#endif
#endif
  fi;
  cursor = seen; start = seen;
  inWindow = 1;
  lock = 0;
  isJoined = 1
}

proctype Reader() {
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

init {
  if
  :: isFenced = 0
  :: isFenced = 1
  fi;
  atomic { run Drain(); run Publisher(); run Service(); run Reader() }
}
