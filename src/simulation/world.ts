/** What all parties of one history share: its time, its chance, what was seen of it, and its faults. */
import { CHANCE_FAULTS, type ChanceFault, type FaultKind } from './fault-kinds.ts'
import { type Observation, Recorder } from './observations.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { Tally } from './tally.ts'
import { Process, VirtualTime } from './virtual-time.ts'

export class World {
  readonly time = new VirtualTime()
  readonly recorder = new Recorder(this.time)
  readonly random: SeededRandom
  readonly tally: Tally
  readonly #enabled: ReadonlySet<FaultKind>
  readonly #planted = new Set<string>()
  readonly #foreign = new Set<string>()
  #healing = false

  constructor(options: {
    readonly random: SeededRandom
    readonly tally: Tally
    readonly enabled: ReadonlySet<FaultKind>
  }) {
    this.random = options.random
    this.tally = options.tally
    this.#enabled = options.enabled
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

  see(observation: Observation): void {
    if (observation.type === 'planted') {
      this.#planted.add(observation.xid)
      if (observation.why !== 'orphan') this.#foreign.add(observation.xid)
    }
    this.recorder.add(observation)
  }

  newProcess(): Process {
    return new Process(this.time, this.random.between(1_000, 1_000_000))
  }

  /** How long a message travels. */
  travelMs(party: string): number {
    if (this.fails('message_slow', party)) return this.random.between(5, 60)
    return this.random.between(0.05, 1.5)
  }
}
