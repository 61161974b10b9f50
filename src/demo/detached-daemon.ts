/** A daemon that outlives the demo: a process group of its own, its words in a file, nothing of ours held open. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { PledgedError } from '../base/errors.ts'

export interface DetachedOptions {
  readonly cliFile: string
  readonly configFile: string
  /** Where what it says goes. */
  readonly outputFile: string
}

const LAST_WORDS_MAX = 2_000

export class DetachedDaemon {
  readonly #child: ChildProcess
  readonly #outputFile: string

  constructor({ cliFile, configFile, outputFile }: DetachedOptions) {
    const output = openSync(outputFile, 'a')
    this.#child = spawn(process.execPath, [cliFile, 'serve', '--config', configFile], {
      detached: true,
      stdio: ['ignore', output, output],
      env: { ...process.env, PLEDGED_CRASH_POINT: '' },
    })
    this.#outputFile = outputFile
    closeSync(output)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Throws, with its last words, where it has ended. */
  check(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) return
    const words = readFileSync(this.#outputFile, 'utf8').trimEnd().slice(-LAST_WORDS_MAX)
    throw new PledgedError('UNAVAILABLE', `the demo's daemon could not be started: ${lastLine(words)}`)
  }

  /** From now on it is nobody's child. */
  leave(): void {
    this.#child.unref()
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

function lastLine(text: string): string {
  return text.split('\n').at(-1) ?? ''
}
