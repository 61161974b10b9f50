/**
 * For tests: a coordinator and branches that do what a test has written down, in a time that only passes when nothing else
 * can happen. Everything that reaches them is in one journal, in order.
 */
import { expect } from 'vitest'
import type { CrashPoint } from '../../../base/crash-points.ts'
import { type ErrorCode, PledgedError } from '../../../base/errors.ts'
import type { Xid } from '../../../base/ids.ts'
import type { Clock, Timers } from '../../../base/ports.ts'
import type {
  ApplicationEnding,
  CommitRequest,
  GetRequest,
  PreparedBranch,
  TransactionView,
} from '../../../protocol/requests.ts'
import type { SessionAnswer } from '../../../protocol/session-messages.ts'
import type { Transaction, TransactionOptions } from '../coordinator.ts'
import type { Scope } from '../scope.ts'
import type { BegunTransaction, Sessions } from '../session/sessions.ts'
import type { Try } from '../try.ts'
import type { BranchContext, BranchOpening, OpenBranch } from './branch.ts'
import type { TransactionPorts } from './ports.ts'
import { Transactions } from './transactions.ts'

export class VirtualTime implements Clock, Timers {
  #nowMs = 0
  readonly #waiting = new Map<() => void, number>()

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs
  }

  after(delayMs: number, fire: () => void): () => void {
    const once = (): void => fire()
    this.#waiting.set(once, this.#nowMs + delayMs)
    return () => this.#waiting.delete(once)
  }

  soon(run: () => void): void {
    setImmediate(run)
  }

  /** How many timers were left behind. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Lets time pass until `promise` has settled. Fails where nothing is left that could make it. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false
    const note = (): void => {
      settled = true
    }
    promise.then(note, note)
    for (;;) {
      await turns()
      if (settled) return promise
      if (!this.#fireNext()) throw new Error('nothing is left to wait for, and it has not settled')
    }
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    await turns()
  }

  #fireNext(): boolean {
    let next: [() => void, number] | undefined
    for (const entry of this.#waiting) if (next === undefined || entry[1] < next[1]) next = entry
    if (next === undefined) return false
    this.#waiting.delete(next[0])
    this.#nowMs = Math.max(this.#nowMs, next[1])
    next[0]()
    return true
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await new Promise<void>((resolve) => void setImmediate(resolve))
}

export type Verdict = Try<Partial<SessionAnswer>>

export const lostSent: Try<never> = { end: 'lost', error: pledged('UNAVAILABLE'), sent: true }
export const lostUnsent: Try<never> = { end: 'lost', error: pledged('UNAVAILABLE'), sent: false }

export function answered(outcome: SessionAnswer['outcome'], more: Partial<SessionAnswer> = {}): Verdict {
  return { end: 'answered', response: { outcome, ...more } }
}

export function refused(code: ErrorCode): Try<never> {
  return { end: 'refused', error: pledged(code) }
}

function pledged(code: ErrorCode): PledgedError {
  return new PledgedError(code, `scripted ${code}`)
}

/** One answer each, in turn; the last is repeated. A function is asked each time. */
export type Script<Step> = readonly Step[]

export interface SessionsScript {
  readonly begins?: Script<Try<void>>
  readonly enlists?: Script<Try<void> | Promise<Try<void>>>
  readonly commits?: Script<Verdict | 'hangs'>
  readonly aborts?: Script<Verdict | 'hangs'>
  readonly gets?: Script<Try<Partial<TransactionView>>>
}

export class ScriptedSessions implements Sessions {
  readonly journal: string[]
  readonly requests: CommitRequest[] = []
  /** By participant, how long the journal was when its enlist was answered. */
  readonly enlistedAt = new Map<string, number>()
  readonly begun: { readonly xid: Xid; readonly loss: AbortController }[] = []
  readonly #script: SessionsScript
  readonly #used = new Map<string, number>()

  constructor(journal: string[], script: SessionsScript) {
    this.journal = journal
    this.#script = script
  }

