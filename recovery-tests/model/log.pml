/*
 * The log of both epochs. What is posted becomes durable later, or never. Opening it raises the epoch; from then on
 * nothing that an older epoch has posted can be written.
 */

#define NOTHING 0
#define DECISION 1
#define ONE_PHASE_RECORD 2
#define END 3
#define ABORTED 4

/* On disk. Aborted records are kept of one-phase commits alone: others are presumed without them. */
byte opened;
bool decision_record, one_phase_record, end_record, aborted_record, heuristic_record;

/* Each coordinator's append under way, and whether it is on disk. */
byte posted[2];
bool written[2];

#ifdef UNDO_FENCE
#define MAY_WRITE(c) (opened >= EPOCH(c))
#else
#define MAY_WRITE(c) (opened == EPOCH(c))
#endif

#define IS_POSTED(c) (posted[c] != NOTHING && !written[c])

inline write_posted(c) {
  if
  :: posted[c] == DECISION -> decision_record = true; decision_is_durable()
  :: posted[c] == ONE_PHASE_RECORD -> one_phase_record = true
  :: posted[c] == END -> end_record = true
  :: posted[c] == ABORTED -> aborted_record = true
  fi;
  written[c] = true
}

proctype Log() {
end:
  do
  :: STEP { IS_POSTED(0) && MAY_WRITE(0) -> write_posted(0) }
  :: STEP { IS_POSTED(1) && MAY_WRITE(1) -> write_posted(1) }
  od
}
