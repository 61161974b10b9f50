/**
 * Where the program writes. Results go to standard output, all else to standard error. A reader that has gone
 * (`pledged tx list | head -1`) is not an error: the rest is dropped without a word.
 */
import type { Writable } from 'node:stream'
import type { Environment } from './environment.ts'

export interface Terminal {
  /** Text of the result, with its line ends. */
  readonly out: (text: string) => void
  /** A line for the person, not for the next program. */
  readonly note: (line: string) => void
  /** Standard output is a terminal. */
  readonly isTerminal: boolean
  /** Undefined: lines may be as long as they like. */
  readonly columns: number | undefined
  /** Escape sequences are understood, and wanted. */
  readonly color: boolean
  /** Nobody reads standard output any more. */
  readonly isGone: () => boolean
  /** Why standard output could not be written, other than that. */
  readonly failure: () => Error | undefined
}

export type Stream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

export function terminalOf(stdout: Stream, stderr: Stream, environment: Environment): Terminal {
  const isTerminal = stdout.isTTY === true
  let isGone = false
  let failure: Error | undefined
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') isGone = true
    else failure ??= error
  })
  // A daemon outlives whoever watched it.
  stderr.on('error', () => {})
  return {
    out: (text) => {
      if (!isGone && failure === undefined) stdout.write(text)
    },
    note: (line) => {
      stderr.write(`${line}\n`)
    },
    isTerminal,
    columns: isTerminal ? columnsOf(stdout, environment) : undefined,
    color: isTerminal && wantsColor(environment),
    isGone: () => isGone,
    failure: () => failure,
  }
}

/** https://no-color.org: set to anything but nothing. */
function wantsColor(environment: Environment): boolean {
  return (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb'
}

const COLUMNS_MIN = 20

function columnsOf(stdout: Stream, environment: Environment): number | undefined {
  const columns = stdout.columns ?? Number(environment['COLUMNS'])
  return Number.isInteger(columns) && columns >= COLUMNS_MIN ? columns : undefined
}
