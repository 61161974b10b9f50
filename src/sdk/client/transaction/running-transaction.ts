/**
 * The machine of one transaction, under one xid. Four states, and only forwards:
 *
 * working -> preparing -> committing -> ended, and from the first two straight to ended.
 *
 * Until `committing`, whatever goes wrong rolls everything back: nothing was sent that could commit. From then on only the
 * coordinator's answer ends a branch (R1): it is committed on its connection when that said committed, rolled back when it
 * said aborted, and left to the daemon when nothing could be learned.
 */
import { assert } from '../../../base/assert.ts'
import { PledgedError } from '../../../base/errors.ts'
import { isParticipantName, type Xid } from '../../../base/ids.ts'
import type { BranchWork, CommitRequest, PreparedBranch, RequestName } from '../../../protocol/requests.ts'
import type { SessionAnswer } from '../../../protocol/session-messages.ts'
import { encodeBranch, invalid, requireRoom } from '../request-options.ts'
import type { Scope } from '../scope.ts'
import type { BegunTransaction } from '../session/sessions.ts'
import type { Try } from '../try.ts'
import type { Branch } from '../work.ts'
import { ApplicationBranch } from './application-branch.ts'
import { type AbortAnswer, askToAbort } from './asking-to-abort.ts'
import { askToCommit, type Decision } from './asking-to-commit.ts'
import type { BranchOpening } from './branch.ts'
import { BranchSet, byParticipant } from './branch-set.ts'
import {
  type Doom,
  forgottenAwaitDoom,
  noBranchDoom,
  outsideDoom,
  overDoom,
  prepareDoom,
  seenDoom,
  sessionLostDoom,
  swallowedError,
} from './doom.ts'
import type { TransactionPorts } from './ports.ts'
import { abortedEnding, committedOf, type Ending } from './transaction-ending.ts'

export interface RunningTransactionOptions {
  readonly begun: BegunTransaction
  readonly name: Required<RequestName>
  readonly prepareTimeoutMs: number | undefined
  /** The caller's time: all of it, from the first branch to the last answer. */
  readonly scope: Scope
  readonly ports: TransactionPorts
  /** Fires when the client is closed, and its session is about to end. */
  readonly closing: AbortSignal
}

/** A doom can only be in a state from which everything is rolled back. */
type State =
  | { readonly is: 'working'; readonly doom: Doom | undefined }
  | { readonly is: 'preparing'; readonly doom: Doom | undefined }
  | { readonly is: 'committing' }
  | { readonly is: 'ended' }

export class RunningTransaction {
  readonly #options: RunningTransactionOptions
  readonly #branches: BranchSet
  readonly #work = new Map<string, BranchWork>()
  readonly #enlists: Promise<void>[] = []
  readonly #givenUp = new AbortController()
  readonly #doomed = Promise.withResolvers<void>()
  readonly #over = Promise.withResolvers<Ending>()
  readonly #stopListening: () => void
  #state: State = { is: 'working', doom: undefined }

  constructor(options: RunningTransactionOptions) {
    this.#options = options
    this.#branches = new BranchSet(options.begun, options.ports)
    this.#stopListening = this.#listen()
  }

  get xid(): Xid {
    return this.#options.begun.xid
  }

  get signal(): AbortSignal {
    return this.#givenUp.signal
  }

  /** Resolves when every branch has ended, or is left. The caller's time ends it, too. */
  get over(): Promise<Ending> {
    return this.#over.promise
  }

  get state(): State['is'] {
    return this.#state.is
  }