  /** As the session does when it ends. */
  lose(): void {
    this.journal.push('session lost')
    for (const { loss } of this.begun) loss.abort()
  }

  async begin(scope: Scope): Promise<Try<BegunTransaction>> {
    await Promise.resolve()
    if (scope.over) return lostUnsent
    const tried = this.#next('begins', this.#script.begins, { end: 'answered', response: undefined })
    if (tried.end !== 'answered') return tried
    const xid = `k3f9qa7m2xw4.7-q3f9.${this.begun.length + 1}` as Xid
    const loss = new AbortController()
    this.begun.push({ xid, loss })
    const enlist = async (branch: PreparedBranch): Promise<Try<void>> => {
      this.journal.push(`enlist ${branch.participant}`)
      const tried = await this.#next('enlists', this.#script.enlists, {
        end: 'answered',
        response: undefined,
      })
      if (tried.end === 'answered') this.enlistedAt.set(branch.participant, this.journal.length)
      return tried
    }
    const acknowledge = ({ participant, result, xid: of }: ApplicationEnding): void => {
      this.journal.push(`acknowledge ${participant} ${result}${of === xid ? '' : ' of another'}`)
    }
    return { end: 'answered', response: { xid, lost: loss.signal, enlist, acknowledge } }
  }

  async commit(request: CommitRequest, scope: Scope): Promise<Try<SessionAnswer>> {
    this.requests.push(request)
    this.journal.push('commit asked')
    const tried = await this.#verdict('commits', this.#script.commits, request.xid, scope)
    this.journal.push(`commit ${toldBy(tried, request.xid)}`)
    return tried
  }

  async abort(xid: string, scope: Scope): Promise<Try<SessionAnswer>> {
    this.journal.push('abort asked')
    const tried = await this.#verdict('aborts', this.#script.aborts ?? [answered('aborted')], xid, scope)
    this.journal.push(`abort ${toldBy(tried, xid)}`)
    return tried
  }

  async get(request: GetRequest): Promise<Try<TransactionView>> {
    this.journal.push('get asked')
    const tried = this.#next('gets', this.#script.gets, refused('REQUEST_NOT_FOUND'))
    if (tried.end !== 'answered') return tried
    const response = viewOf('xid' in request ? request.xid : 'k3f9qa7m2xw4.7-q3f9.77', tried.response)
    if ('xid' in request) this.journal.push(`get ${response.outcome}`)
    return { end: 'answered', response }
  }

  execute(): Promise<Try<SessionAnswer>> {
    return Promise.resolve(refused('NOT_IMPLEMENTED'))
  }

  close(): void {}

  async #verdict(
    verb: string,
    script: Script<Verdict | 'hangs'> | undefined,
    xid: string,
    scope: Scope,
  ): Promise<Try<SessionAnswer>> {
    const tried = this.#next(verb, script, answered('committed'))
    if (tried === 'hangs') {
      const over = Promise.withResolvers<void>()
      scope.onOver(over.resolve)
      await over.promise
      return lostSent
    }
    if (tried.end !== 'answered') return tried
    return { end: 'answered', response: viewOf(xid, tried.response) }
  }

  #next<Step>(verb: string, script: Script<Step> | undefined, fallback: Step): Step {
    const used = this.#used.get(verb) ?? 0
    this.#used.set(verb, used + 1)
    return script?.[Math.min(used, script.length - 1)] ?? fallback
  }
}

function toldBy(tried: Try<SessionAnswer>, xid: string): string {
  if (tried.end === 'answered')
    return `${tried.response.outcome}${tried.response.xid === xid ? '' : ' elsewhere'}`
  return tried.end === 'lost' && !tried.sent ? 'unsent' : tried.end
}

function viewOf(
  xid: string,
  more: Partial<TransactionView & SessionAnswer>,
): TransactionView & SessionAnswer {
  return {
    xid: xid as Xid,
    state: more.outcome === 'committed' ? 'committing' : 'aborted',
    outcome: 'pending',
    abortMessage: '',
    retryable: false,
    heuristic: false,
    branches: [],
    requestId: 'r',
    attempt: 1,
    createTimeMs: 0,
    timeline: [],
    traceparent: '',
    replayed: false,
    ...more,
  }
}

