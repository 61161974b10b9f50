/**
 * What the cases work with: fresh xids and work, the participant's verbs, and a record of what may be held prepared
 * because of them, so that each case leaves nothing to the next.
 */
import { status as STATUS } from '@grpc/grpc-js'
import { type Epoch, formatXid, type LogId } from '../../base/ids.ts'
import type { Evidence, Verb } from '../../protocol/messages.ts'
import type { HeldBranch } from '../../wire/generated/pledged/v1/branch.ts'
import { ParticipantServiceService as service } from '../../wire/generated/pledged/v1/participant_service.ts'
import { evidence as evidences, toDuration } from '../../wire/index.ts'
import {
  type CallError,
  callErrorOf,
  type EndingSeen,
  endingOf,
  isLost,
  showVote,
  type VoteSeen,
  voteOf,
} from './answers.ts'
import type { Answer, AskOptions, Caller } from './caller.ts'
import { Gone, NotApplicable, Violation } from './finding.ts'
import { retryUntil, sleep } from './patience.ts'
import type { ParticipantFacts } from './report.ts'
import type { Works } from './works.ts'

/** A branch as the coordinator names it. The hostile cases use other branches than the suite's. */
export interface BranchName {
  readonly xid: string
  readonly branch: string
}

export interface PrepareOptions extends AskOptions {
  readonly branch?: string | undefined
  /** Half the call's by default: who waits for a lock until the prepare's timeout still has time to vote no. */
  readonly prepareTimeoutMs?: number | undefined
  readonly onePhase?: boolean | undefined
}

export interface BenchOptions {
  readonly caller: Caller
  readonly works: Works
  readonly logId: LogId
  readonly epoch: Epoch
  readonly branch: string
  readonly timeoutMs: number
  /** How often the cases that race repeat themselves. */
  readonly rounds: number
  readonly restart: (() => Promise<void>) | undefined
}

const PLEDGE_TRIES = 5
const RETRY_MS = 50
/** A resource that holds as many as it can may let the next wait for a place. */
const FULL_AFTER_MS = 2_000
/** More pages than that, for what a suite prepares, is a scan without an end. */
const PAGES_MAX = 10_000

export class Bench {
  readonly caller: Caller
  readonly works: Works
  readonly branch: string
  readonly rounds: number
  readonly timeoutMs: number
  readonly restart: (() => Promise<void>) | undefined
  /** Set once the participant has described itself. */
  facts: ParticipantFacts | undefined
  /** The first case of the epochs has seen that older ones are refused. */
  keepsEpochs = false
  readonly #identity: { readonly logId: LogId; readonly epoch: Epoch }
  readonly #mayHold = new Map<string, BranchName>()
  readonly #remarks: string[] = []
  #sequence = 0

  constructor(options: BenchOptions) {
    this.caller = options.caller
    this.works = options.works
    this.branch = options.branch
    this.rounds = options.rounds
    this.timeoutMs = options.timeoutMs
    this.restart = options.restart
    this.#identity = { logId: options.logId, epoch: options.epoch }
  }

  get keepsWitnesses(): boolean {
    return this.facts?.keepsWitnesses === true
  }

