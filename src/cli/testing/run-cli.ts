/** The command line within the test's own process, on a terminal that remembers. */
import { Readable, Writable } from 'node:stream'
import type { Environment } from '../environment.ts'
import { main } from '../main.ts'

export interface CliOptions {
  readonly environment?: Environment | undefined
  /** Given: standard output is a terminal of that width. */
  readonly columns?: number | undefined
  /** Given: a person sits at standard input and standard error, and types this. */
  readonly typed?: string | undefined
}

export interface CliResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { environment = {}, columns, typed } = options
  const stdout = new Recorder(columns)
  const stderr = new Recorder(typed === undefined ? undefined : 80)
  const stdin = Object.assign(Readable.from(typed === undefined ? [] : [typed]), {
    isTTY: typed !== undefined,
  })
  const exitCode = await main(args, { stdin: () => stdin, stdout, stderr, environment })
  return { exitCode, stdout: stdout.text, stderr: stderr.text }
}

class Recorder extends Writable {
  text = ''
  readonly columns: number
  readonly isTTY: boolean

  constructor(columns: number | undefined) {
    super()
    this.isTTY = columns !== undefined
    this.columns = columns ?? 0
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}
