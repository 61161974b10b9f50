/** The lines of a transcript as events. */
import type { Event } from '../events.ts'
import type { BranchResult, Evidence, Verb, Vote } from '../messages.ts'
import type { BranchWork } from '../requests.ts'
import type { Run } from './transcript.ts'

type Words = readonly string[]

export function parseEvent(run: Run, word: string, rest: Words): Event {
  const options = optionsOf(rest)
  const words = rest.filter((other) => !/^[a-z]+=/.test(other))
  const [first = '', second = '', third = '', fourth = ''] = words
  switch (word) {
    case 'attach':
      return attach(run, first, options)
    case 'detach':
      return {
        type: 'link_closed',
        participant: first,
        link: run.links.get(first) ?? 0,
        reason: 'connection lost',
      }
    case 'execute':
      return { type: 'execute', replyTo: Number(first), request: request(words.slice(1), options) }
    case 'commit':
      return {
        type: 'commit',
        replyTo: Number(first),
        request: { ...request(words.slice(2), options), xid: run.xid(second) },
      }
    case 'begin':
      return { type: 'begin', replyTo: Number(first), request: { caller: options.caller ?? 'app' } }
    case 'abort':
      return {
        type: 'abort',
        replyTo: Number(first),
        request: { caller: options.caller ?? 'app', xid: run.xid(second) },
      }
    case 'get': {
      const caller = options.caller ?? 'app'
      const asked =
        options.id === undefined ? { caller, xid: run.xid(second) } : { caller, requestId: options.id }
      return { type: 'get', replyTo: Number(first), request: asked }
    }
    case 'resolve':
      return {
        type: 'resolve',
        replyTo: Number(first),
        xid: run.xid(second),
        decision: third as Verb,
        who: 'ops',
        why: 'asked to',
      }
    case 'vote':
      return message(
        run,
        first,
        { type: 'vote', xid: run.xid(second), vote: voteOf(third, options) },
        options,
      )
    case 'result':
      return message(
        run,
        first,
        {
          type: 'result',
          xid: run.xid(second),
          verb: third as Verb,
          result: fourth as BranchResult,
          message: options.message ?? '',
          evidence: (options.evidence ?? 'none') as Evidence,
        },
        options,
      )
    case 'evidence':
      return message(
        run,
        first,
        { type: 'evidence_answer', xid: run.xid(second), evidence: third as Evidence, message: '' },
        options,
      )
    case 'held':
      return message(
        run,
        first,
        {
          type: 'held',
          branches: words.slice(1).map((text) => ({ xid: run.xid(text), prepareTimeMs: 0 })),
          nextPageToken: options.next ?? '',
        },
        options,
      )
    case 'scanfailed':
      return message(run, first, { type: 'scan_failed', message: 'busy' }, options)
    case 'scan':
    case 'deliver':
      return { type: word, participant: first }
    case 'expired': {
      const [epoch = '', sequence = ''] = first.split('.')
      return { type: 'expired', through: { epochNumber: Number(epoch), sequence: Number(sequence) } }
    }
    case 'drain':
      return { type: 'drain' }
    case 'drainexpired':
      return { type: 'drain_expired' }
    default:
      throw new Error(`a transcript has no event "${word}"`)
  }
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
