/*
 * A participant: work that is volatile, a pledge that isn't, and the witness of how the branch ended. It listens to the
 * newest coordinator that it has met, and to no older one (R11). What it began for an older one goes on.
 */

#define NOBODY 0
#define COORDINATOR 1
#define OWNER 2

#define YES 1
#define NO 2
#define COMMITTED 3

#define COMMIT_DONE 1
#define COMMIT_BROKEN 2
#define ABORT_DONE 3
#define ABORT_BROKEN 4

/* Durable. */
bool prepared[2];
byte witness[2];
byte met[2];
/* Volatile: on whose behalf work is being done, and the vote that waits to be sent. */
byte working[2], vote_due[2];

/* On their way to a participant. */
bool to_prepare[4], to_commit[4], to_abort[4], to_forget[2];
/* On their way to a coordinator. */
byte vote[4], result[4];

#ifdef PREPARE_TWICE
bool again[2];
#endif

#ifdef UNDO_R11
#define LISTENS(c, p) (met[p] != 0)
#else
#define LISTENS(c, p) (met[p] == EPOCH(c))
#endif

/* A prepare's own transaction writes the witness: one that stands there refuses it (R4). */
inline take_prepare(c, p) {
#ifdef PREPARE_TWICE
  to_prepare[AT(c, p)] = !again[p];
  again[p] = true;
#else
  to_prepare[AT(c, p)] = false;
#endif
  if
  :: witness[p] == 0 && !prepared[p] -> working[p] = COORDINATOR
  :: else -> vote[AT(c, p)] = NO
  fi
}

inline pledge(p) {
  if
  :: kind == ONE_PHASE ->
    witness[p] = COMMIT;
    decide(COMMIT);
    branch_commits(p);
    vote_due[p] = COMMITTED
  :: else ->
    prepared[p] = true;
    pledged[p] = true;
    vote_due[p] = (working[p] == COORDINATOR -> YES : 0)
  fi;
  working[p] = NOBODY
}

/* What nobody waits for would be dropped on its arrival. */
inline answer(c, p, what) {
  result[AT(c, p)] = (owed[AT(c, p)] != 0 -> what : 0)
}

/* R3 and R4 as a table: what is prepared first, then the witness. */
inline take_commit(c, p) {
  to_commit[AT(c, p)] = false;
  if
  :: prepared[p] ->
    prepared[p] = false;
    witness[p] = COMMIT;
    branch_commits(p);
    answer(c, p, COMMIT_DONE)
  :: !prepared[p] && witness[p] == COMMIT -> answer(c, p, COMMIT_DONE)
  :: !prepared[p] && witness[p] != COMMIT -> answer(c, p, COMMIT_BROKEN)
  fi
}

inline take_abort(c, p) {
  to_abort[AT(c, p)] = false;
  if
  :: prepared[p] ->
    prepared[p] = false;
    witness[p] = ABORT;
    branch_aborts(p);
    answer(c, p, ABORT_DONE)
  :: !prepared[p] && witness[p] == COMMIT -> answer(c, p, ABORT_BROKEN)
  :: !prepared[p] && witness[p] == ABORT -> answer(c, p, ABORT_DONE)
  :: !prepared[p] && witness[p] == 0 ->
#ifndef UNDO_R4_BAR
    witness[p] = ABORT;
#endif
    answer(c, p, ABORT_DONE)
  fi
}

inline take_forget(p) {
  to_forget[p] = false;
  if
  :: !prepared[p] -> witness[p] = 0
  :: else
  fi
}

/* The vote goes by the link that is there now, whoever asked for it. */
inline send_vote(p) {
  vote[AT(met[p] - 1, p)] = vote_due[p];
  vote_due[p] = 0
}

#define IS_FREE(p) (working[p] == NOBODY)

proctype Participant(byte p) {
end:
  do
  :: STEP { to_prepare[AT(0, p)] && LISTENS(0, p) && IS_FREE(p) -> take_prepare(0, p) }
  :: STEP { to_prepare[AT(1, p)] && LISTENS(1, p) && IS_FREE(p) -> take_prepare(1, p) }
  :: STEP { working[p] != NOBODY -> pledge(p) }
  /* The work fails. */
  :: STEP { working[p] == COORDINATOR -> working[p] = NOBODY; vote_due[p] = NO }
  :: STEP { working[p] == OWNER -> working[p] = NOBODY }
  :: STEP { vote_due[p] != 0 -> send_vote(p) }
  /* A crash: what is volatile is gone. What is on its way to the participant may arrive at the next one. */
  :: STEP { working[p] != NOBODY || vote_due[p] != 0 -> working[p] = NOBODY; vote_due[p] = 0 }
  /* An end waits for a writer that lives. */
  :: STEP { to_commit[AT(0, p)] && LISTENS(0, p) && IS_FREE(p) -> take_commit(0, p) }
  :: STEP { to_commit[AT(1, p)] && LISTENS(1, p) && IS_FREE(p) -> take_commit(1, p) }
  :: STEP { to_abort[AT(0, p)] && LISTENS(0, p) && IS_FREE(p) -> take_abort(0, p) }
  :: STEP { to_abort[AT(1, p)] && LISTENS(1, p) && IS_FREE(p) -> take_abort(1, p) }
  :: STEP { to_forget[p] && IS_FREE(p) -> take_forget(p) }
  od
}

#ifdef PERSON
/* Once, in psql: COMMIT PREPARED or ROLLBACK PREPARED. The witness that a branch has written commits with it. */
proctype Person() {
  byte p;
end:
  if
  :: prepared[A] -> p = A
  :: prepared[B] -> p = B
  fi;
end_of_thinking:
  if
  :: STEP { prepared[p] -> prepared[p] = false; witness[p] = COMMIT; ended[p] = COMMIT }
  :: STEP { prepared[p] -> prepared[p] = false; ended[p] = ABORT }
  fi
}
#endif
