/** The lines of a transcript as events. */
import type { Event } from '../events.ts'
import type { BranchResult, Evidence, Verb, Vote } from '../messages.ts'
import type { OperatorRequest } from '../operators/index.ts'
import type { BranchWork, PreparedBranch } from '../requests.ts'
import type { Run } from './transcript.ts'

type Words = readonly string[]

interface Line {
  readonly run: Run
  readonly words: Words
  readonly options: Record<string, string>
}

export function parseEvent(run: Run, word: string, rest: Words): Event {
  const parse = { ...REQUESTS, ...SESSIONS, ...OPERATORS, ...PARTICIPANTS, ...TIME }[word]
  if (parse === undefined) throw new Error(`a transcript has no event "${word}"`)
  return parse({ run, words: rest.filter((other) => !/^[a-z]+=/.test(other)), options: optionsOf(rest) })
}

type Parsers = Readonly<Record<string, (line: Line) => Event>>

const REQUESTS: Parsers = {
  execute: ({ words, options }) => ({
    type: 'execute',
    replyTo: Number(words[0]),
    request: request(words.slice(1), options),
  }),
  commit: ({ run, words: [replyTo, xid = '', ...participants], options }) => ({
    type: 'commit',
    replyTo: Number(replyTo),
    request: {
      ...request(participants, options),
      xid: run.xid(xid),
      session: sessionOf(options),
      preparedBranches: (options.prepared?.split(',') ?? []).map((name) => prepared(name, options)),
    },
  }),
  begin: ({ words, options }) => ({
    type: 'begin',
    replyTo: Number(words[0]),
    request: { caller: options['caller'] ?? 'app' },
  }),
  abort: ({ run, words: [replyTo, xid = ''], options }) => ({
    type: 'abort',
    replyTo: Number(replyTo),
    request: { caller: options['caller'] ?? 'app', xid: run.xid(xid), session: sessionOf(options) },
  }),
  get: ({ run, words: [replyTo, xid = ''], options }) => {
    const caller = options['caller'] ?? 'app'
    const requestId = options['id']
    const asked =
      requestId === undefined
        ? { caller, xid: run.xid(xid), anyOwner: options['operator'] === 'yes' }
        : { caller, requestId }
    return { type: 'get', replyTo: Number(replyTo), request: asked }
  },
}

/** `enlist REPLY SESSION XID PARTICIPANT connection=C`. */
const SESSIONS: Parsers = {
  session: ({ words: [session], options }) => ({
    type: 'session_opened',
    session: Number(session),
    caller: options.caller ?? 'app',
    clientId: options.client ?? '',
    leaseSize: Number(options.lease ?? 2),
  }),
  hangup: ({ words: [session] }) => ({
    type: 'session_closed',
    session: Number(session),
    reason: 'connection lost',
  }),
  lease: ({ words: [session, count] }) => ({ type: 'lease', session: Number(session), count: Number(count) }),
  enlist: ({ run, words: [replyTo, session, xid = '', participant = ''], options }) => ({
    type: 'enlist',
    replyTo: Number(replyTo),
    request: { session: Number(session), xid: run.xid(xid), branch: prepared(participant, options) },
  }),
  ended: ({ run, words: [session, xid = '', participant = '', result] }) => ({
    type: 'ended_by_application',
    session: Number(session),
    ending: { xid: run.xid(xid), participant, result: result === 'done' ? 'done' : 'unknown' },
  }),
}

/** As it was enlisted, and as the commit names it: `read-only` ones by `readonly=`. */
function prepared(participant: string, options: Record<string, string>): PreparedBranch {
  return {
    participant,
    resourceId: options.resource ?? `${participant}-db`,
    connectionId: options.connection ?? 'c1',
    readOnly: options.readonly?.split(',').includes(participant) === true,
  }
}

/** Undefined: not over a session. */
function sessionOf(options: Record<string, string>): number | undefined {
  return options.session === undefined ? undefined : Number(options.session)
}

const OPERATORS: Parsers = {
  resolve: (line) =>
    operator(line, (xid, [decision]) => ({ action: 'resolve_transaction', xid, decision: decision as Verb })),
  retry: (line) => operator(line, (xid) => ({ action: 'retry_transaction', xid })),
  acknowledge: (line) => operator(line, (xid) => ({ action: 'acknowledge_transaction', xid })),
  'forget-branch': (line) =>
    operator(line, (xid, [participant = '', decision]) => ({
      action: 'forget_branch',
      xid,
      participant,
      decision: decision as Verb | undefined,
    })),
  pause: (line) =>
    operator(line, (_xid, _rest, name) => ({ action: 'pause_participant', participant: name })),
  resume: (line) =>
    operator(line, (_xid, _rest, name) => ({ action: 'resume_participant', participant: name })),
}

/** `resolve 2 1 abort dry=yes`: the caller's number, the xid (or the name), and the rest. */
function operator(
  { run, words: [replyTo, named = '', ...rest], options }: Line,
  requestOf: (xid: string, rest: Words, name: string) => OperatorRequest,
): Event {
  return {
    type: 'operator',
    replyTo: Number(replyTo),
    who: 'ops',
    why: 'asked to',
    dryRun: options['dry'] === 'yes',
    request: requestOf(run.xid(named), rest, named),
  }
}

