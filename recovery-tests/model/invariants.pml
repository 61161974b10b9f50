/*
 * What must never break: I1 to I3. The name of an invariant is what spin prints. They are judged by an onlooker who
 * sees everything at once; nobody else acts on what only the onlooker remembers.
 */

/* How each branch has ended, as its database shows it. */
byte ended[2];
/* It has been prepared: its owner, or its coordinator, could be told so. */
bool pledged[2];
/* The first decision that anybody acted on, or told. */
byte decision;

bool I1_branches_end_alike = true;
bool I1_a_branch_commits_once = true;
bool I1_a_difference_is_reported = true;
bool I1_what_is_reported_is_so = true;
bool I2_commit_needs_every_vote = true;
bool I2_disk_before_network = true;
bool I3_a_decision_never_changes = true;

#if defined(LOST_DECISION) || defined(PERSON)
/* Where a log loses what it answered, or a person breaks a pledge, only this is left: not in silence (I1). */
#define check(name, holds) skip
#else
#define check(name, holds) name = (holds); assert(name)
#endif
/* To see what becomes of the databases where I2 or I3 was broken before. */
#ifdef ONLY_I1
#define check_I2_I3(name, holds) skip
#else
#define check_I2_I3(name, holds) check(name, holds)
#endif

inline branch_commits(p) {
  check(I1_a_branch_commits_once, ended[p] != COMMIT);
  check(I1_branches_end_alike, ended[OTHER(p)] != ABORT);
  check_I2_I3(I2_commit_needs_every_vote, kind == ONE_PHASE || (pledged[A] && pledged[B]));
  check_I2_I3(I2_disk_before_network, kind == ONE_PHASE || decision_record);
  check_I2_I3(I3_a_decision_never_changes, decision == COMMIT);
  ended[p] = COMMIT
}

inline branch_aborts(p) {
  check(I1_branches_end_alike, ended[A] != COMMIT && ended[B] != COMMIT);
  ended[p] = ABORT
}

inline decide(what) {
  check_I2_I3(I3_a_decision_never_changes, decision == 0 || decision == what);
  decision = what
}

/* The record of a commit is on disk. From here it is decided, whoever knows of it. */
inline decision_is_durable() {
  check_I2_I3(I2_commit_needs_every_vote, pledged[A] && pledged[B] && ended[A] != ABORT && ended[B] != ABORT);
  decide(COMMIT)
}

/* To a client, or anybody who asks. What is told binds as if it were done. Unknown is not told here: it binds nobody. */
inline tell(what) {
  check_I2_I3(I2_disk_before_network, what == ABORT || decision_record || kind == ONE_PHASE);
  decide(what)
}

/* A heuristic, recorded until a person acknowledges it. */
inline report() {
  heuristic_record = true;
  check(I1_what_is_reported_is_so, false)
}
