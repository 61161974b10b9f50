/** What happened to a transaction, one event a line; the same event again and again is told once. */
import type { TimelineEvent, TransactionView } from '../protocol/requests.ts'
import { formatDuration, formatTime } from './durations.ts'
import { aligned, type Cell, type TableLayout } from './table.ts'
import { oneLine } from './text.ts'
import { eventWord } from './words.ts'

interface Repeated {
  readonly event: TimelineEvent
  readonly times: number
  readonly lastTimeMs: number
}

export interface TimelineOptions {
  readonly nowMs: number
  readonly layout: TableLayout
}

export function timelineLines(
  { timeline, createTimeMs }: TransactionView,
  options: TimelineOptions,
): string[] {
  const { nowMs, layout } = options
  if (timeline.length === 0) return []
  const rows = repetitions(timeline).map(({ event, times, lastTimeMs }): Cell[] => [
    { text: `  ${formatTime(event.timeMs, nowMs)}`, style: 'dim' },
    { text: `+${formatDuration(event.timeMs - createTimeMs)}`, style: 'dim' },
    { text: event.participant === '' ? '-' : oneLine(event.participant) },
    {
      text:
        eventWord(event) +
        (times === 1 ? '' : ` (${times} times, the last ${formatTime(lastTimeMs, nowMs)})`),
    },
  ])
  return [layout.paint('bold', 'timeline'), ...aligned(rows, { ...layout, columns: undefined })]
}

function repetitions(timeline: readonly TimelineEvent[]): Repeated[] {
  const repeated: Repeated[] = []
  for (const event of timeline) {
    const last = repeated.at(-1)
    if (last !== undefined && isSame(last.event, event)) {
      repeated[repeated.length - 1] = { event: last.event, times: last.times + 1, lastTimeMs: event.timeMs }
    } else {
      repeated.push({ event, times: 1, lastTimeMs: event.timeMs })
    }
  }
  return repeated
}

function isSame(left: TimelineEvent, right: TimelineEvent): boolean {
  return left.kind === right.kind && left.participant === right.participant && left.message === right.message
}
