/**
 * What a process of Pledged has just done, and is about to do, at each crash point; and what becomes of the transaction
 * under way where every process dies at that moment. The documentation is generated from it, and recovery-tests/crash-points
 * holds it to its word.
 */
import type { CrashPoint } from './crash-points.ts'

/** either: what the log says when it is opened again. undefined: no transaction need be under way. */
export type Fate = 'committed' | 'aborted' | 'either' | undefined

export interface CrashPlace {
  readonly done: string
  readonly next: string
  readonly fate: Fate
}

export const CRASH_POINT_PLACES: Readonly<Record<CrashPoint, CrashPlace>> = {
  'coordinator.opening.fenced': {
    done: 'the new epoch is in the WAL, behind whatever the last opening had left there',
    next: 'the checkpoint that makes sure of both',
    fate: undefined,
  },
  'coordinator.opening.checked': {
    done: 'the checkpoint was complete, epoch and tail read back, the open mark is set',
    next: 'the replay',
    fate: undefined,
  },
  'coordinator.opening.replayed': {
    done: 'what is undelivered is known again',
    next: 'participants and clients are let in',
    fate: undefined,
  },
  'coordinator.scan.sent': {
    done: 'a participant that has attached was asked what it holds prepared',
    next: 'its answer',
    fate: undefined,
  },
  'coordinator.held.received': {
    done: 'a participant has said what it holds prepared',
    next: 'the decided are delivered, the undecided asked for in the log',
    fate: undefined,
  },
  'coordinator.prepare.before-send': {
    done: 'the request is in and has its xid; nothing is on any disk',
    next: 'the prepares go out',
    fate: 'aborted',
  },
  'coordinator.prepare.after-send': {
    done: 'the prepares are out, to one participant or to all',
    next: 'the votes',
    fate: 'aborted',
  },
  'coordinator.vote.received': {
    done: 'a vote is in; its branch is prepared',
    next: 'the other votes, or the decision',
    fate: 'aborted',
  },
  'coordinator.append.before-post': {
    done: 'every branch has voted yes',
    next: 'the decision record goes to the log',
    fate: 'aborted',
  },
  'coordinator.append.posted': {
    done: 'the decision record was given to the thread of the log',
    next: 'its forced write; nothing can abort any more (R1)',
    fate: 'either',
  },
  'coordinator.append.durable': {
    done: 'the decision is on disk, and nobody knows',
    next: 'the answer and the deliveries',
    fate: 'committed',
  },
  'coordinator.answer.sent': {
    done: 'the client was told "committed"',
    next: 'the rest of phase two',
    fate: 'committed',
  },
  'coordinator.delivery.before-send': {
    done: 'the decision is on disk, the deliveries are made up',
    next: 'they go out',
    fate: 'committed',
  },
  'coordinator.delivery.after-send': {
    done: 'a delivery is out',
    next: 'the acknowledgements',
    fate: 'committed',
  },
  'coordinator.acknowledgement.received': {
    done: 'a branch has acknowledged its commit',
    next: 'the other branches, or the end',
    fate: 'committed',
  },
  'coordinator.abort.before-send': {
    done: 'an abort was decided after a no vote, or is presumed of a branch that no record speaks of',
    next: 'it goes to those who may hold the branch',
    fate: 'aborted',
  },
  'coordinator.abort.after-send': {
    done: 'an abort is out',
    next: 'its acknowledgement',
    fate: 'aborted',
  },
  'coordinator.operator.posted': {
    done: "an operator's record was given to the thread of the log: here a commit of what nobody had decided",
    next: 'its forced write (R15)',
    fate: 'either',
  },
  'coordinator.operator.durable': {
    done: "an operator's record is on disk: here a commit of what nobody had decided",
    next: 'the operator is answered, and what was asked for is done',
    fate: 'committed',
  },
  'coordinator.enlist.received': {
    done: 'an application has named a branch that it is going to prepare itself; nothing is on any disk',
    next: 'it is told that it may',
    fate: 'aborted',
  },
  'coordinator.commit.received': {
    done: 'an application has prepared its branches and asks to commit them',
    next: 'the decision record goes to the log',
    fate: 'aborted',
  },
  'coordinator.ending.received': {
    done: 'an application says that it has ended a branch as was decided',
    next: 'the acknowledgement is counted',
    fate: 'either',
  },
  'coordinator.session.closed': {
    done: "an application's session has ended",
    next: 'what it had not asked to commit aborts, and what it had left behind is delivered',
    fate: undefined,
  },
  'coordinator.end.posted': {
    done: 'every branch has acknowledged; the end record was given to the thread of the log',
    next: 'its write, which nobody waits for',
    fate: undefined,
  },
  'coordinator.end.durable': {
    done: 'the end record is on disk',
    next: 'the witnesses are swept (R5)',
    fate: undefined,
  },
  'participant.prepare.received': {
    done: 'a prepare is in',
    next: 'the work, and its forced write',
    fate: 'aborted',
  },
  'participant.vote.before-send': {
    done: 'the pledge is on disk',
    next: 'the vote goes out',
    fate: 'aborted',
  },
  'participant.vote.after-send': {
    done: 'the vote is out',
    next: 'the decision',
    fate: 'either',
  },
  'participant.decision.received': {
    done: 'a commit is in',
    next: 'it is applied',
    fate: 'committed',
  },
  'participant.decision.applied': {
    done: 'the commit is applied and on disk, with its witness',
    next: 'the acknowledgement goes out',
    fate: 'committed',
  },
  'participant.acknowledgement.sent': {
    done: 'the acknowledgement is out',
    next: 'nothing, until the sweep of the witness',
    fate: undefined,
  },
  'participant.abort.applied': {
    done: 'the abort is applied and on disk, with its witness',
    next: 'its acknowledgement goes out',
    fate: 'aborted',
  },
  'participant.witness.swept': {
    done: 'the witness of an ended transaction is gone, lazily',
    next: 'nothing',
    fate: undefined,
  },
  'application.execute.sent': {
    done: 'the request is out, under its name',
    next: 'the answer',
    fate: 'either',
  },
  'application.execute.answered': {
    done: 'the answer is in',
    next: 'whatever the application does with it',
    fate: undefined,
  },
  'application.branch.enlisted': {
    done: 'a branch on a connection of the application is known to the coordinator',
    next: 'the rest of its work, and its prepare',
    fate: 'aborted',
  },
  'application.prepare.before': {
    done: 'the work is done, on the connections of the application; every branch is enlisted',
    next: 'all of them are prepared there',
    fate: 'aborted',
  },
  'application.prepare.after': {
    done: 'the application has prepared a branch on its connection',
    next: 'the other branches, or the commit goes out',
    fate: 'aborted',
  },
  'application.commit.sent': {
    done: 'every branch is prepared, and the commit is out; the application rolls nothing back any more (R1)',
    next: 'the answer',
    fate: 'either',
  },
  'application.commit.answered': {
    done: 'the commit was answered "committed"',
    next: 'the application commits on its connections',
    fate: 'committed',
  },
  'application.branch.committed': {
    done: 'the application has committed a branch on its connection',
    next: 'the other branches, and the acknowledgements, lazily',
    fate: 'committed',
  },
  'application.branches.ended': {
    done: 'every branch has committed on its connection, or is left to the coordinator',
    next: 'the acknowledgements leave',
    fate: 'committed',
  },
}
