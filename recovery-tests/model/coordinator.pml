/*
 * The coordinator of one epoch, towards its clients and its log. Both may be up at once: that the older one was killed
 * before the newer one opened the log is nothing that safety rests on.
 */

/* Of the transaction, in the coordinator's memory. */
#define DOWN 0 /* this epoch has not been opened */
#define IDLE 1 /* open; nothing in memory */
#define ACTIVE 2 /* its owner holds the lease */
#define PREPARING 3
#define APPENDING 4 /* only the log's answer moves it (R1) */
#define HANDING_OVER 5 /* the same, of a one-phase record */
#define HANDED_OVER 6 /* only A can tell (R17) */
#define COMMITTING 7
#define ABORTING 8
#define ENDED 9 /* its last record is on its way to the log */
#define RELEASED 10 /* gone from memory; the lease was used, or revoked */
#define POISONED 11 /* the log has failed, or refused: nothing is decided any more (R6) */
#define CRASHED 12

byte phase[2];
bool voted_yes[4];
/* A one-phase commit whose answer was lost: what bars a late one stays for good. */
bool answer_lost[2];
/* A participant has shown the branch in a scan, or by a vote that nobody waited for. */
bool held[4];
/* Of a branch that is held and has no record: what the other participant's witness says. */
byte inquiry[4];
/* The client has asked for the commit. The request may arrive at any coordinator, at any time, more than once. */
bool request;

#define IS_UP(c) (phase[c] != DOWN && phase[c] != CRASHED)
#define IS_IN_MEMORY(c) (phase[c] != IDLE && phase[c] != RELEASED)
/* Of this epoch, or of one that the log had opened before. */
#define IS_ISSUED(c) (kind != NOT_BEGUN && issuer <= (c))

inline owe_commit(c, p) {
  owed[AT(c, p)] = COMMIT;
  to_commit[AT(c, p)] = true
}

inline owe_abort(c, p) {
  owed[AT(c, p)] = ABORT;
  to_abort[AT(c, p)] = true
}

inline forget_votes(c) {
  voted_yes[AT(c, A)] = false;
  voted_yes[AT(c, B)] = false
}

inline open_log(c) {
  opened = EPOCH(c);
  if
  :: decision_record && !end_record ->
    phase[c] = COMMITTING;
    owed[AT(c, A)] = COMMIT;
    owed[AT(c, B)] = COMMIT
  :: one_phase_record && !end_record && !aborted_record ->
    phase[c] = HANDED_OVER;
    owed[AT(c, A)] = ABORT;
    answer_lost[c] = true
  :: else -> phase[c] = IDLE
  fi
}

inline post_decision(c) {
  forget_votes(c);
  phase[c] = APPENDING;
#ifdef UNDO_FORCE
  tell(COMMIT);
#endif
  posted[c] = DECISION
}

inline accept_commit(c) {
  if
  :: kind == EXECUTED ->
    phase[c] = PREPARING;
    to_prepare[AT(c, A)] = true;
    to_prepare[AT(c, B)] = true
  :: kind == EARLY -> post_decision(c)
  :: kind == ONE_PHASE -> phase[c] = HANDING_OVER; posted[c] = ONE_PHASE_RECORD
  fi
}

/* No record: it is presumed. The client is told at once. */
inline decide_abort(c) {
  forget_votes(c);
  tell(ABORT);
  phase[c] = ABORTING;
  owe_abort(c, A);
  owe_abort(c, B)
}

/* How the only branch has ended, and with it the transaction. */
inline one_phase_ended(c, how, record) {
  owed[AT(c, A)] = 0;
  tell(how);
  phase[c] = ENDED;
  posted[c] = record
}

/* R5: the witnesses of an ended transaction may go. */
inline sweep() {
  to_forget[A] = true;
  to_forget[B] = (kind != ONE_PHASE)
}

inline log_answered(c) {
  written[c] = false;
  if
  :: posted[c] == DECISION ->
    phase[c] = COMMITTING;
    owe_commit(c, A);
    owe_commit(c, B);
    tell(COMMIT)
  :: posted[c] == ONE_PHASE_RECORD -> phase[c] = HANDED_OVER; to_prepare[AT(c, A)] = true
  :: posted[c] == END -> phase[c] = RELEASED; sweep()
  :: posted[c] == ABORTED && answer_lost[c] -> phase[c] = RELEASED
  :: posted[c] == ABORTED && !answer_lost[c] -> phase[c] = RELEASED; sweep()
  fi;
  posted[c] = NOTHING
}

