/**
 * The daemon part's process: `pledged serve` with a parent in the place of a person. It is ready, drains, and fails to
 * start, over the channel to its supervisor. While that lives, no signal ends it: Ctrl-C, and service managers that signal
 * every process at once, would take the daemon from an application that still ends its work. When the supervisor
 * has died it drains and ends by itself, so that nothing is left that holds the data directory.
 */
import { rmSync } from 'node:fs'
import { PledgedError } from '../../base/errors.ts'
import type { Configuration } from '../configuration.ts'
import type { Daemon } from '../daemon.ts'
import type { DaemonOptions } from '../options.ts'
import { runDaemon } from '../run-daemon.ts'
import { listenToSignals, toOwnSignals } from '../signals.ts'
import { type DaemonMessage, failureOf, isDrain, type Ready } from './messages.ts'

/** Its only argument, as JSON. */
export interface DaemonPartOptions {
  readonly daemon: DaemonOptions
  readonly quiet: boolean
  /** Of the socket, where it is the supervisor's to remove. */
  readonly temporaryDirectory: string | undefined
}

const EXIT_FAILED = 70
/** Those of a terminal, and those of service managers. */
const LEFT_TO_THE_SUPERVISOR = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const
const ignore = (): void => {}

let isOrphaned = false
let isServing = false
for (const signal of LEFT_TO_THE_SUPERVISOR) process.on(signal, ignore)
const [text = '{}'] = process.argv.slice(2)
await main(JSON.parse(text) as DaemonPartOptions)

async function main({ daemon: options, quiet, temporaryDirectory }: DaemonPartOptions): Promise<void> {
  let exitCode = EXIT_FAILED
  // However it ends.
  process.on('exit', () => {
    if (isOrphaned && temporaryDirectory !== undefined) {
      rmSync(temporaryDirectory, { recursive: true, force: true })
    }
  })
  try {
    exitCode = await runDaemon(options, process.env, {
      quiet,
      listen: (second) => listenToSignals(second, toSupervisor),
      started: (daemon, configuration) => {
        isServing = true
        void tell(readyOf(daemon, configuration))
      },
    })
  } catch (error) {
    await tell({ type: 'failed', failure: failureOf(PledgedError.from(error)) })
  }
  process.exit(exitCode)
}

function readyOf(daemon: Daemon, { dataDirectory, limits }: Configuration): Ready {
  const { logFailure } = daemon.inspection.status()
  return {
    type: 'ready',
    address: daemon.grpcAddress,
    dataDirectory,
    drainTimeoutMs: limits.drainTimeoutMs,
    refusal: logFailure === undefined ? undefined : failureOf(logFailure),
  }
}

/** Resolves when it has left, or never will. */
function tell(message: DaemonMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve()
    process.send(message, () => resolve())
  })
}

function toSupervisor(hear: () => void): () => void {
  let forgetSignals = ignore
  const orphaned = (): void => {
    if (isOrphaned) return
    isOrphaned = true
    // It has taken nothing on, and a start may take long.
    if (!isServing) process.exit(EXIT_FAILED)
    forgetSignals = toOwnSignals(hear)
    hear()
  }
  const heard = (message: unknown): void => {
    if (isDrain(message)) hear()
  }
  process.on('message', heard)
  process.on('disconnect', orphaned)
  // It may have died before anybody listened.
  if (!process.connected) orphaned()
  return () => {
    process.off('message', heard)
    process.off('disconnect', orphaned)
    forgetSignals()
  }
}
