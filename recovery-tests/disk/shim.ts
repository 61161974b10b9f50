/** Processes whose disk fails on order: shim.c, compiled here, in front of libc. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Fault {
  readonly call: 'sync' | 'write' | 'truncate'
  /** The end of the file's path. */
  readonly path: string
  /** From the NTH such call on, once it is armed. */
  readonly nth: number
  readonly effect: 'EIO' | 'ENOSPC' | 'torn' | 'short'
}

export interface FailingDisk {
  /** For the process that is to have it. */
  readonly environment: Readonly<Record<string, string>>
  arm(): void
  /** Every call does again what it should. */
  heal(): void
  /** Calls that it failed. */
  hits(): number
}

/** Why there is no shim here; undefined: there is one. */
export function whyNoShim(directory: string): string | undefined {
  if (process.platform !== 'linux') return 'the shim is for Linux'
  try {
    compile(directory)
    return undefined
  } catch (error) {
    return `the shim can't be compiled (Debian: gcc, libc6-dev): ${error instanceof Error ? error.message : String(error)}`
  }
}

export function failingDisk(directory: string, { call, path, nth, effect }: Fault): FailingDisk {
  const trigger = join(directory, 'disk-fault-trigger')
  const report = join(directory, 'disk-fault-report')
  return {
    environment: {
      LD_PRELOAD: compile(directory),
      DISK_FAULT: [call, path, nth, effect].join(':'),
      DISK_FAULT_TRIGGER: trigger,
      DISK_FAULT_REPORT: report,
    },
    arm: () => writeFileSync(trigger, ''),
    heal: () => rmSync(trigger, { force: true }),
    hits: () => (existsSync(report) ? readFileSync(report, 'utf8').split('\n').length - 1 : 0),
  }
}

function compile(directory: string): string {
  const library = join(directory, 'shim.so')
  if (existsSync(library)) return library
  const source = join(import.meta.dirname, 'shim.c')
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', library, source, '-ldl'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return library
}
