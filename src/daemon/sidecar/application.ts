/** The application: a child in the supervisor's own process group, on the same terminal and streams. */
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { messageOf } from '../../base/errors.ts'
import type { Environment } from '../options.ts'

export interface ApplicationCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly environment: Environment
}

export interface NotStarted {
  readonly type: 'not_found' | 'not_executable'
  /** A sentence. */
  readonly message: string
}

export class Application {
  /** As a shell has it: the exit code, or 128 and the number of the signal that ended it. */
  readonly ended: Promise<number>
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        resolve(signal === null ? (code ?? 0) : exitCodeOfSignal(signal))
      })
    })
  }

  static async start({ command, args, environment }: ApplicationCommand): Promise<Application | NotStarted> {
    try {
      const child = spawn(command, args, { stdio: 'inherit', env: environment })
      const application = new Application(child)
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve)
        child.on('error', reject)
      })
      return application
    } catch (error) {
      return notStarted(command, error)
    }
  }

  send(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}

export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

function notStarted(command: string, error: unknown): NotStarted {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const quoted = JSON.stringify(command)
  switch (code) {
    case 'ENOENT':
      return {
        type: 'not_found',
        message: `${quoted} was not found, or the interpreter that it names was not; nothing was started`,
      }
    case 'EACCES':
      return {
        type: 'not_executable',
        message: `${quoted} can't be executed: it is no program, or this user may not run it (chmod +x?); nothing was started`,
      }
    default:
      return {
        type: 'not_executable',
        message: `${quoted} can't be executed: ${messageOf(error)}; nothing was started`,
      }
  }
}
