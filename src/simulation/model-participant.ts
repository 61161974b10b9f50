/**
 * The participant port over a modelled resource. It keeps the port's contract, under every fault that the
 * contract allows: no votes, hanging, exceptions, results that nobody knows, scans that fail. `slips` are the
 * breaks of the contract that the simulator must catch.
 */

import { mayWait } from '../../participants/shared/files/wait-die.ts'
import { abortBranch, commitBranch, evidenceOf } from '../../participants/shared/servers/endings.ts'
import { PledgedError } from '../base/errors.ts'
import { compareXids, epochNumber, tryParseXid, type Xid } from '../base/ids.ts'
import type { Evidence, Verb, Vote } from '../protocol/messages.ts'
import type {
  BranchEnding,
  CoordinatorIdentity,
  HeldPage,
  Participant,
  ParticipantDescription,
  PrepareRequest,
} from '../sdk/participant/participant.ts'
import { supersededError, vote } from '../sdk/participant/participant.ts'
import type { Resource } from './resource.ts'
import { type EndingStore, ServerStore } from './server-store.ts'
import type { Slips } from './slips.ts'
import type { Process } from './virtual-time.ts'
import { decodeWork, type ModelWork } from './work.ts'
import type { World } from './world.ts'

/** Work that takes so long has written its witness meanwhile. */
const WRITES_FROM_MS = 5

export class ModelParticipant implements Participant {
  readonly #world: World
  readonly #process: Process
  readonly #resource: Resource
  readonly #store: EndingStore
  readonly #slips: Slips
  readonly #pledgeTtlMs: number
  readonly #onePhase: boolean
  #coordinator: CoordinatorIdentity | undefined

  constructor(options: {
    readonly world: World
    readonly process: Process
    readonly resource: Resource
    readonly slips: Slips
    /** Of the pledges that have one. */
    readonly pledgeTtlMs: number
    readonly onePhase: boolean
  }) {
    this.#world = options.world
    this.#process = options.process
    this.#resource = options.resource
    this.#slips = options.slips
    const store = new ServerStore(options)
    this.#store = options.slips.looks?.(store) ?? store
    this.#pledgeTtlMs = options.pledgeTtlMs
    this.#onePhase = options.onePhase
  }

  /** R16: a resource that doesn't sync isn't let in. */
  async describe(): Promise<ParticipantDescription> {
    const { name, keepsWitnesses, syncs } = this.#resource
    if (!syncs && this.#slips.pledgesUnsynced !== true) {
      throw new PledgedError('CONFIGURATION', `resource ${name} doesn't sync: it can't keep a pledge`)
    }
    return { kind: 'model', resourceId: `resource-${name}`, keepsWitnesses, onePhase: this.#onePhase }
  }

  /** R11. */
  async admit(coordinator: CoordinatorIdentity): Promise<void> {
    await this.#delay(0.1, 1)
    const { logId, epoch } = coordinator
    const known = this.#resource.epochs.get(logId)
    const isOlder = known !== undefined && known !== epoch && epochNumber(known) >= epochNumber(epoch)
    if (isOlder && this.#slips.admitsOlderEpochs !== true) throw supersededError(coordinator, known)
    if (!isOlder) this.#resource.epochs.set(logId, epoch)
    this.#coordinator = coordinator
  }

  async prepare(request: PrepareRequest): Promise<Vote> {
    const { random } = this.#world
    if (this.#isServer && this.#fails('connection_lost')) {
      // The server goes on with it, and nobody hears how it ends.
      this.#prepare(request, random.between(5, 120)).catch(() => {})
      await this.#delay(0.1, 3)
      throw new PledgedError('UNAVAILABLE', 'the connection was lost')
    }
    return this.#prepare(
      request,
      this.#fails('prepare_hung') ? random.between(40, 200) : random.between(0.1, 3),
    )
  }

  async #prepare(request: PrepareRequest, tookMs: number): Promise<Vote> {
    const { xid } = request
    const { sessions, live } = this.#resource
    const { life } = sessions
    const writes = this.#isServer && (tookMs > WRITES_FROM_MS || this.#world.random.chance(0.2))
    if (writes && !live.witnesses.has(xid)) sessions.beginWriting(xid)
    try {
      const isDone = await this.#atResource(tookMs)
      return isDone ? await this.#vote(request) : vote.no('the connection was lost')
    } finally {
      if (writes) sessions.endWriting(xid, life)
    }
  }

  async commit(xid: Xid): Promise<BranchEnding> {
    return this.#end('commit', xid)
  }

