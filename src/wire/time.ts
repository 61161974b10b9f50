/** Milliseconds, the domain's unit, to and from protobuf's Timestamp (a Date in generated code) and Duration. */
import { assert } from '../base/assert.ts'
import { PledgedError } from '../base/errors.ts'
import type { Duration } from './generated/google/protobuf/duration.ts'

/** https://protobuf.dev/reference/protobuf/google.protobuf/#duration: about 10,000 years, either way. */
const DURATION_SECONDS_MAX = 315_576_000_000n
const NANOS_PER_MS = 1_000_000
const NANOS_MAX = 999_999_999

export function toTimestamp(timeMs: number): Date {
  const date = new Date(timeMs)
  assert(!Number.isNaN(date.getTime()), 'a time is a finite number of milliseconds')
  return date
}

export function toOptionalTimestamp(timeMs: number | undefined): Date | undefined {
  return timeMs === undefined ? undefined : toTimestamp(timeMs)
}

/** `field` is the name that the sender of a bad value is told. */
export function fromTimestamp(field: string, time: Date): number {
  const timeMs = time.getTime()
  if (!Number.isNaN(timeMs)) return timeMs
  throw new PledgedError('INVALID_REQUEST', `${field} isn't a time that a calendar has`)
}

export function fromOptionalTimestamp(field: string, time: Date | undefined): number | undefined {
  return time === undefined ? undefined : fromTimestamp(field, time)
}

/** Fractions of a millisecond are kept, down to the nanosecond. */
export function toDuration(durationMs: number): Duration {
  assert(Number.isFinite(durationMs), 'a duration is a finite number of milliseconds')
  let seconds = Math.trunc(durationMs / 1_000)
  let nanos = Math.round((durationMs - seconds * 1_000) * NANOS_PER_MS)
  if (Math.abs(nanos) > NANOS_MAX) {
    seconds += Math.sign(nanos)
    nanos = 0
  }
  return { seconds: BigInt(seconds), nanos: nanos === 0 ? 0 : nanos }
}

export function toOptionalDuration(durationMs: number | undefined): Duration | undefined {
  return durationMs === undefined ? undefined : toDuration(durationMs)
}

export function fromDuration(field: string, duration: Duration): number {
  const { seconds, nanos } = duration
  const opposed = (seconds > 0n && nanos < 0) || (seconds < 0n && nanos > 0)
  const outOfRange =
    seconds > DURATION_SECONDS_MAX || seconds < -DURATION_SECONDS_MAX || Math.abs(nanos) > NANOS_MAX
  if (opposed || outOfRange) {
    throw new PledgedError('INVALID_REQUEST', `${field} isn't a valid google.protobuf.Duration`)
  }
  return Number(seconds) * 1_000 + nanos / NANOS_PER_MS
}

export function fromOptionalDuration(field: string, duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : fromDuration(field, duration)
}