const PARTICIPANTS: Parsers = {
  attach: ({ run, words: [name = ''], options }) => attach(run, name, options),
  detach: ({ run, words: [name = ''] }) => ({
    type: 'link_closed',
    participant: name,
    link: run.links.get(name) ?? 0,
    reason: 'connection lost',
  }),
  vote: ({ run, words: [name = '', xid = '', vote = ''], options }) =>
    message(run, name, { type: 'vote', xid: run.xid(xid), vote: voteOf(vote, options) }, options),
  result: ({ run, words: [name = '', xid = '', verb, result], options }) =>
    message(
      run,
      name,
      {
        type: 'result',
        xid: run.xid(xid),
        verb: verb as Verb,
        result: result as BranchResult,
        message: options['message'] ?? '',
        evidence: (options['evidence'] ?? 'none') as Evidence,
      },
      options,
    ),
  evidence: ({ run, words: [name = '', xid = '', evidence], options }) =>
    message(
      run,
      name,
      { type: 'evidence_answer', xid: run.xid(xid), evidence: evidence as Evidence, message: '' },
      options,
    ),
  held: ({ run, words: [name = '', ...xids], options }) => {
    const branches = xids.map((text) => ({ xid: run.xid(text), prepareTimeMs: 0 }))
    return message(run, name, { type: 'held', branches, nextPageToken: options['next'] ?? '' }, options)
  },
  scanfailed: ({ run, words: [name = ''], options }) =>
    message(run, name, { type: 'scan_failed', message: 'busy' }, options),
  refuse: ({ run, words: [name = '', why], options }) =>
    message(
      run,
      name,
      { type: 'admission_refused', superseded: why === 'superseded', message: 'it has seen epoch 9-zzzz' },
      options,
    ),
  scan: ({ words: [participant = ''] }) => ({ type: 'scan', participant }),
  look: ({ words: [participant = ''] }) => ({ type: 'look', participant }),
  deliver: ({ words: [participant = ''] }) => ({ type: 'deliver', participant }),
}

const TIME: Parsers = {
  expired: ({ words: [place = ''] }) => {
    const [epochNumber = 0, sequence = 0] = place.split('.').map(Number)
    return { type: 'expired', through: { epochNumber, sequence } }
  },
  drain: () => ({ type: 'drain' }),
  drainexpired: () => ({ type: 'drain_expired' }),
}

function attach(run: Run, name: string, options: Record<string, string>): Event {
  const link = run.nextLink
  run.nextLink += 1
  if (options.keep !== 'old') run.links.set(name, link)
  return {
    type: 'link_opened',
    link,
    identity: {
      name,
      kind: 'test',
      instanceId: `i${link}`,
      resourceId: options.resource ?? `${name}-db`,
      keepsWitnesses: options.witnesses !== 'no',
      onePhase: options.onephase === 'yes',
    },
  }
}

function message(
  run: Run,
  participant: string,
  sent: Extract<Event, { type: 'message' }>['message'],
  options: Record<string, string>,
): Event {
  const link = options.link === undefined ? (run.links.get(participant) ?? 0) : Number(options.link)
  return { type: 'message', participant, link, message: sent }
}

function request(participants: Words, options: Record<string, string>) {
  const work = options.work ?? 'w'
  const branches: BranchWork[] = participants.map((participant) => ({
    participant,
    work: new TextEncoder().encode(work),
  }))
  return {
    caller: options.caller ?? 'app',
    branches,
    digest: options.id === undefined ? '' : `${participants.join(',')}:${work}`,
    name:
      options.id === undefined
        ? undefined
        : {
            requestId: options.id,
            attempt: Number(options.attempt ?? 1),
            firstSentTimeMs:
              options.sent === undefined ? undefined : 1_700_000_000_000 + Number(options.sent),
          },
    waitFor: options.wait === 'completion' ? ('completion' as const) : ('decision' as const),
    deadlineInMs: options.deadline === undefined ? undefined : Number(options.deadline),
    prepareTimeoutMs: options.timeout === undefined ? undefined : Number(options.timeout),
  }
}

function voteOf(text: string, options: Record<string, string>): Vote {
  switch (text) {
    case 'yes':
      return { vote: 'yes', pledgeTtlMs: options.ttl === undefined ? undefined : Number(options.ttl) }
    case 'no':
      return { vote: 'no', message: options.reason ?? 'it can not', retryable: options.retryable === 'yes' }
    case 'read_only':
      return { vote: 'read_only' }
    case 'committed':
      return { vote: 'committed' }
    default:
      throw new Error(`a transcript has no vote "${text}"`)
  }
}

function optionsOf(words: Words): Record<string, string> {
  const options: Record<string, string> = {}
  for (const word of words) {
    const match = /^([a-z]+)=(.*)$/.exec(word)
    if (match !== null) options[match[1] ?? ''] = match[2] ?? ''
  }
  return options
}