  async abort(xid: Xid): Promise<BranchEnding> {
    return this.#end('abort', xid)
  }

  async listPrepared(pageSize: number, pageToken: string): Promise<HeldPage> {
    await this.#delay(0.1, 2)
    // Another process of this participant may have admitted a newer one since.
    if (pageToken === '' && this.#coordinator !== undefined) await this.admit(this.#coordinator)
    if (this.#fails('scan_failed')) throw new PledgedError('INTERNAL', 'the list could not be read')
    const after = [...this.#resource.live.prepared]
      .filter(([xid]) => xid > pageToken)
      .sort(([left], [right]) => (left < right ? -1 : 1))
    const page = after.slice(0, pageSize)
    // What is no longer on the list has ended for good.
    await this.#resource.forced(this.#process)
    return {
      branches: page.map(([xid, { timeMs }]) => ({ xid, prepareTimeMs: timeMs })),
      nextPageToken: after.length > pageSize ? (page.at(-1)?.[0] ?? '') : '',
    }
  }

  async evidence(xid: Xid): Promise<Evidence> {
    await this.#delay(0.1, 2)
    if (this.#fails('evidence_failed')) throw new PledgedError('INTERNAL', 'the witness could not be read')
    await this.#resource.forced(this.#process)
    return this.#isServer ? evidenceOf(this.#store, xid) : this.#evidenceOf(xid)
  }

  async forget(xid: Xid): Promise<void> {
    await this.#delay(0.1, 1)
    const { live } = this.#resource
    const swept = this.#slips.sweepsByRange === true ? notYoungerThan(xid, live.witnesses.keys()) : [xid]
    for (const other of swept) if (live.witnesses.has(other)) this.#resource.sweep(other)
  }

  async close(): Promise<void> {}

  async #vote(request: PrepareRequest): Promise<Vote> {
    const { random } = this.#world
    const { xid, work, onePhase } = request
    if (this.#fails('prepare_threw')) throw new PledgedError('INTERNAL', 'the resource failed')
    const drawn = random.unit()
    if (drawn < 0.06) return vote.no('not enough', { retryable: drawn < 0.03 })
    if (drawn < 0.16) return vote.readOnly()
    const { key, endsItself } = decodeWork(work)
    if (endsItself && this.#slips.trustsWork !== true) return vote.no('the work ends its own transaction')
    const held = await this.#waitForKey(key, request)
    if (held !== undefined) return held
    // It may pledge all the same.
    if (onePhase && random.chance(0.8)) return this.#commitAtOnce(xid)
    const voted = this.#pledge(xid, { key, endsItself })
    if (voted.vote === 'yes' && this.#slips.votesBeforeForce !== true)
      await this.#resource.forced(this.#process)
    return voted
  }

  /** R13, by the production rule. A no, or undefined once the key is free. */
  async #waitForKey(key: string, request: PrepareRequest): Promise<Vote | undefined> {
    const { xid } = request
    const participant = this.#resource.name
    for (;;) {
      const holder = this.#resource.holderOf(key)
      if (holder === undefined || holder === xid) return undefined
      if (this.#slips.waitsAlways !== true && !mayWait(xid, holder)) {
        return vote.no(`${key} is held by ${holder}`, { retryable: true })
      }
      this.#world.see({ type: 'waits', participant, xid, holder })
      const free = await this.#resource.ended(holder, request)
      this.#world.see({ type: 'waited', participant, xid, holder })
      if (!free) return vote.no(`${key} was held by ${holder} for too long`, { retryable: true })
      if (!this.#process.alive && !this.#livesOn()) return vote.no('the connection was lost')
    }
  }

  /** Runs at the resource in one piece, as a statement does. */
  #pledge(xid: string, { key, endsItself }: ModelWork): Vote {
    if (this.#resource.live.prepared.has(xid)) return vote.yes()
    const refused = this.#refusal(xid)
    if (refused !== undefined) return refused
    if (endsItself) this.#resource.applyUnasked(xid)
    this.#resource.pledge(xid, { key, timeMs: this.#world.time.wallMs, isApplied: endsItself })
    return this.#world.random.chance(0.15) ? vote.yes({ pledgeTtlMs: this.#pledgeTtlMs }) : vote.yes()
  }

  async #commitAtOnce(xid: string): Promise<Vote> {
    const refused = this.#refusal(xid)
    if (refused !== undefined) return refused
    this.#resource.commit(xid)
    await this.#resource.forced(this.#process)
    if (this.#fails('result_unknown_after'))
      throw new PledgedError('OUTCOME_UNKNOWN', 'the connection was lost')
    return vote.committed()
  }

  #refusal(xid: string): Vote | undefined {
    if (!this.#resource.live.witnesses.has(xid) || this.#slips.acceptsLatePrepare === true) return undefined
    return vote.no('it has ended here: the prepare comes too late')
  }

  async #end(verb: Verb, xid: Xid): Promise<BranchEnding> {
    if (!this.#isServer) {
      if (this.#fails('result_slow')) await this.#delay(20, 150)
      else await this.#delay(0.1, 2)
    }
    if (this.#fails('result_unknown_before'))
      return unknown('the connection was lost before it was carried out')
    const ending = await this.#ending(verb, xid)
    await this.#resource.forced(this.#process)
    if (this.#fails('result_threw')) throw new PledgedError('INTERNAL', 'the connection was lost')
    if (this.#fails('result_unknown_after'))
      return unknown('the connection was lost while it was carried out')
    return ending
  }

  #ending(verb: Verb, xid: Xid): Promise<BranchEnding> | BranchEnding {
    if (!this.#isServer) return verb === 'commit' ? this.#commit(xid) : this.#abort(xid)
    if (verb === 'commit') return commitBranch(this.#store, xid)
    if (this.#slips.acceptsLatePrepare === true) return this.#abort(xid)
    return abortBranch(this.#store, xid)
  }

  #commit(xid: Xid): BranchEnding {
    if (this.#resource.live.prepared.has(xid)) {
      this.#resource.commit(xid)
      return { result: 'done', message: '', evidence: this.#evidenceOf(xid) }
    }
    const evidence = this.#evidenceOf(xid)
    switch (evidence) {
      case 'none':
      case 'witness_committed':
        return { result: 'done_before', message: '', evidence }
      case 'witness_aborted':
        return { result: 'broken', message: 'it was aborted here', evidence }
      case 'no_witness':
        return { result: 'broken', message: 'not prepared here, and never committed', evidence }
    }
  }

  #abort(xid: Xid): BranchEnding {
    if (this.#resource.live.prepared.has(xid)) {
      this.#resource.abort(xid)
      return { result: 'done', message: '', evidence: this.#evidenceOf(xid) }
    }
    const evidence = this.#evidenceOf(xid)
    switch (evidence) {
      case 'none':
      case 'witness_aborted':
        return { result: 'done_before', message: '', evidence }
      case 'witness_committed':
        return { result: 'broken', message: 'it was committed here', evidence }
      case 'no_witness':
        if (this.#slips.acceptsLatePrepare !== true) this.#resource.close(xid)
        return { result: 'done', message: 'nothing was prepared', evidence: this.#evidenceOf(xid) }
    }
  }

  #evidenceOf(xid: string): Evidence {
    if (!this.#resource.keepsWitnesses) return 'none'
    switch (this.#resource.live.witnesses.get(xid)) {
      case 'committed':
        return 'witness_committed'
      case 'aborted':
        return 'witness_aborted'
      case undefined:
        return 'no_witness'
    }
  }

  /**
   * The time that a statement takes at the resource; false where it was not carried out. A server may carry it out,
   * later still, though the process that sent it has died; what follows then runs as a zombie, and answers nobody.
   */
  #atResource(tookMs: number): Promise<boolean> {
    const { time, random } = this.#world
    return new Promise((resolve) => {
      time.after(tookMs, () => {
        if (this.#process.alive) resolve(true)
        else if (this.#livesOn()) time.after(random.between(10, 120), () => resolve(true))
        else resolve(false)
      })
    })
  }

  /** A database, which is asked by the production code of the server participants. */
  get #isServer(): boolean {
    return this.#resource.kind === 'server' && this.#resource.keepsWitnesses
  }

  #livesOn(): boolean {
    return this.#resource.kind === 'server' && this.#world.fails('zombie_prepare', this.#resource.name)
  }

  #delay(lowMs: number, highMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#process.after(this.#world.random.between(lowMs, highMs), resolve)
    })
  }

  #fails(kind: Parameters<World['fails']>[0]): boolean {
    return this.#world.fails(kind, this.#resource.name)
  }
}

/** Those of its epoch that are as old, or older. */
function notYoungerThan(xid: string, others: Iterable<string>): string[] {
  const parts = tryParseXid(xid)
  return [...others].filter((other) => {
    const otherParts = tryParseXid(other)
    return parts !== undefined && otherParts !== undefined && compareXids(otherParts, parts) <= 0
  })
}

function unknown(message: string): BranchEnding {
  return { result: 'unknown', message, evidence: 'none' }
}
