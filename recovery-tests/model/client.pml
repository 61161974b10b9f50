/* The client: it begins, works, asks for the commit; or stops anywhere. */

/* Each branch is worked on once. */
bool worked[2];

inline begin(c, how) {
  kind = how;
  issuer = c;
  phase[c] = ACTIVE
}

/* By its own connection to the database. The witness is a part of the branch: one that stands there refuses it. */
inline work(p) {
  worked[p] = true;
  if
  :: witness[p] == 0 -> working[p] = OWNER
  :: else
  fi
}

#define MAY_BEGIN(c) (kind == NOT_BEGUN && phase[c] == IDLE)
/* Of an early pledge the commit is asked for once both branches are prepared. */
#define MAY_ASK (kind != NOT_BEGUN && !request && (kind != EARLY || (pledged[A] && pledged[B])))

proctype Client() {
end:
  do
  :: STEP { MAY_BEGIN(0) -> begin(0, EXECUTED) }
  :: STEP { MAY_BEGIN(0) -> begin(0, EARLY) }
  :: STEP { MAY_BEGIN(0) -> begin(0, ONE_PHASE) }
  :: STEP { MAY_BEGIN(1) -> begin(1, EXECUTED) }
  :: STEP { MAY_BEGIN(1) -> begin(1, EARLY) }
  :: STEP { MAY_BEGIN(1) -> begin(1, ONE_PHASE) }
  :: STEP { kind == EARLY && !worked[A] -> work(A) }
  :: STEP { kind == EARLY && !worked[B] -> work(B) }
  :: STEP { MAY_ASK -> request = true }
  od
}
