/** The demo's input: one event a line, as JSON. It is read and checked whole before anything is started. */
import { readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { messageOf, PledgedError } from '../base/errors.ts'

/** Flight records of the US Bureau of Transportation Statistics; see data/README.md. */
export const FLIGHTS_FILE = join(import.meta.dirname, 'data', 'flights-20k.jsonl')

export interface Input {
  readonly file: string
  /** What the lines are, for people. */
  readonly noun: string
  readonly events: readonly string[]
}

/** Throws USAGE with the line that is not JSON. */
export function readInput(file: string | undefined): Input {
  const path = file ?? FLIGHTS_FILE
  const events = linesOf(path)
  if (events.length === 0) {
    throw new PledgedError('USAGE', `${path} has no events: give a file with one JSON value a line`)
  }
  for (const [index, line] of events.entries()) checkLine(path, index + 1, line)
  return { file: path, noun: file === undefined ? 'flights' : 'events', events }
}

function linesOf(path: string): string[] {
  try {
    const lines = readFileSync(path, 'utf8').split(/\r?\n/)
    if (lines.at(-1) === '') lines.pop()
    return lines
  } catch (error) {
    throw new PledgedError('USAGE', `can't read the input: ${messageOf(error)}`, { cause: error })
  }
}

function checkLine(path: string, number: number, line: string): void {
  try {
    JSON.parse(line)
  } catch {
    throw new PledgedError(
      'USAGE',
      `line ${number} of ${path} is not JSON: one JSON value a line is expected`,
    )
  }
}

/** An entry file beside this one, as it is named where it runs: .ts in development, .js when built. */
export function siblingOf(url: string, name: string): string {
  return join(import.meta.dirname, `${name}${extname(new URL(url).pathname)}`)
}

/** How far a processor says that it has come. */
export function offsetIn(message: unknown): number | undefined {
  if (typeof message !== 'object' || message === null || !('offset' in message)) return undefined
  return typeof message.offset === 'number' ? message.offset : undefined
}