export interface BranchScript {
  readonly open?: 'opens' | 'fails' | 'hangs'
  readonly prepare?: 'prepared' | 'read_only' | 'hangs' | Error
  readonly commit?: boolean | 'hangs'
  readonly rollBack?: boolean | 'hangs'
}

/** An opening whose branch says in the journal what is done to it. Its handle writes there, too. */
export function scripted(
  journal: string[],
  participant: string,
  script: BranchScript = {},
  source: unknown = participant,
): BranchOpening<(text: string) => void> {
  const note = (text: string): void => void journal.push(`${text} ${participant}`)
  const verb = async <T>(name: string, result: T | 'hangs'): Promise<T> => {
    note(name)
    if (result === 'hangs') return new Promise<never>(() => {})
    await Promise.resolve()
    return result
  }
  const branch: OpenBranch<(text: string) => void> = {
    resourceId: `resource of ${participant}`,
    connectionId: '1',
    handle: (text) => void journal.push(`${participant}: ${text}`),
    prepare: async () => {
      const vote = await verb<'prepared' | 'read_only' | Error>('prepare', script.prepare ?? 'prepared')
      if (vote instanceof Error) throw vote
      return vote
    },
    commit: () => verb('COMMIT', script.commit ?? true),
    rollBack: () => verb('ROLLBACK', script.rollBack ?? true),
    leave: () => note('LEAVE'),
  }
  return {
    participant,
    source,
    open: async (context: BranchContext) => {
      if (script.open === 'fails') throw new Error(`no connection to ${context.participant}`)
      await verb('open', script.open === 'hangs' ? 'hangs' : undefined)
      return branch
    },
  }
}

export interface World extends TransactionPorts {
  readonly time: VirtualTime
  readonly sessions: ScriptedSessions
  readonly journal: string[]
  readonly points: CrashPoint[]
}

export function worldOf(script: SessionsScript = {}): World {
  const time = new VirtualTime()
  const journal: string[] = []
  const points: CrashPoint[] = []
  return {
    time,
    journal,
    points,
    sessions: new ScriptedSessions(journal, script),
    address: '127.0.0.1:7420',
    limits: { backoffMinMs: 10, backoffMaxMs: 100, messageBytesMax: 1 << 20, branchEndingTimeoutMs: 500 },
    clock: time,
    timers: time,
    random: { below: (limit) => Math.floor(limit / 2) },
    crashPoints: { pass: (point) => points.push(point) },
  }
}

/** For `toMatchObject`, to which a bare pattern would match anything. */
export function matching(pattern: RegExp): string {
  return expect.stringMatching(pattern) as string
}

export function transactionsOf(world: World): Transactions {
  return new Transactions({ ...world, timeoutMs: 10_000 })
}

export interface Run {
  readonly world: World
  /** What was returned, or thrown. */
  readonly result: unknown
  readonly journal: readonly string[]
}

export async function run(
  script: SessionsScript,
  work: (tx: Transaction, world: World) => Promise<unknown>,
  options?: TransactionOptions,
): Promise<Run> {
  const world = worldOf(script)
  const result: unknown = await world.time.until(
    transactionsOf(world)
      .transaction((tx) => work(tx, world), options)
      .catch((error: unknown) => error),
  )
  await world.time.settle()
  return { world, result, journal: world.journal }
}

/** A callback that works on two connections. */
export function twoBranches(ledger: BranchScript = {}, stock: BranchScript = {}) {
  return async (tx: Transaction, { journal }: World): Promise<string> => {
    await tx.branch(scripted(journal, 'ledger', ledger), async (say) => say('insert'))
    await tx.branch(scripted(journal, 'stock', stock), async (say) => say('update'))
    return 'value'
  }
}
