/**
 * R12: an application that works and prepares at the servers by itself, and hands the coordinator a list of what it
 * has prepared in one unary commit. It may leave one out: the answer to that PREPARE was lost. Production refuses the
 * call, whatever the list says, and the application takes back what it holds; what it can't, a scan finds.
 */
import type { CommitRequest } from '../protocol/requests.ts'
import { commitFromProto, commitToProto } from '../wire/requests.ts'
import type { ClientPlan } from './client.ts'
import type { Said } from './observations.ts'
import { isTransient } from './refusals.ts'
import type { Resource } from './resource.ts'
import type { Slips } from './slips.ts'
import type { Wire } from './wire.ts'
import { decodeWork } from './work.ts'
import type { World } from './world.ts'

const CALLS_MAX = 3

/** What the gate for applications, which is production's, makes of the list. Throws what it refuses with. */
export function admitCommit(request: CommitRequest, preparedBranches: readonly string[], slips: Slips): void {
  if (preparedBranches.length === 0 || slips.takesPreparedBranches === true) return
  const branches = preparedBranches.map((participant) => ({
    participant,
    resourceId: '',
    connectionId: '',
    readOnly: false,
  }))
  const { caller } = request
  commitFromProto(
    { ...commitToProto(request), preparedBranches: branches },
    { caller, traceparent: undefined },
  )
}

export class EarlyPledge {
  readonly #world: World
  readonly #wire: Wire
  readonly #plan: ClientPlan
  readonly #xid: string
  readonly #told: (said: Said) => void
  readonly #resources: readonly Resource[]
  readonly #prepared: Resource[] = []

  constructor(options: {
    readonly world: World
    readonly wire: Wire
    readonly plan: ClientPlan
    readonly xid: string
    readonly resources: readonly Resource[]
    readonly told: (said: Said) => void
  }) {
    this.#world = options.world
    this.#wire = options.wire
    this.#plan = options.plan
    this.#xid = options.xid
    this.#told = options.told
    // An embedded resource can't be reached but through its participant.
    this.#resources = options.resources.filter(({ kind }) => kind === 'server')
  }

  run(): void {
    const { time, random } = this.#world
    for (const { participant, work } of this.#plan.branches) {
      const resource = this.#resources.find(({ name }) => name === participant)
      if (resource !== undefined) time.after(random.between(0.1, 5), () => this.#prepare(resource, work))
    }
    time.after(random.between(6, 20), () => this.#commit())
  }

  #prepare(resource: Resource, work: Uint8Array): void {
    const { key } = decodeWork(work)
    const { live, syncs, name: participant } = resource
    if (!syncs || live.witnesses.has(this.#xid) || resource.holderOf(key) !== undefined) return
    resource.pledge(this.#xid, { key, timeMs: this.#world.time.wallMs })
    this.#world.see({ type: 'prepared_early', participant, xid: this.#xid })
    this.#prepared.push(resource)
  }

  #commit(): void {
    const all = this.#prepared.map(({ name }) => name)
    const listed = all.length > 1 && this.#world.random.chance(0.5) ? all.slice(1) : all
    if (listed.length === 0) this.#rollBack()
    else this.#send(listed, CALLS_MAX)
  }

  #send(listed: readonly string[], callsLeft: number): void {
    const { caller, branches, waitFor } = this.#plan
    const request = {
      caller,
      xid: this.#xid,
      branches: branches.filter(({ participant }) => listed.includes(participant)),
      waitFor,
    }
    let isOver = false
    const again = (): void => {
      if (isOver || callsLeft === 1) return
      isOver = true
      this.#send(listed, callsLeft - 1)
    }
    this.#wire.call({ verb: 'commit', request, preparedBranches: listed }, (reply) => {
      if (isOver) return
      if (reply.type === 'refused' && isTransient(reply.code)) return
      isOver = true
      if (reply.type === 'told') this.#told(reply.said)
      if (reply.type === 'refused' || reply.said.outcome === 'aborted') this.#rollBack()
    })
    this.#world.time.after(this.#world.random.between(60, 150), again)
  }

  /** Over its own connections; then it lets go of the xid. */
  #rollBack(): void {
    for (const resource of this.#prepared) {
      const { live, sessions, name: participant } = resource
      if (!live.prepared.has(this.#xid) || sessions.endingOf(this.#xid) !== undefined) continue
      this.#world.see({ type: 'rolled_back_early', participant, xid: this.#xid })
      resource.abort(this.#xid)
    }
    const request = { caller: this.#plan.caller, xid: this.#xid }
    this.#wire.call({ verb: 'abort', request }, (reply) => {
      if (reply.type === 'told') this.#told(reply.said)
    })
  }
}
