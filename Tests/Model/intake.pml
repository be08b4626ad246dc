/* The thread that takes messages in for an asynchronous consumer, and the consumer, who leaves at some point. The buffer
   holds ROOM messages; the thread sleeps on a word while it is full, the consumer on a continuation while it is empty.
   Thread: look at the word, then, under the lock, at the wish to stop and at the room; sleep while the word is as seen.
   -DBAD_ORDER: the thread looks at the wish to stop before the word: it may sleep on the very change that tells of it.
   -DBAD_WAITER: the consumer leaves its continuation without another look at the buffer.
   -DBAD_FULL: the consumer tells of room only where the buffer is empty after it. */
#define ROOM 2
#define SENT 4
byte count = 0, word = 0;
bool isStopping = 0, isAsleep = 0, isWaiting = 0, hasEnded = 0;

inline tell() { word++; isAsleep = 0 }

active proctype Thread() {
  byte seen, sent = 0; bool isFull;
  do
  ::
#ifdef BAD_ORDER
     if :: isStopping -> break :: else fi;
     seen = word;
     isFull = (count == ROOM);
#else
     seen = word;
     atomic { if :: isStopping -> break :: else fi; isFull = (count == ROOM) };
#endif
     if
     :: isFull ->
        /* futex: compares and sleeps in one step against the wake. */
        atomic { if :: word == seen -> isAsleep = 1 :: else fi };
        !isAsleep
     :: else ->
        /* Its other sleep, for messages, is bounded. */
        if
        :: sent < SENT -> sent++; atomic { count++; isWaiting = 0 }
        :: else
        fi
     fi
  od;
  atomic { hasEnded = 1; isWaiting = 0 }
}

active proctype Consumer() {
  byte taken = 0; bool wasFull, hasOne;
  do
  :: taken < SENT ->
     atomic {
       hasOne = count > 0;
       wasFull = (count == ROOM);
       if :: hasOne -> count-- :: else fi
#ifdef BAD_FULL
       ; wasFull = (wasFull && count == 0)
#endif
     };
     if :: wasFull -> atomic { tell() } :: else fi;
     if
     :: hasOne -> taken++
     :: else ->
#ifdef BAD_WAITER
        atomic { isWaiting = 1 };
#else
        atomic { if :: count > 0 || hasEnded :: else -> isWaiting = 1 fi };
#endif
        !isWaiting
     fi
  :: taken > 0 -> break              /* leaves the loop, or has all */
  od;
  isStopping = 1;
  atomic { tell() };
  hasEnded;
  assert(count + taken <= SENT)
}

ltl ends { <> hasEnded }
