/* A single-writer log with records of one or two units over a ring of four units, two readers
   that copy and then look at `reserve`, a writer that may die at any step.
   -DBAD_COMMIT: commit before the payload.  -DBAD_CHECK: no look at `reserve` after the copy.
   -DBAD_RESERVE: `reserve` is raised after the payload.
   -DBAD_DEPARTED: see window.pml. */
#define CAP 4
#define LAST 4
byte unit[CAP];            /* which record's bytes lie here; 0 = never written */
byte head[CAP];            /* length in units of the record that starts here */
byte reserve = 0, commit = 0;
byte starts[12];           /* oracle: number of the record that starts at a position */
bool dead = 0;

proctype Writer() {
  byte pos = 0, number = 0, size, i;
  do
  :: number < LAST ->
     number++;
     if :: size = 1 :: size = 2 fi;
     if :: (pos % CAP) + size > CAP -> size = 1 :: else fi;
     starts[pos] = number;
#ifndef BAD_RESERVE
     reserve = pos + size;
     if :: skip :: goto gone fi;
#endif
#ifdef BAD_COMMIT
     head[pos % CAP] = size;
     commit = pos + size;
     if :: skip :: goto gone fi;
#endif
     i = 0;
     do
     :: i < size -> unit[(pos + i) % CAP] = number; i++;
        if :: skip :: goto gone fi
     :: else -> break
     od;
#ifdef BAD_RESERVE
     reserve = pos + size;
#endif
     head[pos % CAP] = size;
     if :: skip :: goto gone fi;
     commit = pos + size;
     pos = pos + size;
     if :: skip :: goto gone fi
  :: else -> break
  od;
gone: dead = 1
}

proctype Reader() {
  byte pos = 0, seen, size, first, second, gaps = 0;
  do
  :: seen = commit;
     if
     :: seen == pos ->
        if
        :: dead ->
           if :: commit == pos -> break :: else fi
        :: else
        fi
     :: seen - pos > CAP -> pos = seen; gaps++
     :: seen != pos && seen - pos <= CAP ->
        size = head[pos % CAP];
        first = unit[pos % CAP];
        second = unit[(pos + size - 1) % CAP];
#ifndef BAD_CHECK
        if
        :: reserve > pos + CAP -> pos = seen; gaps++
        :: else ->
#endif
        assert(first == second && first == starts[pos] && size >= 1 && size <= 2);
        pos = pos + size
#ifndef BAD_CHECK
        fi
#endif
     fi
  od
}

init { atomic { run Writer(); run Reader(); run Reader() } }
