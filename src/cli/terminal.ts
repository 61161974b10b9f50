/**
 * Where the program writes. Results go to standard output, all else to standard error. A reader that has gone
 * (`pledged tx list | head -1`) is not an error: the rest is dropped without a word.
 */
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
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
  /** Asks a person, on standard error. Undefined: nobody is there, at either end. */
  readonly ask: ((question: string) => Promise<string | undefined>) | undefined
}

export type Stream = Writable & { readonly isTTY?: boolean; readonly columns?: number }
export type Input = Readable & { readonly isTTY?: boolean }

export interface Streams {
  /** Where a person types, if one does; it isn't touched before somebody is asked. */
  readonly stdin: () => Input
  readonly stdout: Stream
  readonly stderr: Stream
}

export function terminalOf({ stdin, stdout, stderr }: Streams, environment: Environment): Terminal {
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
    get ask() {
      return stderr.isTTY === true && stdin().isTTY === true ? askOn(stdin, stderr) : undefined
    },
  }
}

/** Answers undefined where the input ends. */
function askOn(stdin: () => Input, stderr: Stream): NonNullable<Terminal['ask']> {
  return (question) => {
    const input = stdin()
    stderr.write(question)
    return new Promise((resolve) => {
      const lines = createInterface({ input, terminal: false })
      let answer: string | undefined
      lines.once('line', (line) => {
        answer = line
        lines.close()
      })
      lines.once('close', () => {
        input.pause()
        resolve(answer)
      })
    })
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
