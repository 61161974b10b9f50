/* Whether everything ends (I5). */

/* The newest coordinator has nothing left to do, nobody is in doubt or at work, and whoever asked was told. */
#define SETTLED ( \
  opened > 0 && (phase[opened - 1] == IDLE || phase[opened - 1] == RELEASED) && \
  owed[AT(opened - 1, A)] == 0 && owed[AT(opened - 1, B)] == 0 && \
  !prepared[A] && !prepared[B] && IS_FREE(A) && IS_FREE(B) && \
  (!request || decision != 0))

#define DIFFER (ended[A] != 0 && ended[B] != 0 && ended[A] != ended[B])

#ifdef LIVENESS
ltl I5_every_transaction_ends { <> [] SETTLED }
#else
bool I5_nothing_is_left_in_doubt = true;

/* Where nobody can take a step any more. */
proctype Onlooker() {
end:
  timeout ->
#if defined(LOST_DECISION) || defined(PERSON)
  I1_a_difference_is_reported = (!DIFFER || heuristic_record);
  assert(I1_a_difference_is_reported)
#else
  I5_nothing_is_left_in_doubt = SETTLED;
  assert(I5_nothing_is_left_in_doubt)
#endif
}
#endif