/* The newer epoch has fenced it. */
inline log_refused(c) {
  posted[c] = NOTHING;
  phase[c] = POISONED
}

/* What failed may be on disk after all, as the next opening finds. So the outcome is unknown, and nobody is told (R6). */
inline log_failed(c) {
#ifdef UNDO_R6
  tell(ABORT);
#endif
  phase[c] = POISONED
}

/* What an asker is told of an xid that is not in memory. */
#define LOOK_UP ((decision_record || (one_phase_record && end_record)) -> COMMIT : ABORT)

/* R2: a commit is accepted under a lease that lives, in the epoch that gave it. */
#define HOLDS_LEASE(c) (phase[c] == ACTIVE)
#ifdef UNDO_R2_REVOKED
#undef HOLDS_LEASE
#define HOLDS_LEASE(c) (phase[c] == ACTIVE || (phase[c] == RELEASED && issuer == (c)))
#endif
#ifdef UNDO_R2_EPOCH
#undef HOLDS_LEASE
#define HOLDS_LEASE(c) (phase[c] == ACTIVE || (phase[c] == IDLE && issuer < (c)))
#endif

/* Nothing is known to be prepared before the commit is asked for, but what its owner prepares itself. */
#define HAS_NO_BRANCHES(c) (phase[c] == ACTIVE && kind != EARLY)
#define MAY_ABORT(c) ((phase[c] == ACTIVE && kind == EARLY) || phase[c] == PREPARING)
#ifdef UNDO_R1
#undef MAY_ABORT
#define MAY_ABORT(c) ((phase[c] == ACTIVE && kind == EARLY) || phase[c] == PREPARING || phase[c] == APPENDING)
#endif

#define MAY_OPEN(c) (phase[c] == DOWN && opened == (c))
#ifdef LIVENESS
/* For safety a crash is nothing to see: whoever has crashed takes no step any more. */
#undef MAY_OPEN
#define MAY_OPEN(c) (phase[c] == DOWN && opened == (c) && ((c) == 0 || phase[0] == CRASHED || phase[0] == POISONED))

inline forget_towards(c, p) {
  voted_yes[AT(c, p)] = false;
  owed[AT(c, p)] = 0;
  inquiry[AT(c, p)] = 0;
  held[AT(c, p)] = false;
  vote[AT(c, p)] = 0;
  result[AT(c, p)] = 0
}

inline crash_coordinator(c) {
  phase[c] = CRASHED;
  answer_lost[c] = false;
  forget_towards(c, A);
  forget_towards(c, B)
}
#endif

proctype Coordinator(byte c) {
end:
  do
  :: STEP { MAY_OPEN(c) -> open_log(c) }
#ifdef LOST_DECISION
  :: STEP { MAY_OPEN(c) && decision_record && !end_record -> decision_record = false; open_log(c) }
#endif
  :: STEP { request && HOLDS_LEASE(c) -> accept_commit(c) }
  /* Its owner was silent or lost, a vote didn't come, a participant was lost, the client or an operator said so. */
  :: STEP { HAS_NO_BRANCHES(c) -> tell(ABORT); phase[c] = RELEASED }
  :: STEP { MAY_ABORT(c) -> decide_abort(c) }
  /* One phase: no answer in time, or its participant was lost. An abort asks for the outcome. */
  :: STEP { phase[c] == HANDED_OVER && owed[AT(c, A)] == 0 -> answer_lost[c] = true; owe_abort(c, A) }
  :: STEP { IS_UP(c) && phase[c] != POISONED && written[c] -> log_answered(c) }
  :: STEP { c == 0 && IS_UP(c) && phase[c] != POISONED && IS_POSTED(c) && MAY_WRITE(c) -> log_failed(c) }
  :: STEP { IS_UP(c) && phase[c] != POISONED && IS_POSTED(c) && !MAY_WRITE(c) -> log_refused(c) }
#ifndef LOST_DECISION
  /* Anybody may ask. That the same is told again changes nothing. */
  :: STEP { IS_ISSUED(c) && IS_UP(c) && !IS_IN_MEMORY(c) && decision != LOOK_UP -> tell(LOOK_UP) }
#endif
#ifdef LIVENESS
  :: STEP { c == 0 && IS_UP(c) -> crash_coordinator(c) }
#endif
  od
}
