/** Whom to kill, and at which crash point: one window of the protocol after the other, each party in its turn. */

import { assert } from '../base/assert.ts'
import type { CrashPoint, CrashWindow } from '../base/crash-points.ts'
import { CRASH_POINTS, CRASH_WINDOWS } from '../base/crash-points.ts'
import type { ServerParty, StoresKind } from './stores.ts'

export type Party = 'daemon' | 'sink' | 'offsets' | 'processor'
/** Servers die too, where there are any. They pass no crash point themselves. */
export type Victim = Party | ServerParty

export interface Kill {
  readonly victim: Victim
  /** Who passes the crash point; it kills itself, or the victim. */
  readonly at: Party
  readonly point: CrashPoint
  readonly window: CrashWindow
}

type Aim = Omit<Kill, 'window'>

const FILE_AIMS: readonly Aim[] = [
  { victim: 'daemon', at: 'daemon', point: 'coordinator.vote.received' },
  { victim: 'daemon', at: 'daemon', point: 'coordinator.append.posted' },
  { victim: 'offsets', at: 'daemon', point: 'coordinator.delivery.before-send' },
  { victim: 'processor', at: 'daemon', point: 'coordinator.delivery.after-send' },
  { victim: 'sink', at: 'sink', point: 'participant.vote.after-send' },
  { victim: 'processor', at: 'daemon', point: 'coordinator.append.posted' },
  { victim: 'daemon', at: 'daemon', point: 'coordinator.delivery.before-send' },
  { victim: 'sink', at: 'sink', point: 'participant.decision.applied' },
  { victim: 'daemon', at: 'daemon', point: 'coordinator.append.before-post' },
  { victim: 'daemon', at: 'daemon', point: 'coordinator.append.durable' },
  { victim: 'sink', at: 'daemon', point: 'coordinator.delivery.before-send' },
  { victim: 'offsets', at: 'offsets', point: 'participant.decision.received' },
  { victim: 'offsets', at: 'offsets', point: 'participant.vote.before-send' },
  { victim: 'sink', at: 'daemon', point: 'coordinator.append.posted' },
  { victim: 'processor', at: 'daemon', point: 'coordinator.delivery.before-send' },
  { victim: 'daemon', at: 'daemon', point: 'coordinator.acknowledgement.received' },
]

const DATABASE_AIMS: readonly Aim[] = [
  { victim: 'postgres', at: 'daemon', point: 'coordinator.vote.received' },
  { victim: 'daemon', at: 'daemon', point: 'coordinator.append.posted' },
  { victim: 'mariadb', at: 'daemon', point: 'coordinator.delivery.before-send' },
  { victim: 'processor', at: 'daemon', point: 'coordinator.delivery.after-send' },
  { victim: 'sink', at: 'sink', point: 'participant.vote.after-send' },
  { victim: 'mariadb', at: 'daemon', point: 'coordinator.append.posted' },
  { victim: 'daemon', at: 'daemon', point: 'coordinator.delivery.before-send' },
  { victim: 'postgres', at: 'daemon', point: 'coordinator.delivery.after-send' },
  { victim: 'mariadb', at: 'offsets', point: 'participant.vote.before-send' },
  { victim: 'daemon', at: 'daemon', point: 'coordinator.append.durable' },
  { victim: 'postgres', at: 'daemon', point: 'coordinator.delivery.before-send' },
  { victim: 'offsets', at: 'offsets', point: 'participant.decision.received' },
  { victim: 'daemon', at: 'daemon', point: 'coordinator.vote.received' },
  { victim: 'processor', at: 'daemon', point: 'coordinator.append.posted' },
  { victim: 'offsets', at: 'daemon', point: 'coordinator.delivery.before-send' },
  { victim: 'sink', at: 'sink', point: 'participant.decision.applied' },
]

const AIMS: Readonly<Record<StoresKind, readonly Aim[]>> = { files: FILE_AIMS, databases: DATABASE_AIMS }

/** With fewer kills than windows, only the first windows are aimed at. */
export function planKills(count: number, kind: StoresKind = 'files'): readonly Kill[] {
  const aims = AIMS[kind]
  return Array.from({ length: count }, (_, index) => {
    const aim = aims[index % aims.length]
    assert(aim !== undefined, 'there are aims')
    const window = CRASH_POINTS[aim.point]
    assert(
      window !== undefined && window === CRASH_WINDOWS[index % CRASH_WINDOWS.length],
      'aims go by windows',
    )
    return { ...aim, window }
  })
}

const WINDOW_WORDS: Record<CrashWindow, string> = {
  'vote..decision': 'between vote and decision',
  'append..answer': 'between append and its answer',
  'decision..delivery': 'between decision and delivery',
  'delivery..acknowledgement': 'between delivery and acknowledgement',
}

export function wordsOf(window: CrashWindow): string {
  return WINDOW_WORDS[window]
}

/** Which windows were hit how often, in their order. */
export class WindowCounts {
  readonly #counts = new Map<CrashWindow, number>(CRASH_WINDOWS.map((window) => [window, 0]))

  add(window: CrashWindow): void {
    this.#counts.set(window, (this.#counts.get(window) ?? 0) + 1)
  }

  /** Windows that `aimed` kills should have hit, and didn't. */
  empty(aimed: number): CrashWindow[] {
    return CRASH_WINDOWS.slice(0, aimed).filter((window) => this.#counts.get(window) === 0)
  }

  toJSON(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }

  toString(): string {
    return [...this.#counts].map(([window, count]) => `${window} ${count}`).join(', ')
  }
}
