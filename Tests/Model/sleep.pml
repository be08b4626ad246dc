/* A reader goes to sleep while a publisher commits; stores wait in store buffers (TSO).
   Publisher: commit, compiler barrier, load the epoch, wake, twice per epoch at most. Reader: mark, barrier on every
   processor, look at the commit, sleep while the commit word has the value of that look.
   -DBAD_BARRIER: the reader's barrier drains its own buffer only.
   -DBAD_ONCE: one wake per epoch; it may belong to a commit that the reader has taken before.
   A sleep whose time is over goes on under its mark, after one more look.
   -DBAD_LOOK: the reader does not look again between mark and sleep, and sleeps on its mark.
   -DBAD_REARM: a sleep that goes on does not compare the commit word again. */
#define LAST 3
#define TIMEOUTS 2
byte commitMemory = 0, commitBuffer = 0; bool isCommitBuffered = 0;
byte epochMemory = 0, epochBuffer = 0; bool isEpochBuffered = 0;
bool isAsleep = 0, isDone = 0;

active proctype Drain() {
end: do
  :: atomic { isCommitBuffered -> commitMemory = commitBuffer; isCommitBuffered = 0 }
  :: atomic { isEpochBuffered -> epochMemory = epochBuffer; isEpochBuffered = 0 }
  od
}

active proctype Publisher() {
  byte number = 0, epoch, woken = 0; bool isOwed = 0;
  do
  :: number < LAST ->
     number++;
     atomic { !isCommitBuffered -> commitBuffer = number; isCommitBuffered = 1 };
     epoch = epochMemory;            /* may overtake the store above */
     if
#ifdef BAD_ONCE
     :: epoch % 2 == 1 && epoch != woken ->
#else
     :: epoch % 2 == 1 && (epoch != woken || isOwed) ->
        isOwed = (epoch != woken);
#endif
        woken = epoch;
        /* A system call: the buffer is empty before the sleepers are looked at. */
        atomic { !isCommitBuffered -> isAsleep = 0 }
     :: else
     fi
  :: else -> break
  od
}

active proctype Reader() {
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
        atomic { !isEpochBuffered && !isCommitBuffered };
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

ltl awake { <> isDone }
