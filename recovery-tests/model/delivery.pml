/*
 * What a coordinator says to one participant, and what it makes of the answers: votes, phase two, scans, and the
 * question that is asked before anything is presumed aborted (R4).
 */

#define ASKED 1
#define SAID_COMMITTED 2
#define SAID_OTHER 3

/* What an older coordinator has sent is refused from now on. */
inline meet(c, p) {
  met[p] = EPOCH(c);
#ifndef UNDO_R11
  if
  :: c == 1 -> to_prepare[AT(0, p)] = false; to_commit[AT(0, p)] = false; to_abort[AT(0, p)] = false
  :: else
  fi
#endif
}

#ifdef UNDO_VOTES
#define IS_LAST_VOTE(c, p) true
#else
#define IS_LAST_VOTE(c, p) voted_yes[AT(c, OTHER(p))]
#endif

inline take_yes(c, p) {
  voted_yes[AT(c, p)] = true;
  if
  :: IS_LAST_VOTE(c, p) -> post_decision(c)
  :: else
  fi
}

/* The one that voted no has nothing to be told. */
inline take_no(c, p) {
  decide_abort(c);
  owed[AT(c, p)] = 0;
  to_abort[AT(c, p)] = false
}

inline receive_vote(c, p) {
  if
  :: phase[c] == PREPARING && vote[AT(c, p)] == YES -> take_yes(c, p)
  :: phase[c] == PREPARING && vote[AT(c, p)] == NO -> take_no(c, p)
  :: phase[c] == HANDED_OVER && vote[AT(c, p)] == COMMITTED -> one_phase_ended(c, COMMIT, END)
  :: phase[c] == HANDED_OVER && vote[AT(c, p)] == NO && owed[AT(c, p)] == 0 -> one_phase_ended(c, ABORT, ABORTED)
  :: phase[c] == ABORTING && vote[AT(c, p)] == YES -> owe_abort(c, p)
  :: !IS_IN_MEMORY(c) && vote[AT(c, p)] == YES -> held[AT(c, p)] = true
  :: else
  fi;
  vote[AT(c, p)] = 0
}

/* What a scan under way has shown of it is out of date. */
inline settle(c, p) {
  owed[AT(c, p)] = 0;
  held[AT(c, p)] = false
}

inline commit_acknowledged(c, p) {
  settle(c, p);
  if
  :: phase[c] == COMMITTING && owed[AT(c, OTHER(p))] == 0 -> phase[c] = ENDED; posted[c] = END
  :: else
  fi
}

inline abort_acknowledged(c, p) {
  settle(c, p);
  if
  :: phase[c] == ABORTING && owed[AT(c, OTHER(p))] == 0 -> phase[c] = RELEASED; sweep()
  :: !IS_IN_MEMORY(c) -> to_forget[p] = true
  :: else
  fi
}

#define WAS_TOLD(c, p, verb) (phase[c] != HANDED_OVER && owed[AT(c, p)] == verb)
#define WAS_ASKED(c, p) (phase[c] == HANDED_OVER && owed[AT(c, p)] == ABORT)

/* It has ended against the decision. */
#define IS_BROKEN(c, p) ( \
  (WAS_TOLD(c, p, COMMIT) && result[AT(c, p)] == COMMIT_BROKEN) || \
  (WAS_TOLD(c, p, ABORT) && result[AT(c, p)] == ABORT_BROKEN))

inline receive_result(c, p) {
  if
  :: WAS_TOLD(c, p, COMMIT) && result[AT(c, p)] == COMMIT_DONE -> commit_acknowledged(c, p)
  :: WAS_TOLD(c, p, ABORT) && result[AT(c, p)] == ABORT_DONE -> abort_acknowledged(c, p)
  :: WAS_ASKED(c, p) && result[AT(c, p)] == ABORT_DONE -> one_phase_ended(c, ABORT, ABORTED)
  :: WAS_ASKED(c, p) && result[AT(c, p)] == ABORT_BROKEN -> one_phase_ended(c, COMMIT, END)
  :: else
  fi;
  result[AT(c, p)] = 0
}

#if defined(LOST_DECISION) || defined(PERSON)
/* The end of a broken branch is an end, too. */
inline receive_broken(c, p) {
  report();
  if
  :: owed[AT(c, p)] == COMMIT -> commit_acknowledged(c, p)
  :: else -> abort_acknowledged(c, p)
  fi;
  result[AT(c, p)] = 0
}
#else
inline receive_broken(c, p) {
  report()
}
#endif

#define WOULD_ACT_ON(c, p) (owed[AT(c, p)] == 0 && !IS_IN_MEMORY(c) && !heuristic_record)

inline classify_held(c, p) {
  held[AT(c, p)] = false;
  if
  :: !WOULD_ACT_ON(c, p)
  :: WOULD_ACT_ON(c, p) && !decision_record -> inquiry[AT(c, p)] = ASKED
  :: WOULD_ACT_ON(c, p) && decision_record -> owe_commit(c, p)
  fi
}