  add(branch: Branch): void {
    this.#requireWorking()
    try {
      const encoded = encodeBranch(branch)
      this.#requireUnused(encoded.participant)
      requireRoom([...this.#work.values(), encoded], this.#options.ports.limits.messageBytesMax)
      this.#work.set(encoded.participant, encoded)
    } catch (error) {
      this.#doomBy(seenDoom(error))
      throw error
    }
  }

  async branch<Handle, T>(opening: BranchOpening<Handle>, work: (handle: Handle) => Promise<T>): Promise<T> {
    this.#requireWorking()
    let branch: ApplicationBranch | undefined
    try {
      branch = this.#branchFor(opening)
      // The handle is of the opening's source, which is the same for all who use this branch.
      return await branch.use((handle) => work(handle as Handle))
    } catch (error) {
      const doom = seenDoom(error)
      this.#doomBy({ ...doom, retryable: doom.retryable || branch?.isRetryable(error) === true })
      throw error
    }
  }

  commit(): Promise<Ending> {
    if (this.#state.is !== 'working') return this.over
    this.#doomByMisuse()
    this.#state = { is: 'preparing', doom: this.#doom }
    return this.#finish(this.#prepareAndCommit())
  }

  /** The callback has thrown. */
  async fail(error: unknown): Promise<Ending> {
    const ending = await this.rollBack({ error, retryable: false, seen: true })
    return ending.kind === 'failed' && ending.seen ? { ...ending, error } : ending
  }

  /** As long as nothing was sent that could commit; else it ends as it ends. */
  rollBack(doom: Doom): Promise<Ending> {
    this.#doomBy(doom)
    return this.#state.is === 'working' ? this.#finish(this.#endByDoom()) : this.over
  }

  #listen(): () => void {
    const { begun, scope } = this.#options
    const named = this.#named
    const onLost = (): void => this.#doomBy(sessionLostDoom(named))
    const onOver = (): void => void this.rollBack(overDoom(scope, named))
    const forget = scope.onOver(onOver)
    begun.lost.addEventListener('abort', onLost, { once: true })
    if (begun.lost.aborted) onLost()
    return () => {
      forget()
      begun.lost.removeEventListener('abort', onLost)
    }
  }

  get #named(): { readonly xid: Xid; readonly name: Required<RequestName> } {
    return { xid: this.xid, name: this.#options.name }
  }

  get #doom(): Doom | undefined {
    const state = this.#state
    return state.is === 'working' || state.is === 'preparing' ? state.doom : undefined
  }

  /** The first reason stays. There is none once a commit may have been sent (R1). */
  #doomBy(doom: Doom): void {
    const state = this.#state
    if (state.is === 'committing' || state.is === 'ended' || state.doom !== undefined) return
    this.#state = { is: state.is, doom }
    this.#doomed.resolve()
    this.#givenUp.abort(doom.error)
  }

  #doomByMisuse(): void {
    const { busyParticipants, size } = this.#branches
    if (busyParticipants.length > 0) this.#doomBy(forgottenAwaitDoom(busyParticipants))
    else if (size + this.#work.size === 0) this.#doomBy(noBranchDoom())
  }

