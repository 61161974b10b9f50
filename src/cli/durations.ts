/** Durations and times, as people type and read them. Within the program they are milliseconds. */
import { PledgedError } from '../base/errors.ts'

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
type Unit = keyof typeof UNITS_MS

const DURATION = /^(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)$/

/** Ten years: beyond it a mistake is likelier than a wish. */
const DURATION_MS_MAX = 3_650 * UNITS_MS.d

/** `30s`, `500ms`, `1.5h`. `flag` is named where it is something else. */
export function parseDuration(flag: string, text: string): number {
  const match = DURATION.exec(text)
  const durationMs = match === null ? Number.NaN : Number(match[1]) * UNITS_MS[match[2] as Unit]
  if (durationMs <= DURATION_MS_MAX) return durationMs
  throw new PledgedError(
    'USAGE',
    `${flag} takes a duration such as 500ms, 30s, 5m, 2h or 7d; ${JSON.stringify(text)} isn't one`,
  )
}

/** In the largest units that tell enough: `6 ms`, `1.4s`, `74s`, `3m 20s`, `3h 12m`, `2d 4h`. */
export function formatDuration(durationMs: number): string {
  const ms = Math.max(0, durationMs)
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(Math.floor(ms / 100) / 10).toString()}s`
  if (ms < 120_000) return `${Math.floor(ms / 1_000)}s`
  if (ms < UNITS_MS.h) return inTwoUnits(ms, 'm', 's')
  return ms < UNITS_MS.d ? inTwoUnits(ms, 'h', 'm') : inTwoUnits(ms, 'd', 'h')
}

/** For a column, where every row counts in whole seconds as long as that reads well: `0s`, `74s`, `3h 12m`. */
export function formatAge(ageMs: number): string {
  return ageMs < 10_000 ? `${Math.floor(Math.max(0, ageMs) / 1_000)}s` : formatDuration(ageMs)
}

/** As protobuf's JSON has it: `3s`, `0.250s`. */
export function durationJson(durationMs: number): string {
  const ms = Math.round(durationMs)
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${(ms / 1_000).toFixed(3)}s`
}

/** `14:02:11.418` where it was today, else with the date; by this machine's time zone. */
export function formatTime(timeMs: number, nowMs: number): string {
  return `${formatSecond(timeMs, nowMs)}.${String(new Date(timeMs).getMilliseconds()).padStart(3, '0')}`
}

/** `14:02:11`: for what a person says, and did. */
export function formatSecond(timeMs: number, nowMs: number): string {
  const time = new Date(timeMs)
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
  return time.toDateString() === new Date(nowMs).toDateString() ? clock : `${formatDate(time)} ${clock}`
}

function formatDate(time: Date): string {
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
}

function two(number: number): string {
  return String(number).padStart(2, '0')
}

function inTwoUnits(ms: number, large: Unit, small: Unit): string {
  const whole = Math.floor(ms / UNITS_MS[large])
  const rest = Math.floor((ms % UNITS_MS[large]) / UNITS_MS[small])
  return rest === 0 ? `${whole}${large}` : `${whole}${large} ${rest}${small}`
}