inline presume(c, p) {
  inquiry[AT(c, p)] = 0;
  decide(ABORT);
  owe_abort(c, p)
}

/* I6: what this log has issued, and no other. */
#ifdef UNDO_I6
#define MAY_PRESUME(c) (kind != NOT_BEGUN)
#else
#define MAY_PRESUME(c) IS_ISSUED(c)
#endif

/* R4: the other one is asked, unless it holds the branch as well. Where no answer comes, the log's word is enough after
   a grace, by I6; of a log that has lost its word only the question can tell. */
#define MAY_CONCLUDE(c, p) (inquiry[AT(c, p)] == ASKED || inquiry[AT(c, p)] == SAID_OTHER)
#ifdef LOST_DECISION
#undef MAY_CONCLUDE
#define MAY_CONCLUDE(c, p) \
  (inquiry[AT(c, p)] == SAID_OTHER || (inquiry[AT(c, p)] == ASKED && inquiry[AT(c, OTHER(p))] != 0))
#endif
#ifdef UNDO_R4_QUESTION
#undef MAY_CONCLUDE
#define MAY_CONCLUDE(c, p) (inquiry[AT(c, p)] != 0)
#endif

/* For safety what is owed may be sent again at any time; for liveness when it was lost. */
#define MAY_RESEND(c, p) LISTENS(c, p)
#ifdef LIVENESS
#undef MAY_RESEND
#define MAY_RESEND(c, p) (LISTENS(c, p) && result[AT(c, p)] == 0)
#define LOSSES_MAX 3
byte losses;
#define MAY_LOSE(message) (losses < LOSSES_MAX && message)
#endif

proctype Delivery(byte c; byte p) {
end:
  do
  :: STEP { IS_UP(c) && met[p] < EPOCH(c) -> meet(c, p) }
  :: STEP { IS_UP(c) && vote[AT(c, p)] != 0 -> receive_vote(c, p) }
  :: STEP { IS_UP(c) && result[AT(c, p)] != 0 && !IS_BROKEN(c, p) -> receive_result(c, p) }
  :: STEP { IS_UP(c) && result[AT(c, p)] != 0 && IS_BROKEN(c, p) -> receive_broken(c, p) }
#ifndef UNDO_RETRY
  :: STEP { owed[AT(c, p)] == COMMIT && !to_commit[AT(c, p)] && MAY_RESEND(c, p) -> to_commit[AT(c, p)] = true }
  :: STEP { owed[AT(c, p)] == ABORT && !to_abort[AT(c, p)] && MAY_RESEND(c, p) -> to_abort[AT(c, p)] = true }
#endif
#ifndef UNDO_SCAN
  :: STEP {
      IS_UP(c) && LISTENS(c, p) && MAY_PRESUME(c) && prepared[p] && !held[AT(c, p)] && inquiry[AT(c, p)] == 0 &&
      WOULD_ACT_ON(c, p) -> held[AT(c, p)] = true
    }
#endif
  :: STEP { IS_UP(c) && held[AT(c, p)] -> classify_held(c, p) }
  :: STEP { inquiry[AT(c, p)] == ASKED && LISTENS(c, OTHER(p)) && IS_FREE(OTHER(p)) ->
      inquiry[AT(c, p)] = (witness[OTHER(p)] == COMMIT -> SAID_COMMITTED : SAID_OTHER) }
  :: STEP { inquiry[AT(c, p)] != 0 && MAY_CONCLUDE(c, p) -> presume(c, p) }
#ifdef SHOW_WITNESSES
  /* A scan that also shows the witnesses that are left over: one without a decision was written by hand. */
  :: STEP { IS_UP(c) && LISTENS(c, p) && IS_ISSUED(c) && witness[p] == COMMIT && !IS_IN_MEMORY(c) && LOOK_UP == ABORT &&
      !heuristic_record -> report() }
#endif
  :: STEP { inquiry[AT(c, p)] == SAID_COMMITTED -> inquiry[AT(c, p)] = 0; report() }
#ifdef LIVENESS
  :: STEP { MAY_LOSE(to_prepare[AT(c, p)]) -> to_prepare[AT(c, p)] = false; losses++ }
  :: STEP { MAY_LOSE(to_commit[AT(c, p)]) -> to_commit[AT(c, p)] = false; losses++ }
  :: STEP { MAY_LOSE(to_abort[AT(c, p)]) -> to_abort[AT(c, p)] = false; losses++ }
  :: STEP { MAY_LOSE(vote[AT(c, p)]) -> vote[AT(c, p)] = 0; losses++ }
  :: STEP { MAY_LOSE(result[AT(c, p)]) -> result[AT(c, p)] = 0; losses++ }
#endif
  od
}
