/**
 * Scenarios of the core as texts: a line that begins with `>` is an event, the lines below it are the effects.
 * `#` begins a comment. The runner plays the shell's part: it holds the posted appends until the transcript says
 * `> durable` or `> fails`, and the lookups until `> found`. An xid is written EPOCH.SEQUENCE.
 *
 * Run the tests with UPDATE_TRANSCRIPTS=1 to write what the core does now; then read the diff.
 */
import { PledgedError } from '../../base/errors.ts'
import type { Epoch, LogId, Xid, XidPosition } from '../../base/ids.ts'
import { compareXids, tryParseXid } from '../../base/ids.ts'
import type { Limits } from '../../base/limits.ts'
import { defaultLimits } from '../../base/limits.ts'
import type { AppendEffect, Effect } from '../effects.ts'
import type { Event } from '../events.ts'
import { nameOf } from '../lookup.ts'
import type {
  AbortedRecord,
  DecisionRecord,
  HeuristicRecord,
  KeptTransaction,
  LogRecord,
  OnePhaseRecord,
  ParticipantRecord,
  Restoration,
} from '../records.ts'
import { replay } from '../replay.ts'
import type { ProtocolState } from '../state.ts'
import { step } from '../step.ts'
import { formatEffect } from './format-effect.ts'
import { parseEvent } from './parse-event.ts'

/** The log's, and that of the log that a backup of it is restored to. */
const LOG_ID = 'k3f9qa7m2xw4' as LogId
const RESTORED_LOG_ID = 'r7e5t0redz0g' as LogId
const EPOCHS = ['1-aaaa', '2-bbbb', '3-cccc', '4-dddd'] as Epoch[]

const transcriptLimits: Limits = {
  ...defaultLimits,
  prepareTimeoutMs: 1_000,
  idleTimeoutMs: 5_000,
  pledgeMarginMs: 200,
  deliveryTimeoutMs: 1_000,
  scanTimeoutMs: 1_000,
  orphanGraceMs: 2_000,
  retentionMs: 60_000,
  workBytesMax: 16,
  branchesPerTransactionMax: 3,
  transactionsInFlightMax: 4,
}

/** The text with the effects that the core gives now. */
export function playTranscript(text: string): string {
  const run = new Run()
  const output: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('> ')) output.push(line, ...run.play(line.slice(2)))
    else if (line.startsWith('#') || line === '') output.push(line)
  }
  return `${output.join('\n').trimEnd()}\n`
}

export class Run {
  state: ProtocolState
  readonly durable: LogRecord[] = []
  readonly posted: AppendEffect[] = []
  readonly lookups: Extract<Effect, { type: 'find_request' | 'find_transaction' }>[] = []
  readonly links = new Map<string, number>()
  epochIndex = 0
  nextLink = 1
  nowMs = 0
  /** The wall clock is ahead of the monotonic one by this much. */
  wallAheadMs = 0
  forgottenThrough: XidPosition | undefined
  restored: Restoration | undefined
  /** What the log had opened before it was restored. */
  epochsInherited = 0

  constructor() {
    this.state = this.#open()
  }

  /** Carries out one line and answers with the effects as text. */
  play(line: string): string[] {
    const [word = '', ...rest] = line.split(' ')
    switch (word) {
      case 'durable':
        return this.#answerAppend(rest[0] === 'all' ? this.posted.length : 1)
      case 'fails':
        return this.#failAppends()
      case 'found':
        return this.#found()
      case 'restart':
        return this.#restart()
      case 'restore':
        return this.#restore()
      case 'sleep':
        this.wallAheadMs += Number(rest[0])
        return []
      case 'wait':
        this.nowMs += Number(rest[0])
        return this.#step({ type: 'tick' })
      default:
        return this.#step(parseEvent(this, word, rest))
    }
  }

  /** `1042` of the present epoch, `1.1042` of another, or a full xid. */
  xid(text: string): Xid {
    if (/^\d+$/.test(text)) return `${this.#logId}.${EPOCHS[this.epochIndex]}.${text}` as Xid
    const [epoch = '', sequence = ''] = text.split('.')
    if (!/^\d+\.\d+$/.test(text)) return text as Xid
    const logId = Number(epoch) <= this.epochsInherited ? LOG_ID : this.#logId
    return `${logId}.${EPOCHS[Number(epoch) - 1]}.${sequence}` as Xid
  }

