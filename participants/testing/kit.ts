/** For the tests of the SQLite participants: names, work, files, a database that fails on order, processes that die. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Participant, PrepareRequest, Xid } from '../../src/sdk/participant/index.ts'
import type { Database } from '../shared/files/database.ts'

/** Of one log and epoch: a higher number is younger. */
export function xid(sequence: number): Xid {
  return `k3f9qa7m2xw4.7-q3f9.${sequence}` as Xid
}

export const XID_OF_OLDER_EPOCH = 'k3f9qa7m2xw4.6-aaaa.999' as Xid
export const XID_OF_OTHER_LOG = 'zzzzzzzzzzzz.7-q3f9.1' as Xid

export function bytes(work: unknown): Uint8Array {
  return new TextEncoder().encode(typeof work === 'string' ? work : JSON.stringify(work))
}

/** A prepare whose vote is waited for. */
export function prepareRequest(
  id: Xid,
  work: Uint8Array,
  options: Partial<Pick<PrepareRequest, 'timeoutMs' | 'onePhase' | 'signal'>> = {},
): PrepareRequest {
  const { timeoutMs = 5_000, onePhase = false, signal = new AbortController().signal } = options
  return { xid: id, work, timeoutMs, onePhase, signal }
}

/** A path in a new directory, which goes when the test ends. */
export function temporaryFile(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'pledged-participant-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, name)
}

/** Closed when the test ends. */
export function closing<P extends Participant>(participant: P): P {
  onTestFinished(() => participant.close())
  return participant
}

export interface Watch {
  readonly before?: ((sql: string) => void) | undefined
  readonly after?: ((sql: string) => void) | undefined
}

/** The database, with an eye on each statement that is executed by `exec`: BEGIN, COMMIT, savepoints, pragmas. */
export function watched<D extends Database>(database: D, watch: Watch): D {
  return new Proxy(database, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (property === 'exec') {
        return (sql: string): void => {
          watch.before?.(sql)
          target.exec(sql)
          watch.after?.(sql)
        }
      }
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** An error as the drivers throw it. */
export function sqliteError(code: string, message = 'by order of the test'): Error {
  return Object.assign(new Error(message), { code })
}

export const KILL_MOMENTS = ['before COMMIT', 'after COMMIT', 'answered'] as const
export type KillMoment = (typeof KILL_MOMENTS)[number]

export interface KilledRun {
  readonly kind: 'sqlite' | 'offsets'
  readonly file: string
  readonly verb: 'prepare' | 'commit' | 'abort'
  readonly xid: string
  /** As text. */
  readonly work: string
  readonly moment: KillMoment
}

/** Runs one verb in a process of its own, which kills itself (SIGKILL) at the moment named. */
export function runUntilKilled(run: KilledRun): void {
  const script = join(import.meta.dirname, 'killed-process.ts')
  const { signal, stderr } = spawnSync(process.execPath, [script, JSON.stringify(run)], { encoding: 'utf8' })
  if (signal !== 'SIGKILL') throw new Error(`the process was not killed: ${stderr}`)
}
