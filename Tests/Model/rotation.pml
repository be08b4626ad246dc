/* The stream moves to a second log while a reader joins; the publisher may die at any step, and
   the router then ends the stream at the commit of the newest log in use.
   -DBAD_USE: the gate learns of the new log only after the old one shows where the stream goes on.
   -DBAD_BASE: the new log's base is written after the old log shows the way. */
#define LAST 3
byte commit[2], base[2];
byte number[8];                      /* per position: message, 100 = "goes on in the next log" */
bool dead = 0, isEnded = 0, lock = 0;
byte gateLog = 0, final = 0;
bool isJoined = 0; byte startLog = 0, startAt = 0;

active proctype Publisher() {
  byte pos = 0;
  do
  :: pos < LAST ->
     if
     :: pos == 2 ->
        number[pos] = 100;
#ifndef BAD_BASE
        base[1] = pos + 1;
        if :: skip :: goto gone fi;
        commit[1] = pos + 1;
#endif
        if :: skip :: goto gone fi;
#ifndef BAD_USE
        atomic { !lock -> gateLog = 1 };
#endif
        commit[0] = pos + 1;
        if :: skip :: goto gone fi;
#ifdef BAD_BASE
        base[1] = pos + 1;
        commit[1] = pos + 1;
#endif
#ifdef BAD_USE
        atomic { !lock -> gateLog = 1 };
#endif
        pos++; break
     :: else ->
        number[pos] = pos + 1;
        if :: skip :: goto gone fi;
        commit[0] = pos + 1; pos++
     fi
  od;
  number[pos] = pos + 1;
  if :: skip :: goto gone fi;
  commit[1] = pos + 1;
gone: dead = 1
}

active proctype Router() {
  dead;
  if :: commit[1] != 0 -> final = commit[1] :: else -> final = commit[0] fi;
  isEnded = 1
}

active proctype Service() {
  if
  :: atomic { !lock && !dead -> lock = 1 };
     startLog = gateLog;
     startAt = commit[startLog];
     lock = 0;
     isJoined = 1
  :: dead -> skip
  fi
}

active proctype Reader() {
  byte pos, log, seen;
  if
  :: isJoined -> pos = startAt; log = startLog
  :: isEnded && !isJoined -> goto out
  fi;
  do
  :: seen = commit[log];
     if
     :: seen > pos ->
        if
        :: number[pos] == 100 -> pos++; assert(base[1] == pos); log = 1
        :: else -> assert(number[pos] == pos + 1); pos++
        fi
     :: seen == pos && isEnded ->
        if
        :: commit[log] == pos && (pos >= final || log == 1 || commit[0] == pos) -> break
        :: else
        fi
     :: else -> skip
     fi
  od;
  /* Everything that was shown was read, wherever the publisher died. */
  assert(log == 1 || number[2] != 100 || commit[0] < 3);
out: skip
}
