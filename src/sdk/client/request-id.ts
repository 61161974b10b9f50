/**
 * The names of requests that their callers leave unnamed. One begins with the time, so that the log's index of requests grows at
 * its end and not all over. All of the rest is drawn anew for each: two copies of one process (a machine that was cloned) must not
 * name theirs alike.
 */
import { CROCKFORD } from '../../base/ids.ts'
import type { Clock, Random } from '../../base/ports.ts'

/** Two digits at a time from a table: Number's toString of another radix than ten takes longer than all the rest of a call. */
const PAIRS = Array.from(CROCKFORD, (first) => Array.from(CROCKFORD, (second) => first + second)).flat()
const PAIR_BITS = 10
/** Of four digits each: 100 bits in all. */
const DRAWS = 5

let lastMs = Number.NaN
let lastTime = ''

export function drawRequestId({ clock, random }: { readonly clock: Clock; readonly random: Random }): string {
  let id = `${timeOf(Math.trunc(clock.wallMs()))}-`
  for (let draw = 0; draw < DRAWS; draw += 1) id += fourDigits(random.below(PAIRS.length ** 2))
  return id
}

function fourDigits(number: number): string {
  return `${PAIRS[number >> PAIR_BITS]}${PAIRS[number & (PAIRS.length - 1)]}`
}

function timeOf(ms: number): string {
  if (ms !== lastMs) {
    lastMs = ms
    lastTime = ms.toString(36)
  }
  return lastTime
}
