/**
 * The recovery machine of one participant:
 *
 *   away -> reconnecting -> scanning (what do you hold prepared?) -> delivering -> settled
 *
 * backing off when it can't, quarantined when another resource answers to its name, paused while an operator wants
 * it to be left alone. It is driven by xstate's
 * pure transition(): events in, actions as data out, time as an event. A transaction that meets no fault never
 * gets here. While a participant is in trouble one scan is its single probe; when the scan succeeds everything
 * that is owed goes out at once.
 */
import { assign, type SnapshotFrom, setup } from 'xstate'
import { defaultLimits, type Limits } from '../base/limits.ts'
import type { RecoverySignal } from '../protocol/effects.ts'
import { pureMachine } from './pure-transition.ts'

export type ParticipantRecoveryState =
  | 'away'
  | 'reconnecting'
  | 'scanning'
  | 'delivering'
  | 'settled'
  | 'backing_off'
  | 'quarantined'
  | 'paused'

export type ParticipantRecoveryEvent =
  | RecoverySignal
  | { readonly type: 'dial_failed'; readonly reason: string }
  /** What was scheduled is due. */
  | { readonly type: 'timer' }

/** `schedule` replaces what was scheduled before; its delay is to be jittered. */
export type ParticipantRecoveryAction =
  | { readonly type: 'dial' | 'scan' | 'deliver' }
  | { readonly type: 'schedule'; readonly delayMs: number }

export type RecoveryLimits = Pick<
  Limits,
  'backoffMinMs' | 'backoffMaxMs' | 'scanUnsettledMs' | 'scanSettledMs'
>

interface Context {
  readonly dials: boolean
  readonly limits: RecoveryLimits
  /** In a row, since something last went well. */
  readonly failures: number
  readonly lastError: string
  /** Scans in a row that showed nothing unsettled; a late prepare of a broken session shows in the second (R12). */
  readonly cleanScans: number
}

/**
 * xstate's transition() makes an actor of its own each time, and starts it without input. With this it stays in
 * its first state, at next to no cost; without it, it throws, unseen, and each event costs twice as much.
 */
const NO_INPUT = { dials: true, limits: defaultLimits } as const

