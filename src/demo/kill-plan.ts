/** Whom to kill, and at which crash point: one window of the protocol after the other, each party in its turn. */

import { assert } from '../base/assert.ts'
import type { CrashPoint, CrashWindow } from '../base/crash-points.ts'
import { CRASH_POINTS, CRASH_WINDOWS } from '../base/crash-points.ts'

export type Party = 'daemon' | 'sink' | 'offsets' | 'processor'

export interface Kill {
  readonly victim: Party
  /** Who passes the crash point; it kills itself, or the victim. */
  readonly at: Party
  readonly point: CrashPoint
  readonly window: CrashWindow
}

const AIMS: readonly Omit<Kill, 'window'>[] = [
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

/** With fewer kills than windows, only the first windows are aimed at. */
export function planKills(count: number): readonly Kill[] {
  return Array.from({ length: count }, (_, index) => {
    const aim = AIMS[index % AIMS.length]
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
