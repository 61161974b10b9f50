/**
 * How long the fuzzing goes on, and from which seed. The seed is drawn fresh and printed: PLEDGED_FUZZ_SEED repeats a
 * run, as far as real processes can be repeated. PLEDGED_FULL=1 does many times as much.
 */
import { randomInt } from 'node:crypto'

const given = process.env['PLEDGED_FUZZ_SEED'] ?? ''

export const SEED = given === '' ? randomInt(2 ** 31 - 1) : Number.parseInt(given, 10)

export const IS_FULL = process.env['PLEDGED_FULL'] === '1'

/** For `fc.assert`. `full`: how many with PLEDGED_FULL=1. */
export function runs(quick: number, full: number): { readonly seed: number; readonly numRuns: number } {
  return { seed: SEED, numRuns: IS_FULL ? full : quick }
}

process.stderr.write(`fuzzing: PLEDGED_FUZZ_SEED=${SEED}\n`)
