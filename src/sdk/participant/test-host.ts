/** A host over a participant that does what a test says, and a link's end that writes down what it hears. */
import type { CrashPoint } from '../../base/crash-points.ts'
import type { Epoch, LogId, Xid } from '../../base/ids.ts'
import { defaultLimits } from '../../base/limits.ts'
import type { CoordinatorMessage, ParticipantMessage } from '../../protocol/messages.ts'
import { ParticipantHost } from './host.ts'
import { type BranchEnding, type CoordinatorIdentity, type Participant, vote } from './participant.ts'

export const COORDINATOR: CoordinatorIdentity = { logId: 'k3f9qa7m2xw4' as LogId, epoch: '7-q3f9' as Epoch }
export const done: BranchEnding = { result: 'done', message: '', evidence: 'none' }

/** A participant that does what a test says, and nothing more. */
export function participantWith(verbs: Partial<Participant>): Participant {
  return {
    describe: () => Promise.resolve({ kind: 'test', resourceId: 'resource', keepsWitnesses: false }),
    prepare: () => Promise.resolve(vote.yes()),
    commit: () => Promise.resolve(done),
    abort: () => Promise.resolve(done),
    listPrepared: () => Promise.resolve({ branches: [], nextPageToken: '' }),
    close: () => Promise.resolve(),
    ...verbs,
  }
}

export function hostOf(
  verbs: Partial<Participant>,
  options: { concurrencyMax?: number; workBytesMax?: number; crash?: CrashPoint[] } = {},
) {
  return new ParticipantHost({
    name: 'test',
    participant: participantWith(verbs),
    limits: {
      ...defaultLimits,
      participantConcurrencyMax: options.concurrencyMax ?? 100,
      participantWorkBytesMax: options.workBytesMax ?? 1_000_000,
      linkCloseTimeoutMs: 20,
    },
    crashPoints: { pass: (point) => options.crash?.push(point) },
  })
}

/** A link's end that gathers replies, batch by batch. */
export class Replies {
  readonly batches: (readonly ParticipantMessage[])[] = []
  readonly signals: string[] = []
  #changed: (() => void)[] = []

  readonly replied = (messages: readonly ParticipantMessage[]): void => {
    this.batches.push(messages)
    for (const resolve of this.#changed.splice(0)) resolve()
  }
  readonly admitted = (): void => {
    this.signals.push('admitted')
  }
  readonly refused = ({ superseded }: { superseded: boolean }): void => {
    this.signals.push(superseded ? 'refused for ever' : 'refused')
  }

  async take(count: number): Promise<ParticipantMessage[]> {
    while (this.batches.flat().length < count)
      await new Promise<void>((resolve) => this.#changed.push(resolve))
    return this.batches.flat()
  }
}

/** Verbs that wait until the test lets them go. */
export class Gates {
  readonly #gates = new Map<string, PromiseWithResolvers<void>>()

  async pass(name: string): Promise<void> {
    await this.#gate(name).promise
  }

  open(name: string): void {
    this.#gate(name).resolve()
  }

  #gate(name: string): PromiseWithResolvers<void> {
    const gate = this.#gates.get(name) ?? Promise.withResolvers<void>()
    this.#gates.set(name, gate)
    return gate
  }
}

export function xid(sequence: number): Xid {
  return `k3f9qa7m2xw4.7-q3f9.${sequence}` as Xid
}

export function prepare(sequence: number, timeoutMs = 60_000): CoordinatorMessage {
  return { type: 'prepare', xid: xid(sequence), work: new Uint8Array([sequence]), timeoutMs }
}

export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