  get #logId(): LogId {
    return this.restored === undefined ? LOG_ID : RESTORED_LOG_ID
  }

  #open(): ProtocolState {
    const ended = new Set(this.durable.filter((record) => record.type === 'end').map((record) => record.xid))
    const decisions = this.durable.filter((record): record is DecisionRecord => record.type === 'decision')
    const acknowledged = new Set<string>()
    const concluded = new Set<string>()
    for (const record of this.durable) {
      if (record.type === 'decision' || record.type === 'aborted') concluded.add(record.xid)
      if (record.type === 'acknowledgement') acknowledged.add(record.xid)
    }
    return replay(
      {
        logId: this.#logId,
        epoch: EPOCHS[this.epochIndex] as Epoch,
        epochs: EPOCHS.slice(this.epochsInherited, this.epochIndex + 1),
        restored: this.restored,
        forgottenThrough: this.forgottenThrough,
        handedOver: this.durable.filter(
          (record): record is OnePhaseRecord =>
            record.type === 'one_phase' &&
            !concluded.has(record.xid) &&
            tryParseXid(record.xid)?.logId === this.#logId,
        ),
        superseded: this.durable.find((record) => record.type === 'superseded'),
        unended: decisions.filter((record) => !ended.has(record.xid)),
        heuristics: this.durable.filter(
          (record): record is HeuristicRecord => record.type === 'heuristic' && !acknowledged.has(record.xid),
        ),
        branchesForgotten: this.durable.filter((record) => record.type === 'branch_forgotten'),
        pauses: this.durable.filter((record) => record.type === 'pause').filter(({ paused }) => paused),
        audit: this.durable.filter((record) => record.type === 'audit'),
        participants: this.durable.filter(
          (record): record is ParticipantRecord => record.type === 'participant',
        ),
        keepsRequests: this.durable.some((record) => 'request' in record && record.request !== undefined),
      },
      transcriptLimits,
    )
  }

  #restart(): string[] {
    this.posted.length = 0
    this.lookups.length = 0
    this.links.clear()
    this.epochIndex += 1
    this.state = this.#open()
    return this.#step({ type: 'replayed' })
  }

  /** The log is lost, and a backup of it, as it is now, is restored. */
  #restore(): string[] {
    this.restored = { logIds: [LOG_ID], timeMs: this.#wallMs }
    this.epochsInherited = this.epochIndex + 1
    return this.#restart()
  }

  get #wallMs(): number {
    return 1_700_000_000_000 + this.nowMs + this.wallAheadMs
  }

  #step(event: Event): string[] {
    const now = { monotonicMs: this.nowMs, wallMs: this.#wallMs }
    return step(this.state, now, event).flatMap((effect) => this.#take(effect))
  }

  #take(effect: Effect): string[] {
    if (effect.type === 'append') this.posted.push(effect)
    if (effect.type === 'find_request' || effect.type === 'find_transaction') this.lookups.push(effect)
    if (effect.type === 'forget') this.#forget(effect.through)
    return formatEffect(effect)
  }

  #forget(through: XidPosition): void {
    this.forgottenThrough = through
    const stays = this.durable.filter((record) => {
      const parts = 'xid' in record ? tryParseXid(record.xid) : undefined
      return parts === undefined || compareXids(parts, through) > 0
    })
    this.durable.splice(0, this.durable.length, ...stays)
  }

  #answerAppend(count: number): string[] {
    const output: string[] = []
    for (const effect of this.posted.splice(0, count)) {
      this.durable.push(...effect.records)
      output.push(...this.#step({ type: 'appended', token: effect.token }))
      for (const send of effect.then) output.push(...this.#take(send))
    }
    return output
  }

  #failAppends(): string[] {
    const failure = new PledgedError('LOG_UNWRITABLE', 'the disk is full')
    return this.posted.splice(0).flatMap(({ token }) => this.#step({ type: 'append_failed', token, failure }))
  }

  #found(): string[] {
    const lookup = this.lookups.shift()
    if (lookup === undefined) throw new Error('nothing is being looked up')
    if (lookup.type === 'find_transaction') {
      const { xid, purpose } = lookup
      return this.#step({ type: 'transaction_found', xid, purpose, kept: this.#kept(xid) })
    }
    const { caller } = lookup.asked.request
    const requestId = nameOf(lookup.asked)
    const kept = this.durable.flatMap((record) => {
      if (record.type !== 'decision' && record.type !== 'aborted') return []
      const named = record.request?.caller === caller && record.request.requestId === requestId
      return named ? [this.#kept(record.xid)].filter((found) => found !== undefined) : []
    })
    return this.#step({ type: 'request_found', asked: lookup.asked, kept })
  }

  #kept(xid: Xid): KeptTransaction | undefined {
    const of = this.durable.filter((record) => 'xid' in record && record.xid === xid)
    const record = of.find(
      (other): other is DecisionRecord | AbortedRecord =>
        other.type === 'decision' || other.type === 'aborted',
    )
    if (record === undefined) return undefined
    return {
      record,
      end: of.find((other) => other.type === 'end'),
      heuristics: of.filter((other) => other.type === 'heuristic'),
      acknowledgements: of.filter((other) => other.type === 'acknowledgement'),
      branchesForgotten: of.filter((other) => other.type === 'branch_forgotten'),
    }
  }
}