  newXid(): string {
    this.#sequence += 1
    return formatXid({ ...this.#identity, sequence: this.#sequence })
  }

  /** Every xid of this run so far. */
  get xids(): readonly string[] {
    return Array.from({ length: this.#sequence }, (_, index) =>
      formatXid({ ...this.#identity, sequence: index + 1 }),
    )
  }

  /** Allowed, but it costs something. */
  remark(text: string): void {
    this.#remarks.push(text)
  }

  takeRemarks(): readonly string[] {
    return this.#remarks.splice(0)
  }

  /** Whatever is answered, and also where nothing is. */
  async tryPrepare(xid: string, work: Uint8Array, options: PrepareOptions = {}): Promise<VoteSeen> {
    const { branch = this.branch, prepareTimeoutMs = this.timeoutMs / 2, onePhase = false } = options
    this.#mayHold.set(`${xid}\n${branch}`, { xid, branch })
    const timeout = toDuration(prepareTimeoutMs)
    return voteOf(
      await this.caller.ask(service.prepareBranch, { xid, branch, work, timeout, onePhase }, options),
    )
  }

  async prepare(xid: string, work: Uint8Array, options: PrepareOptions = {}): Promise<VoteSeen> {
    const seen = await this.tryPrepare(xid, work, options)
    requireAnswer('PrepareBranch', seen.error, this.timeoutMs)
    return seen
  }

  async tryEnd(verb: Verb, xid: string, options: AskOptions & { branch?: string } = {}): Promise<EndingSeen> {
    const { branch = this.branch } = options
    const request = { xid, branch }
    const answer = await this.caller.ask(
      verb === 'commit' ? service.commitBranch : service.abortBranch,
      request,
      options,
    )
    const seen = endingOf(answer)
    if (seen.result !== 'unknown') this.#mayHold.delete(`${xid}\n${branch}`)
    return seen
  }

  async end(verb: Verb, xid: string): Promise<EndingSeen> {
    const seen = await this.tryEnd(verb, xid)
    requireAnswer(verb === 'commit' ? 'CommitBranch' : 'AbortBranch', seen.error, this.timeoutMs)
    return seen
  }

  /** As a coordinator does it: again and again while the result is unknown, for the time of one call. */
  async finish(verb: Verb, xid: string): Promise<EndingSeen> {
    return await retryUntil(
      () => this.tryEnd(verb, xid),
      ({ result }) => result !== 'unknown',
      this.timeoutMs,
    )
  }

  /** The xid of a fresh branch that is held prepared. */
  async pledge(options: PrepareOptions & { readonly work?: Uint8Array } = {}): Promise<string> {
    for (let tries = 1; ; tries += 1) {
      const xid = this.newXid()
      const seen = await this.prepare(xid, options.work ?? this.works.next(), options)
      if (seen.vote === 'yes') return xid
      if (!seen.retryable || tries === PLEDGE_TRIES) {
        throw new NotApplicable(`no yes vote to go on with: it answered ${showVote(seen)}; see vote-yes`)
      }
      await sleep(RETRY_MS * tries)
    }
  }

  /** At most `wanted` branches that are held at once. Fewer where the resource is exclusive. */
  async pledgeSeveral(wanted: number): Promise<readonly string[]> {
    const held = [await this.pledge()]
    while (held.length < wanted) {
      const xid = this.newXid()
      const prepareTimeoutMs = Math.min(FULL_AFTER_MS, this.timeoutMs / 2)
      const { vote } = await this.prepare(xid, this.works.next(), { prepareTimeoutMs })
      if (vote !== 'yes') return held
      held.push(xid)
    }
    return held
  }

  async page(
    pageSize: number,
    pageToken: string,
  ): Promise<Answer<{ branches: readonly HeldBranch[]; nextPageToken: string }>> {
    return await this.caller.ask(service.listPreparedBranches, { pageSize, pageToken })
  }

  /** Whether it answers at all, if only with an error. */
  async isThere(): Promise<boolean> {
    const answer = await this.page(1, '')
    return answer.ok || !isLost(callErrorOf(answer))
  }

  /** After something that could have ended it, or made its list unreadable. */
  async requireServing(when: string): Promise<void> {
    const answer = await this.page(1, '')
    if (answer.ok) return
    const error = callErrorOf(answer)
    const seen = `${when} the list was answered ${error.text}`
    throw isLost(error) ? new Gone(seen) : new Violation(seen)
  }

  /** All pages. A scan that fails, or has no end, is a violation of its own. */
  async scan(pageSize = 0): Promise<readonly HeldBranch[]> {
    const branches: HeldBranch[] = []
    let pageToken = ''
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const answer = await this.page(pageSize, pageToken)
      if (!answer.ok) refuseScan(answer, this.timeoutMs)
      branches.push(...answer.value.branches)
      if (answer.value.nextPageToken === '') return branches
      pageToken = answer.value.nextPageToken
    }
    throw new Violation(
      `ListPreparedBranches with page_size ${pageSize} still had a next page after ${PAGES_MAX}`,
      'Let next_page_token be empty on the last page, and let each token go on after the one before.',
    )
  }

  async held(): Promise<ReadonlySet<string>> {
    const branches = await this.scan()
    return new Set(branches.map(({ xid }) => xid))
  }

  async evidence(xid: string): Promise<Evidence> {
    const answer = await this.caller.ask(service.getBranchEvidence, { xid, branch: this.branch })
    if (answer.ok) return evidences.fromProto(answer.value.evidence)
    const error = callErrorOf(answer)
    requireAnswer('GetBranchEvidence', error, this.timeoutMs)
    throw new Violation(`GetBranchEvidence answered the error ${error.text}`)
  }

  async forget(xids: readonly string[]): Promise<void> {
    const request = { xids: [...xids], branch: this.branch }
    const answer = await this.caller.ask(service.forgetBranches, request)
    if (answer.ok) return
    const error = callErrorOf(answer)
    requireAnswer('ForgetBranches', error, this.timeoutMs)
    throw new Violation(`ForgetBranches answered the error ${error.text}`)
  }

  /** Ends what the cases so far may have left prepared. Answers with what is left nevertheless. */
  async settle(): Promise<readonly string[]> {
    const left = [...this.#mayHold.values()]
    await Promise.all(left.map(({ xid, branch }) => this.tryEnd('abort', xid, { branch })))
    return [...this.#mayHold.values()].map(({ xid }) => xid)
  }

  /** Kills the participant and starts it again; what it holds must come back by itself. */
  async crash(): Promise<void> {
    if (this.restart === undefined) throw new NotApplicable('no restart command was given')
    const broken = this.caller.watchConnection()
    await this.restart()
    if (!(await broken(RESTART_NOTICED_MS))) {
      throw new Violation(
        'the restart command ended well, and the connection to the participant stood all the while',
        'Let the restart command kill the process that serves this address (kill -9) and start it again.',
      )
    }
    await this.caller.reconnect()
  }
}

const RESTART_NOTICED_MS = 2_000

/** Whoever doesn't answer is gone, or hangs. */
export function requireAnswer(call: string, error: CallError | undefined, timeoutMs: number): void {
  if (error !== undefined && isLost(error)) throw new Gone(`${call} got no answer: ${error.text}`)
  if (error?.code === STATUS.DEADLINE_EXCEEDED) {
    throw new Violation(`${call} was not answered within ${timeoutMs} ms`)
  }
}

function refuseScan(answer: { readonly code: STATUS; readonly details: string }, timeoutMs: number): never {
  const error = callErrorOf(answer)
  requireAnswer('ListPreparedBranches', error, timeoutMs)
  throw new Violation(
    `ListPreparedBranches answered the error ${error.text}`,
    'Serve ListPreparedBranches: without it a coordinator that comes back from a crash finds nothing to end.',
  )
}
