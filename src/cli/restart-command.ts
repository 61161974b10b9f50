/** The command by which a stranger's participant is killed and started again. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PledgedError } from '../base/errors.ts'

/** Longer than any participant should take to start; a command that waits for the participant itself ends here. */
const ENDS_WITHIN_MS = 60_000

export class RestartCommand {
  /** What the command and the participants that it started have printed. It outlives a run that found something, as they do. */
  readonly outputFile: string
  readonly #command: string

  constructor(command: string) {
    this.#command = command
    this.outputFile = join(mkdtempSync(join(tmpdir(), 'pledged-conformance-')), 'restarts.log')
  }

  readonly run = async (): Promise<void> => {
    const [code, signal] = await this.#ended()
    if (code === 0) return
    const how = code === null ? `was ended by ${signal}` : `exited with ${code}`
    throw new PledgedError(
      'USAGE',
      `the restart command ${how} (${this.outputFile}): it has to kill the participant, start it again in the background, and exit with 0; it is ${this.#command}`,
    )
  }

  /** Where nothing went wrong, nobody needs to read it. */
  discardOutput(): void {
    rmSync(dirname(this.outputFile), { recursive: true, force: true })
  }

  async #ended(): Promise<readonly [code: number | null, signal: NodeJS.Signals | null]> {
    // A file: a pipe would be held open by the participant after the program has ended, and break under it. In a session
    // of its own: an interrupt is meant for the suite, not for what it started.
    const output = openSync(this.outputFile, 'a')
    try {
      const child = spawn('sh', ['-c', this.#command], { detached: true, stdio: ['ignore', output, output] })
      const timer = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS)
      const [code, signal] = (await once(child, 'exit').finally(() => clearTimeout(timer))) as [
        number | null,
        NodeJS.Signals | null,
      ]
      return [code, signal]
    } finally {
      closeSync(output)
    }
  }
}
