/* A publisher sleeps on a reader's cursor; both sides have store buffers.
   Publisher: waiting = 1, full fence, look at the cursor, sleep while it has that value.
   Reader: store the cursor, full fence, look at the flag, wake.
   -DBAD_WRITER, -DBAD_READER: without the fence of that side. */
#define CAP 1
#define LAST 4
byte cursorMemory = 0, cursorBuffer = 0; bool isCursorBuffered = 0;
byte flagMemory = 0, flagBuffer = 0; bool isFlagBuffered = 0;
byte commit = 0;
bool isAsleep = 0, isDone = 0;

active proctype Drain() {
end: do
  :: atomic { isCursorBuffered -> cursorMemory = cursorBuffer; isCursorBuffered = 0 }
  :: atomic { isFlagBuffered -> flagMemory = flagBuffer; isFlagBuffered = 0 }
  od
}

active proctype Publisher() {
  byte pos = 0, seen;
  do
  :: pos < LAST ->
     seen = cursorMemory;
     if
     :: pos + 1 <= seen + CAP -> pos++; commit = pos
     :: else ->
        atomic { !isFlagBuffered -> flagBuffer = 1; isFlagBuffered = 1 };
#ifndef BAD_WRITER
        !isFlagBuffered;
#endif
        seen = cursorMemory;
        if
        :: pos + 1 <= seen + CAP -> skip
        :: else ->
           /* The kernel's compare; the flag itself may still be in the buffer. */
           atomic { if :: cursorMemory == seen -> isAsleep = 1 :: else fi };
           !isAsleep
        fi;
        atomic { !isFlagBuffered -> flagBuffer = 0; isFlagBuffered = 1 }
     fi
  :: else -> break
  od;
  isDone = 1
}

active proctype Reader() {
  byte pos = 0;
  do
  :: pos < LAST ->
     commit > pos;
     pos++;
     atomic { !isCursorBuffered -> cursorBuffer = pos; isCursorBuffered = 1 };
#ifndef BAD_READER
     !isCursorBuffered;
#endif
     if
     :: flagMemory == 1 -> atomic { !isCursorBuffered -> isAsleep = 0 }
     :: else
     fi
  :: else -> break
  od
}

ltl awake { <> isDone }
