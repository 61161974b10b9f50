/**
 * The main job as a newcomer sees it: a stream of real events goes into a sink database and an offset store, one
 * transaction a batch, while daemon, participants, processor (and the database servers, where there are any) are killed
 * with kill -9, aimed at each window of the protocol. `runDemo` answers with the exit code: 0 when the proof holds and
 * every aimed window was hit. Or one transaction is left in doubt, with a daemon that stays.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { FileStores } from './file-stores.ts'
import { readInput } from './input.ts'
import { runKilled } from './killed-run.ts'
import type { LeftAddress } from './leave-in-doubt.ts'
import { runNaive } from './naive-run.ts'
import { BATCH } from './names.ts'
import { Reporter } from './reporter.ts'
import type { Stores } from './stores.ts'

export interface DemoOptions {
  readonly inputFile?: string | undefined
  readonly kills: number
  readonly naive: boolean
  /** On PostgreSQL and MariaDB, which it starts, in the place of SQLite. */
  readonly databases: boolean
  readonly json: boolean
  readonly color: boolean
  readonly quiet: boolean
  /** Where the files are made and left; a new temporary directory by default. */
  readonly keep?: string | undefined
  /** Given: one transaction is left in doubt, at a daemon there, with its files in this directory or in `keep`. */
  readonly leaveInDoubt?: LeftAddress | undefined
}

export async function runDemo(options: DemoOptions): Promise<number> {
  forgetAccess()
  const input = readInput(options.inputFile)
  const reporter = new Reporter({ json: options.json, quiet: options.quiet, events: input.events.length })
  const cliFile = resolve(process.argv[1] ?? '')
  if (options.leaveInDoubt !== undefined) {
    const { leaveInDoubt } = await import('./leave-in-doubt.ts')
    const directory = options.keep ?? process.cwd()
    return leaveInDoubt({ directory, cliFile, input, reporter, address: options.leaveInDoubt })
  }
  const directory = options.keep ?? mkdtempSync(join(tmpdir(), 'pledged-demo-'))
  const run = {
    directory,
    cliFile,
    input,
    kills: options.kills,
    // A short input is cut into smaller batches, so that every kill finds one to aim at.
    batch: Math.max(1, Math.min(BATCH, Math.floor(input.events.length / (4 * options.kills + 4)))),
    reporter,
  }
  if (options.naive) return runNaive(run)
  return runKilled(run, await storesOf(options, directory))
}

/** The demo's daemon is its own, and in plain text: the tokens and certificates of this environment are another one's. */
function forgetAccess(): void {
  for (const variable of Object.keys(process.env)) {
    if (variable.startsWith('PLEDGED_TLS_') || variable === 'PLEDGED_TOKEN_FILE') process.env[variable] = ''
  }
}

/** The drivers are loaded by whoever wants them. */
async function storesOf({ databases }: DemoOptions, directory: string): Promise<Stores> {
  if (!databases) return new FileStores(directory)
  const { DatabaseStores } = await import('./database-stores.ts')
  return new DatabaseStores(directory)
}
