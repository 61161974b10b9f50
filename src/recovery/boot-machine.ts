/**
 * The boot machine: lock, open, fence, checkpoint, replay, then serve. Nobody is let in before replay is done,
 * and a step that fails ends in `refused`: a coordinator that can't trust its log must not answer.
 */
import { assign, setup } from 'xstate'
import { assert } from '../base/assert.ts'
import { pureMachine } from './pure-transition.ts'

export type BootState =
  | 'locking'
  | 'opening'
  | 'fencing'
  | 'checkpointing'
  | 'replaying'
  | 'serving'
  | 'refused'

export type BootEvent =
  /** The log entered a step of its opening. */
  | { readonly type: 'lock' | 'open' | 'fence' | 'checkpoint' | 'replay' }
  /** What the log had is in the core's state. */
  | { readonly type: 'replayed' }
  | { readonly type: 'failed'; readonly reason: string }

const machine = setup({
  types: { context: {} as { readonly reason: string }, events: {} as BootEvent },
  actions: {
    remember: assign({ reason: ({ event }) => (event.type === 'failed' ? event.reason : '') }),
  },
}).createMachine({
  id: 'boot',
  initial: 'locking',
  context: { reason: '' },
  on: { failed: { target: '.refused', actions: 'remember' } },
  states: {
    locking: { on: { lock: {}, open: 'opening' } },
    opening: { on: { fence: 'fencing' } },
    fencing: { on: { checkpoint: 'checkpointing' } },
    checkpointing: { on: { replay: 'replaying' } },
    replaying: { on: { replayed: 'serving' } },
    serving: { type: 'final' },
    refused: { type: 'final' },
  },
})

const { initial, transition } = pureMachine(machine)

export class Boot {
  #snapshot = initial(undefined)[0]

  get state(): BootState {
    return this.#snapshot.value as BootState
  }

  /** Why it was refused. */
  get reason(): string {
    return this.#snapshot.context.reason
  }

  /** Steps come in their order: one that is skipped is a bug of the log, and nothing is served. */
  send(event: BootEvent): void {
    const before = this.state
    this.#snapshot = transition(this.#snapshot, event)[0]
    const moved = this.state !== before || event.type === 'lock'
    assert(moved, `the opening skipped a step: ${event.type} while ${before}`)
  }
}