const machine = setup({
  types: {
    context: {} as Context,
    events: {} as ParticipantRecoveryEvent,
    input: {} as { dials: boolean; limits: RecoveryLimits } | undefined,
  },
  guards: {
    dials: ({ context }) => context.dials,
    isUp: ({ event }) => event.type === 'resumed' && event.up,
  },
  actions: {
    // Carried out by whoever drives the machine.
    dial: () => {},
    scan: () => {},
    deliver: () => {},
    schedule: (_context, _params: { delayMs: number }) => {},
    failed: assign(({ context, event }) => ({
      failures: context.failures + 1,
      lastError: 'reason' in event ? event.reason : context.lastError,
      cleanScans: 0,
    })),
    recovered: assign({ failures: 0, lastError: '' }),
    scanned: assign(({ context, event }) => ({
      cleanScans: event.type === 'scanned' && !event.unsettled ? context.cleanScans + 1 : 0,
    })),
    unclean: assign({ cleanScans: 0 }),
  },
}).createMachine({
  id: 'participant',
  context: ({ input }) => ({ ...(input ?? NO_INPUT), failures: 0, lastError: '', cleanScans: 0 }),
  initial: 'reconnecting',
  on: {
    link_down: { target: '.away', actions: 'failed' },
    paused: '.paused',
    session_broken: { actions: 'unclean' },
  },
  states: {
    reconnecting: {
      entry: 'dial',
      always: { guard: ({ context }) => !context.dials, target: 'away' },
      on: {
        link_up: 'scanning',
        dial_failed: { target: 'away', actions: 'failed' },
        impostor: { target: 'quarantined', actions: 'failed' },
      },
    },
    away: {
      entry: { type: 'schedule', params: ({ context }) => ({ delayMs: backoffMs(context) }) },
      on: {
        link_up: 'scanning',
        timer: { guard: 'dials', target: 'reconnecting' },
        retry: { guard: 'dials', target: 'reconnecting' },
        impostor: { target: 'quarantined', actions: 'failed' },
      },
    },
    scanning: {
      entry: 'scan',
      on: {
        link_up: { target: 'scanning', reenter: true },
        scanned: { target: 'delivering', actions: 'scanned' },
        scan_failed: { target: 'backing_off', actions: 'failed' },
      },
    },
    delivering: {
      entry: 'deliver',
      on: {
        link_up: { target: 'scanning', actions: 'unclean' },
        settled: { target: 'settled', actions: 'recovered' },
        // Left by an application meanwhile: nothing else would send it.
        owed: { actions: 'deliver' },
        delivery_failed: { target: 'backing_off', actions: 'failed' },
      },
    },
    settled: {
      entry: { type: 'schedule', params: ({ context }) => ({ delayMs: scanDelayMs(context) }) },
      on: {
        link_up: { target: 'scanning', actions: 'unclean' },
        timer: 'scanning',
        retry: 'scanning',
        owed: 'delivering',
        session_broken: { target: 'scanning', actions: 'unclean' },
        delivery_failed: { target: 'backing_off', actions: 'failed' },
      },
    },
    backing_off: {
      entry: { type: 'schedule', params: ({ context }) => ({ delayMs: backoffMs(context) }) },
      on: { link_up: 'scanning', timer: 'scanning', retry: 'scanning' },
    },
    quarantined: {
      entry: { type: 'schedule', params: ({ context }) => ({ delayMs: context.limits.backoffMaxMs }) },
      on: {
        link_up: 'scanning',
        timer: { guard: 'dials', target: 'reconnecting' },
        retry: { guard: 'dials', target: 'reconnecting' },
      },
    },
    // Nothing moves it but the operator; its links come and go meanwhile.
    paused: {
      on: {
        link_down: {},
        paused: {},
        resumed: [{ guard: 'isUp', target: 'scanning' }, { target: 'reconnecting' }],
      },
    },
  },
})

const { initial, transition } = pureMachine(machine)

/** Exponential from the second failure on, capped. */
function backoffMs({ failures, limits }: Context): number {
  return Math.min(limits.backoffMaxMs, limits.backoffMinMs * 2 ** Math.min(Math.max(failures - 1, 0), 30))
}

function scanDelayMs({ cleanScans, limits }: Context): number {
  return cleanScans < 2 ? limits.scanUnsettledMs : limits.scanSettledMs
}

export class ParticipantRecovery {
  #snapshot: SnapshotFrom<typeof machine>
  readonly #first: readonly ParticipantRecoveryAction[]

  /** `dials`: the coordinator dials this participant; otherwise it waits for it to dial in. */
  constructor(options: { readonly dials: boolean; readonly limits: RecoveryLimits }) {
    const [snapshot, actions] = initial(options)
    this.#snapshot = snapshot
    this.#first = asData(actions, options.dials)
  }

  get state(): ParticipantRecoveryState {
    return this.#snapshot.value as ParticipantRecoveryState
  }

  get lastError(): string {
    return this.#snapshot.context.lastError
  }

  /** In a row, since it was last well. */
  get failures(): number {
    return this.#snapshot.context.failures
  }

  /** What the initial state asks for. */
  start(): readonly ParticipantRecoveryAction[] {
    return this.#first
  }

  send(event: ParticipantRecoveryEvent): readonly ParticipantRecoveryAction[] {
    const [snapshot, actions] = transition(this.#snapshot, event)
    this.#snapshot = snapshot
    return asData(actions, snapshot.context.dials)
  }
}

function asData(
  actions: readonly { readonly type: string; readonly params: unknown }[],
  dials: boolean,
): ParticipantRecoveryAction[] {
  const data: ParticipantRecoveryAction[] = []
  for (const { type, params } of actions) {
    if (type === 'schedule') data.push({ type, delayMs: (params as { delayMs: number }).delayMs })
    if (type === 'scan' || type === 'deliver' || (type === 'dial' && dials)) data.push({ type })
  }
  return data
}
