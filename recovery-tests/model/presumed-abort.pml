/*
 * Pledged's protocol as a model for spin: presumed abort, one transaction, two participants, two epochs of one log.
 * docs/model.md maps these names to the code's, says what is left out, and shows how to run it.
 *
 * Whatever can be late is: a message is a flag that is raised by its sender, and taken down by its receiver at any
 * later time, or never. Steps are atomic; between any two of them anybody may stop for good.
 *
 *   invariants.pml    what is asserted, and what only an onlooker knows
 *   log.pml           the log: what is posted, what is durable, who may write
 *   participant.pml   work, pledge, witness
 *   coordinator.pml   one epoch's coordinator: leases, the decision, the answers
 *   delivery.pml      what it says to one participant, and what it makes of the answers
 *   client.pml        who begins, works, and asks
 *   onlooker.pml      whether everything ends
 *
 * Switches (spin -D...):
 *
 *   LIVENESS          the smaller model for I5: a new epoch only after a crash, a message lost
 *   LOST_DECISION     the log may lose a decision that it had answered
 *   PERSON            somebody ends a prepared branch by hand
 *   PREPARE_TWICE     a prepare may arrive a second time
 *   SHOW_WITNESSES    a scan also shows witnesses that nobody has swept; proposed, not built
 *   ONLY_I1           a break of I2 or I3 is passed over, to see it in the databases
 *   UNDO_...          one rule is taken away. Each must be found.
 *   STEP=d_step       a step counts as one: shorter trails. Without it spin reports what was never reached within one.
 */

#ifndef STEP
#define STEP atomic
#endif

#define A 0
#define B 1
#define OTHER(p) (1 - (p))
/* Coordinator c's place for what it has to do with participant p. */
#define AT(c, p) ((c) * 2 + (p))
#define EPOCH(c) ((c) + 1)

/* How the transaction came to be. */
#define NOT_BEGUN 0
#define EXECUTED 1 /* its work travels with the prepares */
#define EARLY 2 /* its owner prepares both branches itself: an early pledge */
#define ONE_PHASE 3 /* one branch, at A, which commits by itself (R17) */

/* A decision, a verb, an end, and what a witness says. 0: none of them. */
#define COMMIT 1
#define ABORT 2

byte kind = NOT_BEGUN;
/* The coordinator that has issued the xid. */
byte issuer;
/* The decision that a coordinator has to tell a participant, until it is acknowledged. */
byte owed[4];

#include "invariants.pml"
#include "log.pml"
#include "participant.pml"
#include "coordinator.pml"
#include "delivery.pml"
#include "client.pml"
#include "onlooker.pml"

init {
  atomic {
    run Log();
    run Coordinator(0);
    run Coordinator(1);
    run Delivery(0, A);
    run Delivery(0, B);
    run Delivery(1, A);
    run Delivery(1, B);
    run Participant(A);
    run Participant(B);
    run Client();
#ifndef LIVENESS
    run Onlooker();
#endif
#ifdef PERSON
    run Person();
#endif
  }
}
