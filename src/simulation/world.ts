/** What all parties of one history share: its time, its chance, what was seen of it, and its faults. */

import type { ParticipantMessage } from '../protocol/messages.ts'
import { CHANCE_FAULTS, type ChanceFault, type FaultKind } from './fault-kinds.ts'
import { type Observation, Recorder } from './observations.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { Tally } from './tally.ts'
import { Machine, Process, VirtualTime } from './virtual-time.ts'

type VoteMessage = Extract<ParticipantMessage, { type: 'vote' }>

/** Far more than a crystal's, and the same in effect: what takes milliseconds here takes minutes in earnest. */
export const DRIFT_MAX = 0.05

export class World {
  readonly #onCopies = new WeakSet<Process>()
  readonly time = new VirtualTime()
  readonly recorder = new Recorder(this.time)
  readonly random: SeededRandom
  readonly tally: Tally
  readonly #enabled: ReadonlySet<FaultKind>
  readonly #planted = new Set<string>()
  readonly #foreign = new Set<string>()
  readonly #byHand = new Set<string>()
  readonly #pledgeEndsMs = new Map<string, number>()
  readonly #machines = new Map<string, Machine>()
  #healing = false
  #lastNumber = 0

  constructor(options: {
    readonly random: SeededRandom
    readonly tally: Tally
    readonly enabled: ReadonlySet<FaultKind>
  }) {
    this.random = options.random
    this.tally = options.tally
    this.#enabled = options.enabled
  }

  /** Of a call, of a session: no two are the same in one history. */
  nextNumber(): number {
    this.#lastNumber += 1
    return this.#lastNumber
  }

  /** From now on nothing fails. */
  heal(): void {
    this.#healing = true
    this.see({ type: 'phase', phase: 'healing' })
  }

  get healing(): boolean {
    return this.#healing
  }

  isEnabled(kind: FaultKind): boolean {
    return !this.#healing && this.#enabled.has(kind)
  }

  /** Whether the fault happens now; it is counted. */
  fails(kind: ChanceFault, party: string): boolean {
    if (!this.isEnabled(kind) || !this.random.chance(CHANCE_FAULTS[kind])) return false
    this.faulted(kind, party)
    return true
  }

  faulted(kind: FaultKind, party: string): void {
    this.tally.fault(kind)
    this.see({ type: 'fault', kind, party })
  }

  /** Whether it was planted, and is not the coordinator's to end. */
  isForeign(xid: string): boolean {
    return this.#foreign.has(xid)
  }

  isPlanted(xid: string): boolean {
    return this.#planted.has(xid)
  }

  /** Whether a person has ended a branch of it, or has ordered that: what is left of it may wait for a person. */
  isByHand(xid: string): boolean {
    return this.#byHand.has(xid)
  }

  see(observation: Observation): void {
    // Its log has never heard of it.
    if (observation.type === 'answered_by_copy' && observation.said.outcome === 'pending')
      this.#foreign.add(observation.said.xid)
    if (observation.type === 'ended_by_hand') this.#byHand.add(observation.xid)
    if (observation.type === 'ordered' && observation.request.action === 'forget_branch')
      this.#byHand.add(observation.request.xid)
    if (observation.type === 'planted') {
      this.#planted.add(observation.xid)
      if (observation.why !== 'orphan') this.#foreign.add(observation.xid)
    }
    if (observation.type === 'said' && observation.message.type === 'vote') {
      this.#noteVote(observation.participant, observation.message)
    }
    this.recorder.add(observation)
  }

  /** When the pledge that a participant gave for a time is over. */
  pledgeEndsMs(participant: string, xid: string): number | undefined {
    return this.#pledgeEndsMs.get(`${participant} ${xid}`)
  }

  #noteVote(participant: string, { xid, vote }: VoteMessage): void {
    if (vote.vote !== 'yes' || vote.pledgeTtlMs === undefined) return
    this.#pledgeEndsMs.set(`${participant} ${xid}`, this.time.nowMs + vote.pledgeTtlMs)
  }

  /** A process on the machine of that party, whose clocks outlive it. */
  newProcess(party = 'elsewhere'): Process {
    return new Process(this.time, this.machineOf(party), this.random.between(1_000, 1_000_000))
  }

  /** From now on the process is known to run on an old copy of the log: nothing that it says counts. */
  noteOnCopy(process: Process): void {
    this.#onCopies.add(process)
  }

  isOnCopy(process: Process): boolean {
    return this.#onCopies.has(process)
  }

  machineOf(party: string): Machine {
    const found = this.#machines.get(party)
    if (found !== undefined) return found
    const rate = this.fails('clock_drifts', party) ? this.random.between(1 - DRIFT_MAX, 1 + DRIFT_MAX) : 1
    const machine = new Machine(this.time, rate)
    this.#machines.set(party, machine)
    return machine
  }

  /** How long a message travels. */
  travelMs(party: string): number {
    if (this.fails('message_slow', party)) return this.random.between(5, 60)
    return this.random.between(0.05, 1.5)
  }
}
