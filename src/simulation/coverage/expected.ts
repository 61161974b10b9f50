/**
 * What there is to be reached, and what of it can't be, with the reason. Whatever else the histories reach (an event in
 * a state of recovery that does nothing with it) is shown, and not asked for.
 */
import { ABORT_CAUSES } from '../../protocol/records.ts'
import type { PhaseOrNone } from './observed-step.ts'

const PHASES = [
  'none',
  'active',
  'preparing',
  'appending',
  'resolving',
  'handing_over',
  'handed_over',
  'committing',
  'aborting',
  'ended',
] as const satisfies readonly PhaseOrNone[]

/** Each of them in each phase of the transaction that it is about. */
const EVENTS_OF_A_TRANSACTION = [
  ['commit', 'abort', 'get', 'enlist', 'application done', 'application unknown'],
  ['vote yes', 'vote no', 'vote read_only', 'vote committed'],
  ['commit done', 'commit done_before', 'commit broken', 'commit unknown'],
  ['abort done', 'abort done_before', 'abort broken', 'abort unknown'],
  ['evidence no_witness', 'evidence none', 'evidence witness_aborted', 'evidence witness_committed'],
  ['decision durable', 'decision not written', 'one_phase durable', 'one_phase not written'],
  ['end durable', 'end not written'],
  ['order to commit', 'order to abort', 'order retry_transaction'],
  ['order acknowledge_transaction', 'order forget_branch'],
  ['record found for answer', 'nothing found for answer'],
  ['record found for held', 'nothing found for held'],
  ['record found for sweep', 'nothing found for sweep'],
].flat()

const OTHER_EVENTS = [
  ['execute', 'begin', 'get', 'replayed', 'tick', 'drain', 'drain_expired', 'expired'],
  ['scan', 'look', 'deliver', 'held, a page', 'held, the last page', 'scan_failed'],
  ['session_opened', 'session_closed', 'lease'],
  ['link_opened', 'link_closed', 'admission refused: superseded', 'admission refused'],
  ['participant durable', 'participant not written', 'heuristic durable', 'heuristic not written'],
  ['operator durable', 'operator not written', 'audit durable', 'audit not written'],
  ['superseded durable', 'superseded not written'],
  ['order pause_participant', 'order resume_participant'],
  ['record found for execute', 'record found for commit', 'record found for get'],
  ['nothing found for execute', 'nothing found for commit', 'nothing found for get'],
].flat()

const CHANGES_OF_PHASE = [
  ['none -> active', 'none -> preparing', 'none -> handing_over', 'none -> ended'],
  ['active -> preparing', 'active -> handing_over', 'active -> resolving', 'active -> ended'],
  ['active -> appending', 'active -> aborting'],
  ['preparing -> appending', 'preparing -> aborting', 'preparing -> resolving', 'preparing -> ended'],
  ['appending -> committing', 'appending -> ended', 'resolving -> aborting', 'resolving -> ended'],
  ['handing_over -> handed_over', 'handed_over -> appending', 'handed_over -> aborting'],
  ['handed_over -> ended', 'committing -> ended', 'aborting -> ended', 'ended -> none'],
].flat()

const EFFECTS = [
  ...['prepare', 'commit', 'abort', 'evidence_question', 'forget', 'list_prepared'].map(
    (type) => `send ${type}`,
  ),
  ...['pending', 'committed', 'aborted', 'unknown'].map((outcome) => `reply ${outcome}`),
  ...['carried_out', 'dismiss', 'find_request', 'find_transaction', 'forget'].map((type) => `effect ${type}`),
  ...['look_failed', 'looked', 'recovery', 'welcome', 'enlisted', 'leased', 'end_session'].map(
    (type) => `effect ${type}`,
  ),
]

const RECORDS = [
  ['decision', 'one_phase', 'end', 'aborted', 'heuristic', 'participant', 'operator', 'superseded'],
  ['acknowledgement', 'branch_forgotten', 'pause', 'audit'],
].flat()

const REFUSALS = [
  ['APPEND_UNDER_WAY', 'DEADLINE_PASSED', 'DRAINING', 'DUPLICATE_PARTICIPANT', 'EPOCH_SUPERSEDED'],
  ['FOREIGN_XID', 'INVALID_REQUEST', 'LIMIT_REACHED', 'LOG_UNWRITABLE', 'MALFORMED_XID', 'NO_BRANCHES'],
  ['NO_HEURISTIC', 'NOT_OWNER', 'PARTICIPANT_NOT_FOUND', 'REQUEST_ID_REUSED', 'REQUEST_NOT_FOUND'],
  ['REQUEST_TOO_OLD', 'TOO_MANY_BRANCHES', 'TRANSACTION_DECIDED', 'TRANSACTION_UNDECIDED'],
  ['UNAVAILABLE', 'UNKNOWN_PARTICIPANT', 'WORK_TOO_LARGE', 'XID_NOT_FOUND'],
  ['PARTICIPANT_PAUSED', 'XID_NOT_LEASED'],
].flat()

