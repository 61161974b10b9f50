/** The flags of `npm run simulate`. */
import { parseArgs } from 'node:util'
import { type Break, breakNamed } from './breaks/index.ts'

export interface Arguments {
  readonly seed: number
  /** Infinite where only a time is given. */
  readonly histories: number
  readonly seconds: number | undefined
  readonly only: number | undefined
  readonly broken: Break | undefined
  readonly listsBreaks: boolean
  readonly showsCoverage: boolean
}

export class UsageError extends Error {}

const HISTORIES = 1_000
const SEED_MAX = 2 ** 32 - 1

/** Throws UsageError, with the sentence to show. */
export function readArguments(argv: readonly string[]): Arguments {
  const { values } = parsed(argv)
  const listsBreaks = values.break === 'list'
  const broken = values.break === undefined ? undefined : breakNamed(values.break)
  if (values.break !== undefined && broken === undefined && !listsBreaks) {
    throw new UsageError(`there is no break "${values.break}": see --break list`)
  }
  const seconds = wholeNumber('--seconds', values.seconds, 1_000_000)
  const untilTimeIsOver = seconds === undefined ? HISTORIES : Number.POSITIVE_INFINITY
  return {
    seed: wholeNumber('--seed', values.seed, SEED_MAX) ?? drawSeed(),
    histories: wholeNumber('--histories', values.histories, SEED_MAX) ?? untilTimeIsOver,
    seconds,
    only: wholeNumber('--only', values.only, SEED_MAX),
    broken,
    listsBreaks,
    showsCoverage: values.coverage === true,
  }
}

function parsed(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    options: {
      histories: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      only: { type: 'string' },
      break: { type: 'string' },
      coverage: { type: 'boolean' },
    },
  })
}

function wholeNumber(flag: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,16}$/.test(text) || Number(text) > max) {
    throw new UsageError(`${flag} is "${text}": expected a whole number from 0 to ${max}`)
  }
  return Number(text)
}

function drawSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0
}
