/* The life cycle of one digital key across service, courier and car, with crashes, power cuts and lost messages.
 *
 * Models: src/keygw/credentials/lifecycle.py (TRANSITIONS), revocation.py (`change`, `put_list`, `accept_ack`),
 *   src/keygw/vehicle/courier.py, simulators/keygw_sim/vehicle/keeper.py (`accept_list`, `execute`,
 *   `_durably`), brain.py (`_end_concerned`), flash.py (`save`, `remember`), KEY_PROTOCOL "Revocation that works offline" and "Fast path".
 *
 * Bounds: one key, LISTS lists, CUTS power cuts of the car, CRASHES crashes of the service, FAILS writes of flash that
 * fail, LOSSES lost acknowledgements, COMMANDS command numbers each of which the device may retry. Within them every
 * interleaving is searched.
 *
 * The courier is the attacker: it holds every list ever signed and every acknowledgement ever made, and delivers any of
 * them at any time, again and again, or none. It cannot sign (lists.pvl).
 */
#define LISTS    3
#define CUTS     2
#define CRASHES  1
#define FAILS    1
#define LOSSES   2
#define COMMANDS 2

mtype = { ACTIVE, SUSPENDED, REVOKING, REVOKED };

/* service, in its database */
mtype key = ACTIVE;
byte newest = 0;                  /* sequence of the newest list */
byte revoked_in = 0;              /* the list that first revokes the key; 0: none */
byte acked = 0;
bool bars[LISTS + 1];             /* what each list says of the key */

/* acknowledgements that were ever made: of list n */
bool ack[LISTS + 1];

/* car: flash, and memory that a power cut empties */
byte flash_seq = 0;
byte ram_seq = 0;
byte enforced = 0;                /* the list that commands are judged by */
bool session = false;             /* open for the key; the fast path's K_fast counts as one */
bool flash_done[COMMANDS];        /* answers remembered durably */
byte executed[COMMANDS];          /* how often a command was carried out */

/* only to say what is claimed */
byte top = 0;                     /* greatest sequence ever in flash */
bool unlocked_after_sync = false;
bool rolled_back = false;
bool unlocked = false;
bool acked_unstored = false;
byte offered = 0;                 /* the list that the courier has just brought */
byte looked = 0;                  /* the acknowledgement that the service has just been shown */

byte cuts = CUTS, crashes = CRASHES, fails = FAILS, losses = LOSSES;

#define synced (revoked_in != 0 && top >= revoked_in)

/* state and list in one transaction; a crash before it leaves nothing, after it everything */
inline commit(state) {
  if
  :: crashes > 0 -> crashes--                    /* crash before the commit: nothing happened */
  :: true ->
     newest++;
     key = state;
     bars[newest] = (state != ACTIVE);
     if
     :: state == REVOKING && revoked_in == 0 -> revoked_in = newest
     :: else
     fi
  fi
}

active proctype Service() {
  byte n;
end:
  do
  :: atomic { newest < LISTS && key == ACTIVE -> commit(SUSPENDED) }
  :: atomic { newest < LISTS && key == SUSPENDED -> commit(ACTIVE) }
  :: atomic { newest < LISTS && (key == ACTIVE || key == SUSPENDED) -> commit(REVOKING) }
  :: atomic {                                    /* an acknowledgement arrives, any that was ever made */
       select(n : 1 .. LISTS);
       looked = n;
       if
       :: ack[n] && n > acked ->
          acked = n;
          if
          :: key == REVOKING && n >= revoked_in -> key = REVOKED
          :: else
          fi
       :: else
       fi;
       n = 0
     };
     looked = 0
  od
}

inline write_flash() { flash_seq = n; if :: n > top -> top = n :: n < top -> rolled_back = true :: else fi }

inline acknowledge(which) {
  if
  :: losses > 0 -> losses--                      /* the link breaks first */
  :: true -> ack[which] = true; if :: flash_seq < which -> acked_unstored = true :: else fi
  fi
}

active proctype Car() {
  byte n;
  byte i;
end:
  do
  /* RL_PUSH of any list that was ever signed */
  :: atomic { newest > 0 -> select(n : 1 .. LISTS); if :: n > newest -> n = newest :: else fi; offered = n };
     if
     :: n > ram_seq ->
        /* first the flash, then the memory */
        if
        :: atomic { true -> write_flash() }
        :: atomic { fails > 0 -> fails--; n = 0; offered = 0; goto end }     /* the write fails: nothing changed */
        :: atomic { cuts > 0 -> cuts--; goto cut }
        fi;
        atomic { ram_seq = n; enforced = n };
        if
        :: atomic { cuts > 0 -> cuts--; goto cut }
        :: true
        fi;
        atomic { if :: bars[enforced] -> session = false :: else fi }
     :: else
     fi;
     atomic { ram_seq > 0 -> acknowledge(ram_seq); n = 0; offered = 0 }

  /* authentication: the key opens a session */
  :: atomic { !session && !bars[enforced] -> session = true }

  /* a command in the session, new or retried */
  :: atomic { session -> select(i : 0 .. COMMANDS - 1) };
     atomic {
       if
       :: flash_done[i]                          /* a retry: the old answer */
       :: !flash_done[i] && bars[enforced]       /* judged anew: refused */
       :: !flash_done[i] && !bars[enforced] ->
          unlocked = true;
          if :: synced && bars[top] -> unlocked_after_sync = true :: else fi;
          executed[i]++;
          flash_done[i] = true                   /* the effect and its answer are one write */
       fi;
       i = 0
     }

  /* power cut */
  :: atomic { cuts > 0 -> cuts--; goto cut }
  od;
cut:
  atomic { session = false; ram_seq = flash_seq; enforced = flash_seq; n = 0; i = 0; offered = 0; goto end }
}

/* What is claimed */
#define honest_word (key != REVOKED || (flash_seq >= revoked_in && bars[flash_seq]))
ltl never_after_sync  { [] !unlocked_after_sync }
ltl no_rollback       { [] !rolled_back }
ltl revoked_is_stored { [] honest_word }
ltl ack_is_stored     { [] !acked_unstored }
ltl revoked_is_final  { [] ((key == REVOKED) -> [] (key == REVOKED)) }
ltl at_most_once      { [] (executed[0] <= 1 && executed[1] <= 1) }
/* Only if the newest list is brought and its acknowledgement shown again and again, and both processes run (-f) */
ltl ends              { ([] <> (offered == newest) && [] <> (looked == newest)) -> [] ((key == REVOKING) -> <> (key == REVOKED)) }

/* Not true for want of a trace: each of these is broken by a trace that we want to exist */
ltl reach_revoked     { [] !(unlocked && newest == LISTS && key == REVOKED && cuts == 0 && losses == 0) }
ltl reach_retry       { [] !(flash_done[0] && synced && session) }
