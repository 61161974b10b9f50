/**
 * The participant port over a modelled resource. It keeps the port's contract, under every fault that the
 * contract allows: no votes, hanging, exceptions, results that nobody knows, scans that fail. `slips` are the
 * breaks of the contract that the simulator must catch.
 */
import { PledgedError } from '../base/errors.ts'
import type { Xid } from '../base/ids.ts'
import type { Evidence, Vote } from '../protocol/messages.ts'
import type {
  BranchEnding,
  HeldPage,
  Participant,
  ParticipantDescription,
  PrepareRequest,
} from '../sdk/participant/participant.ts'
import { vote } from '../sdk/participant/participant.ts'
import type { Resource } from './resource.ts'
import type { Process } from './virtual-time.ts'
import type { World } from './world.ts'

/** Bugs of a participant, for --break. */
export interface Slips {
  /** An abort that found nothing prepared leaves no witness, and a prepare doesn't look for one (R4). */
  readonly acceptsLatePrepare?: boolean | undefined
  /** The yes leaves before the pledge is on stable storage (I4). */
  readonly votesBeforeForce?: boolean | undefined
}

export class ModelParticipant implements Participant {
  readonly #world: World
  readonly #process: Process
  readonly #resource: Resource
  readonly #slips: Slips
  readonly #pledgeTtlMs: number
  readonly #onePhase: boolean

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
    this.#pledgeTtlMs = options.pledgeTtlMs
    this.#onePhase = options.onePhase
  }

  async describe(): Promise<ParticipantDescription> {
    const { name, keepsWitnesses } = this.#resource
    return { kind: 'model', resourceId: `resource-${name}`, keepsWitnesses, onePhase: this.#onePhase }
  }

  async prepare({ xid, work, onePhase }: PrepareRequest): Promise<Vote> {
    const { random } = this.#world
    const hangs = this.#fails('prepare_hung')
    await this.#atResource(hangs ? random.between(40, 200) : random.between(0.1, 3))
    if (this.#fails('prepare_threw')) throw new PledgedError('INTERNAL', 'the resource failed')
    const drawn = random.unit()
    if (drawn < 0.06) return vote.no('not enough', { retryable: drawn < 0.03 })
    if (drawn < 0.16) return vote.readOnly()
    const key = new TextDecoder().decode(work)
    // It may pledge all the same.
    if (onePhase && random.chance(0.8)) return this.#commitAtOnce(xid, key)
    const voted = this.#pledge(xid, key)
    if (voted.vote === 'yes' && this.#slips.votesBeforeForce !== true)
      await this.#resource.forced(this.#process)
    return voted
  }

  async commit(xid: Xid): Promise<BranchEnding> {
    return this.#end(() => this.#commit(xid))
  }

  async abort(xid: Xid): Promise<BranchEnding> {
    return this.#end(() => this.#abort(xid))
  }

  async listPrepared(pageSize: number, pageToken: string): Promise<HeldPage> {
    await this.#delay(0.1, 2)
    if (this.#fails('scan_failed')) throw new PledgedError('INTERNAL', 'the list could not be read')
    const after = [...this.#resource.live.prepared]
      .filter(([xid]) => xid > pageToken)
      .sort(([left], [right]) => (left < right ? -1 : 1))
    const page = after.slice(0, pageSize)
    return {
      branches: page.map(([xid, { timeMs }]) => ({ xid, prepareTimeMs: timeMs })),
      nextPageToken: after.length > pageSize ? (page.at(-1)?.[0] ?? '') : '',
    }
  }

  async evidence(xid: Xid): Promise<Evidence> {
    await this.#delay(0.1, 2)
    if (this.#fails('evidence_failed')) throw new PledgedError('INTERNAL', 'the witness could not be read')
    await this.#resource.forced(this.#process)
    return this.#evidenceOf(xid)
  }

  async forget(xid: Xid): Promise<void> {
    await this.#delay(0.1, 1)
    if (this.#resource.live.witnesses.has(xid)) this.#resource.sweep(xid)
  }

  async close(): Promise<void> {}

  /** Runs at the resource in one piece, as a statement does. */
  #pledge(xid: string, key: string): Vote {
    if (this.#resource.live.prepared.has(xid)) return vote.yes()
    const refused = this.#refusal(xid, key)
    if (refused !== undefined) return refused
    this.#resource.pledge(xid, { key, timeMs: this.#world.time.wallMs })
    return this.#world.random.chance(0.15) ? vote.yes({ pledgeTtlMs: this.#pledgeTtlMs }) : vote.yes()
  }

  async #commitAtOnce(xid: string, key: string): Promise<Vote> {
    const refused = this.#refusal(xid, key)
    if (refused !== undefined) return refused
    this.#resource.commit(xid)
    await this.#resource.forced(this.#process)
    if (this.#fails('result_unknown_after'))
      throw new PledgedError('OUTCOME_UNKNOWN', 'the connection was lost')
    return vote.committed()
  }

  #refusal(xid: string, key: string): Vote | undefined {
    if (this.#resource.live.witnesses.has(xid) && this.#slips.acceptsLatePrepare !== true) {
      return vote.no('it has ended here: the prepare comes too late')
    }
    const holder = this.#resource.holderOf(key)
    return holder === undefined ? undefined : vote.no(`${key} is held by ${holder}`, { retryable: true })
  }

  async #end(end: () => BranchEnding): Promise<BranchEnding> {
    if (this.#fails('result_slow')) await this.#delay(20, 150)
    else await this.#delay(0.1, 2)
    if (this.#fails('result_unknown_before'))
      return unknown('the connection was lost before it was carried out')
    const ending = end()
    await this.#resource.forced(this.#process)
    if (this.#fails('result_threw')) throw new PledgedError('INTERNAL', 'the connection was lost')
    if (this.#fails('result_unknown_after'))
      return unknown('the connection was lost while it was carried out')
    return ending
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
        return unknown('not prepared, and no witness')
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
   * The time that a statement takes at the resource. A server may carry it out, later still, though the process
   * that sent it has died; what follows then runs as a zombie, and answers nobody.
   */
  #atResource(tookMs: number): Promise<void> {
    const { time, random } = this.#world
    return new Promise((resolve) => {
      time.after(tookMs, () => {
        if (this.#process.alive) resolve()
        else if (this.#livesOn()) time.after(random.between(10, 120), resolve)
      })
    })
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

function unknown(message: string): BranchEnding {
  return { result: 'unknown', message, evidence: 'none' }
}