/** What the recovery machine does something with. */
const RECOVERY: Readonly<Record<string, readonly string[]>> = {
  reconnecting: ['link_up', 'link_down', 'dial_failed', 'impostor', 'paused'],
  away: ['link_up', 'link_down', 'timer', 'retry', 'impostor', 'paused'],
  scanning: ['link_up', 'link_down', 'scanned', 'scan_failed', 'paused'],
  delivering: ['link_up', 'link_down', 'settled', 'owed', 'delivery_failed', 'paused'],
  settled: ['link_up', 'link_down', 'timer', 'retry', 'owed', 'delivery_failed', 'paused', 'session_broken'],
  backing_off: ['link_up', 'link_down', 'timer', 'retry', 'paused'],
  quarantined: ['link_up', 'link_down', 'timer', 'retry', 'paused'],
  paused: ['link_down', 'resumed', 'paused'],
}

export const EXPECTED: readonly string[] = [
  ...EVENTS_OF_A_TRANSACTION.flatMap((name) => PHASES.map((phase) => `event ${name} @ ${phase}`)),
  ...OTHER_EVENTS.map((name) => `event ${name}`),
  ...CHANGES_OF_PHASE.map((change) => `phase ${change}`),
  ...EFFECTS,
  ...RECORDS.map((type) => `record ${type}`),
  ...ABORT_CAUSES.map((cause) => `cause ${cause}`),
  ...REFUSALS.map((code) => `refuse ${code}`),
  ...Object.entries(RECOVERY).flatMap(([state, events]) =>
    events.map((event) => `recovery ${event} @ ${state}`),
  ),
]

/** In the first that matches, why it can't be reached, or so seldom that nobody should wait for it. */
const UNREACHED: readonly (readonly [RegExp, string])[] = [
  [
    /^event decision .* @ (?!appending$)/,
    'while the decision is written nothing else moves its transaction (R1)',
  ],
  [
    /^event one_phase .* @ (?!handing_over$)/,
    'while the record is written nothing else moves its transaction (R17)',
  ],
  [/^event end .* @ (?!ended$)/, 'an ended transaction stays until its last record is durable'],
  [/^event (vote|commit|abort) \S+ @ active$/, 'nothing has been sent yet'],
  [/^event (vote|commit|abort) \S+ @ handing_over$/, 'nothing is sent before the record is durable (R17)'],
  [/^event vote committed @ /, 'only an only branch may vote so, and only its vote ends the waiting (R17)'],
  [/^event commit (done|done_before|broken) @ handed_over$/, 'what was handed over is told no commit'],
  [/^event commit \S+ @ (preparing|appending|resolving|aborting)$/, 'a commit is sent once it is decided'],
  [/^event abort \S+ @ (preparing|appending|resolving|committing)$/, 'an abort is sent once it is decided'],
  [
    /^event application \S+ @ (handing_over|handed_over)$/,
    'what is handed over has one branch, and its participant prepares it (R17)',
  ],
  [
    /^event application unknown @ (active|preparing|appending|resolving)$/,
    'an application says so of what is decided',
  ],
  [/^event evidence \S+ @ (?!none$)/, 'witnesses are asked of what is in no memory'],
  [
    /^event \S+ found for (answer|sweep) @ (?!none$)/,
    'only what is in no memory is looked up, and nothing comes back',
  ],
  [
    /^event \S+ found for held @ (?!none$|ended$)/,
    'only what has ended is looked up, and nothing comes back',
  ],
  [/^event admission refused$/, 'the modelled participants refuse for one reason: an older epoch'],
  [
    /^refuse (DEADLINE_PASSED|DUPLICATE_PARTICIPANT|NO_BRANCHES|REQUEST_ID_REUSED|TOO_MANY_BRANCHES|WORK_TOO_LARGE)$/,
    'the modelled applications ask for nothing absurd; transcripts/refusals.txt does',
  ],
  [/^refuse (PARTICIPANT_NOT_FOUND|UNAVAILABLE|XID_NOT_FOUND)$/, 'the modelled people name what they see'],
  [/^recovery link_down @ quarantined$/, 'an impostor is shown out before there is a link'],
  [/^event order to \S+ @ none$/, 'the modelled operators decide what they see in memory'],
  // Reached now and then, in a hundred thousand histories, and not to be waited for in fewer.
  [
    /^event get @ (preparing|appending|resolving|handing_over)$/,
    'seldom: applications ask for what they were answered of, and by then it is decided',
  ],
  [/^event commit @ (appending|handing_over)$/, 'seldom: a repeated commit meets the write of the first'],
  [
    /^event commit broken @ (none|ended)$/,
    'seldom: a branch that was given up comes back, and was ended by hand',
  ],
  [
    /^event record found for held @ ended$/,
    'seldom: the last record is written while the log is asked for it',
  ],
  [/^event nothing found for sweep @ none$/, 'seldom: what broke a pledge was presumed aborted'],
  [/^event (superseded|heuristic) not written$/, 'seldom: the disk fails in that very moment'],
  [
    /^event vote \S+ @ (appending|resolving|committing|ended)$/,
    'seldom: an operator decides before the vote is there',
  ],
  [
    /^event (enlist|application done) @ (preparing|appending|resolving|handing_over|handed_over|committing)$/,
    'seldom: only who says it of a branch of another session says it then',
  ],
  [
    /^recovery link_up @ backing_off$/,
    'seldom: a link is replaced before its end was noticed, in that state',
  ],
  [
    /^recovery (paused|retry) @ quarantined$/,
    'seldom: an operator turns to a participant that has an impostor',
  ],
]

export function reasonFor(what: string): string | undefined {
  return UNREACHED.find(([pattern]) => pattern.test(what))?.[1]
}