  #requireWorking(): void {
    const state = this.#state
    if (state.is !== 'working') {
      throw invalid(
        `transaction ${this.xid} ${state.is === 'ended' ? 'has ended' : 'is being committed'}: it takes nothing more. ` +
          'Use it within the callback, and await what you start',
      )
    }
    const { doom } = state
    if (doom === undefined) return
    if (!doom.seen) throw doom.error
    const why = doom.error instanceof Error ? doom.error.message : String(doom.error)
    throw new PledgedError(
      'INVALID_REQUEST',
      `transaction ${this.xid} can only abort, because of an earlier error (${why}): let that one out of the callback`,
      { cause: doom.error },
    )
  }

  #requireUnused(participant: string): void {
    if (!this.#work.has(participant) && this.#branches.of(participant) === undefined) return
    throw new PledgedError(
      'DUPLICATE_PARTICIPANT',
      `transaction ${this.xid} has a branch of participant "${participant}" already: a participant takes part once`,
    )
  }

  #branchFor<Handle>(opening: BranchOpening<Handle>): ApplicationBranch {
    const { participant, source } = opening
    if (!isParticipantName(participant)) {
      throw invalid(`${JSON.stringify(participant)} is no name of a participant: 1 to 32 of a-z, 0-9 and "-"`)
    }
    const known = this.#branches.of(participant)
    if (known === undefined) return this.#openBranch(opening)
    if (known.source === source) return known
    throw invalid(
      `transaction ${this.xid} has a branch of participant "${participant}" on another connection or pool: ` +
        'within one transaction, a participant is used through one of them',
    )
  }

  #openBranch<Handle>(opening: BranchOpening<Handle>): ApplicationBranch {
    const { participant } = opening
    this.#requireUnused(participant)
    const { scope, ports } = this.#options
    const branch = new ApplicationBranch({
      opening,
      context: { xid: this.xid, participant, timeoutMs: scope.remainingMs, signal: this.signal },
      timers: ports.timers,
      endingTimeoutMs: ports.limits.branchEndingTimeoutMs,
      onOpen: (opened) => this.#enlists.push(this.#enlist(opened)),
    })
    this.#branches.add(branch)
    return branch
  }

  /** Sent as soon as the branch is open; answered, at the latest, before it is prepared (R12). */
  async #enlist(branch: PreparedBranch): Promise<void> {
    const { begun, scope, ports } = this.#options
    const tried: Try<void> = await begun.enlist(branch, scope)
    if (tried.end === 'answered') ports.crashPoints.pass('application.branch.enlisted')
    else if (tried.end === 'refused') this.#doomBy(outsideDoom(tried.error))
    else this.#doomBy(scope.over ? overDoom(scope, this.#named) : sessionLostDoom(this.#named))
  }

  async #prepareAndCommit(): Promise<Ending> {
    if (!(await this.#prepared())) return this.#endByDoom()
    this.#state = { is: 'committing' }
    const { begun, name, scope, ports } = this.#options
    const request = this.#commitRequest()
    const { lost, xid } = begun
    return this.#carryOut(await askToCommit({ xid, name, request, lost, scope, ports }))
  }

  /** False: it is doomed, and no branch waits for the others any more. */
  async #prepared(): Promise<boolean> {
    const preparing = async (): Promise<void> => {
      await Promise.all(this.#enlists)
      // What has been doomed meanwhile may have ended by now: its branches are rolled back, and prepare no more.
      if (this.#doom !== undefined || this.#state.is !== 'preparing') return
      this.#options.ports.crashPoints.pass('application.prepare.before')
      await this.#branches.prepareAll((participant, error) => {
        this.#doomBy(prepareDoom(participant, error, this.#named))
      })
    }
    if (this.#doom === undefined) await Promise.race([preparing(), this.#doomed.promise])
    return this.#doom === undefined
  }

  #commitRequest(): CommitRequest {
    const { name, prepareTimeoutMs } = this.#options
    return {
      caller: '',
      xid: this.xid,
      name,
      branches: [...this.#work.values()].toSorted(byParticipant),
      preparedBranches: this.#branches.prepared,
      prepareTimeoutMs,
      waitFor: 'decision',
    }
  }

  async #carryOut(decision: Decision): Promise<Ending> {
    const { name } = this.#options
    switch (decision.is) {
      case 'committed':
        this.#options.ports.crashPoints.pass('application.commit.answered')
        return this.#commitBranches(decision.answer)
      case 'aborted':
        this.#branches.acknowledge(await this.#branches.rollBackAll())
        return abortedEnding(decision.answer, name)
      case 'elsewhere':
        return this.#replayed(decision.answer)
      case 'refused':
        return this.#refused(decision.error)
      case 'not_sent':
        return this.#rollBackFor(decision.doom)
      case 'unknown':
        this.#branches.leaveAll()
        return { kind: 'unknown', error: decision.error }
      default:
        return decision satisfies never
    }
  }

  async #commitBranches(answer: SessionAnswer): Promise<Ending> {
    const done = await this.#branches.commitAll()
    const complete = done && (this.#work.size === 0 || answer.state === 'committed')
    const committed = committedOf(answer, this.#options.name, { replayed: false, complete })
    return { kind: 'committed', committed }
  }

  /** The request has its outcome, under another xid. What was done under this one is undone. */
  async #replayed(answer: SessionAnswer): Promise<Ending> {
    const { name } = this.#options
    const settled = await this.#settle()
    if (answer.outcome !== 'committed') return settled ?? abortedEnding(answer, name)
    const complete = answer.state === 'committed'
    return { kind: 'committed', committed: committedOf(answer, name, { replayed: true, complete }) }
  }

  async #refused(error: unknown): Promise<Ending> {
    const settled = await this.#settle()
    return settled ?? { kind: 'failed', error, retryable: false, seen: false }
  }

  /**
   * A commit was sent, and has decided nothing: still, only what the coordinator says ends the branches (R1). It may even
   * say committed, where an operator has decided so meanwhile: only then is there an ending to tell of.
   */
  async #settle(): Promise<Ending | undefined> {
    const answer = await this.#askToAbort()
    if (answer === 'aborted') this.#branches.acknowledge(await this.#branches.rollBackAll())
    if (answer === 'unknown') this.#branches.leaveAll()
    if (answer !== 'committed') return undefined
    await this.#branches.commitAll()
    const own = { xid: this.xid, heuristic: false, transaction: undefined }
    const committed = committedOf(own, this.#options.name, { replayed: false, complete: false })
    return { kind: 'committed', committed }
  }

  #endByDoom(): Promise<Ending> {
    const doom = this.#doom
    assert(doom !== undefined, 'what can still commit is not rolled back')
    return this.#rollBackFor(doom)
  }

  /** Nothing was sent that could commit: the coordinator need not be asked first. */
  async #rollBackFor(doom: Doom): Promise<Ending> {
    this.#state = { is: 'ended' }
    this.#givenUp.abort(doom.error)
    const telling = this.#enlists.length > 0 ? this.#askToAbort() : undefined
    const ended = await this.#branches.rollBackAll()
    void telling?.then((answer) => {
      if (answer === 'aborted') this.#branches.acknowledge(ended)
    })
    const error = doom.seen ? swallowedError(doom.error, this.#named) : doom.error
    return { kind: 'failed', error, retryable: doom.retryable, seen: doom.seen }
  }

  #askToAbort(): Promise<AbortAnswer> {
    const { ports, closing } = this.#options
    return askToAbort({ xid: this.xid, ports, signal: closing })
  }

  #finish(ending: Promise<Ending>): Promise<Ending> {
    const over = (): void => {
      this.#stopListening()
      this.#state = { is: 'ended' }
    }
    ending.then(over, over)
    this.#over.resolve(ending)
    return this.over
  }
}
