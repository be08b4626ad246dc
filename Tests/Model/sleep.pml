/* A reader goes to sleep while a publisher commits; stores wait in store buffers (TSO).
   Publisher: commit, compiler barrier, load the epoch, wake, twice per epoch at most, the second time for another
   commit than the first. Reader: mark, barrier on every processor, look at the commit, sleep while the commit word has
   the value of that look. The publisher also flushes when there is nothing new: it looks and wakes without a commit.
   A reader that may make no barrier on other processors says so when it joins: it fences for itself alone, and the
   publisher fences between each commit and its look at the epoch.
   -DBAD_BARRIER: the reader's barrier drains its own buffer only.
   -DBAD_FENCE: the publisher does not fence for a reader that makes no barrier.
   -DBAD_ONCE: one wake per epoch; it may belong to a commit that the reader has taken before.
   A sleep whose time is over goes on under its mark, after one more look.
   -DBAD_IDLE: a flush of nothing counts as the second wake.
   -DBAD_LOOK: the reader does not look again between mark and sleep, and sleeps on its mark.
   -DBAD_REARM: a sleep that goes on does not compare the commit word again. */
#define LAST 3
#define TIMEOUTS 2
#ifdef BAD_ONCE
#define MAY_AGAIN 0
#endif
#ifdef BAD_IDLE
#define MAY_AGAIN isOwed
#endif
#ifndef MAY_AGAIN
#define MAY_AGAIN (isOwed && number != wokenAt)
#endif
byte commitMemory = 0, commitBuffer = 0; bool isCommitBuffered = 0;
byte epochMemory = 0, epochBuffer = 0; bool isEpochBuffered = 0;
bool isAsleep = 0, isDone = 0;
bool isFenced = 0;                   /* the reader makes no barrier: the publisher fences */

proctype Drain() {
end: do
  :: atomic { isCommitBuffered -> commitMemory = commitBuffer; isCommitBuffered = 0 }
  :: atomic { isEpochBuffered -> epochMemory = epochBuffer; isEpochBuffered = 0 }
  od
}

proctype Publisher() {
  byte number = 0, epoch, woken = 0, wokenAt = 0, flushes = 2; bool isOwed = 0;
  do
  :: number < LAST || flushes > 0 ->
     if
     :: number < LAST ->
        number++;
        atomic { !isCommitBuffered -> commitBuffer = number; isCommitBuffered = 1 }
     :: flushes > 0 -> flushes--
     fi;
#ifndef BAD_FENCE
     !isFenced || !isCommitBuffered;
#endif
     epoch = epochMemory;            /* may overtake the store above, unless there is a fence */
     if
     :: epoch % 2 == 1 && (epoch != woken || MAY_AGAIN) ->
        if
        :: epoch != woken -> isOwed = 1; wokenAt = number
        :: else -> isOwed = 0
        fi;
        woken = epoch;
        /* A system call: the buffer is empty before the sleepers are looked at. */
        atomic { !isCommitBuffered -> isAsleep = 0 }
     :: else
     fi
  :: number == LAST -> break
  od
}

proctype Reader() {
  byte pos = 0, epoch = 0, seen, timeouts = 0;
  do
  :: pos == LAST -> break
  :: pos < LAST ->
     seen = commitMemory;
     if
     :: seen != pos -> pos = seen
     :: else ->
        epoch++;
        atomic { !isEpochBuffered -> epochBuffer = epoch; isEpochBuffered = 1 };
#ifdef BAD_BARRIER
        !isEpochBuffered;
#else
        atomic { !isEpochBuffered && (isFenced || !isCommitBuffered) };
#endif
#ifdef BAD_LOOK
        isAsleep = 1;
        !isAsleep;
#else
again:  seen = commitMemory;
        if
        :: seen != pos -> skip
        :: else ->
           /* futex: compares and sleeps in one step against the wake. */
#ifdef BAD_REARM
           atomic { if :: commitMemory == pos || timeouts > 0 -> isAsleep = 1 :: else fi };
#else
           atomic { if :: commitMemory == pos -> isAsleep = 1 :: else fi };
#endif
           if
           :: !isAsleep
           :: atomic { isAsleep && timeouts < TIMEOUTS -> isAsleep = 0; timeouts++ }; goto again
           fi
        fi;
#endif
        epoch++;
        atomic { !isEpochBuffered -> epochBuffer = epoch; isEpochBuffered = 1 }
     fi
  od;
  isDone = 1
}

init {
  if
  :: isFenced = 0
  :: isFenced = 1
  fi;
  atomic { run Drain(); run Publisher(); run Reader() }
}

ltl awake { <> isDone }
