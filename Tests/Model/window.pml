/* A lossless window: two readers lend spans in place, the publisher evicts one of them while it
   may hold a span; a count of departures tells every reader to look at `reserve`.
   -DBAD_ONCE: a reader looks only at the batch in which the count changed.
   -DBAD_ORDER: the count is raised after the bytes are overwritten. */
#define CAP 2
#define LAST 5
byte ring[CAP];
byte reserve = 0, commit = 0, departed = 0;
byte cursor[2];
bool inWindow[2];

#define LOWEST (inWindow[0] && (!inWindow[1] || cursor[0] <= cursor[1]) -> cursor[0] : \
               (inWindow[1] -> cursor[1] : 100))

proctype Publisher() {
  byte pos = 0, limit = 0;
  do
  :: pos < LAST ->
     if
     :: pos + 1 <= limit ->
        reserve = pos + 1;
        ring[pos % CAP] = pos + 1;
        commit = pos + 1;
        pos++
     :: else ->
        atomic { limit = LOWEST + CAP };
        if
        :: pos + 1 <= limit
        :: else ->
           if
           :: inWindow[0] && cursor[0] + CAP < pos + 1 -> inWindow[0] = 0;
#ifndef BAD_ORDER
              departed = departed + 1
#endif
           :: LOWEST + CAP >= pos + 1 -> skip
           fi
        fi
     fi
  :: else -> break
  od
#ifdef BAD_ORDER
  ; departed = departed + 1
#endif
}

proctype Reader(byte me) {
  byte pos = 0, seen, got, known = 0;
  do
  :: pos == LAST -> break
  :: pos < LAST ->
     seen = commit;
     if
     :: seen == pos -> skip
     :: seen - pos > CAP -> assert(me == 0); break
     :: seen != pos && seen - pos <= CAP ->
        got = ring[pos % CAP];
        if
#ifdef BAD_ONCE
        :: departed != known ->
           known = departed;
#else
        :: departed != 0 ->
#endif
           if
           :: reserve > pos + CAP -> assert(me == 0); break
           :: else
           fi
        :: else
        fi;
        assert(got == pos + 1);
        pos++;
        cursor[me] = pos
     fi
  od
}

init {
  atomic { inWindow[0] = 1; inWindow[1] = 1; run Publisher(); run Reader(0); run Reader(1) }
}
