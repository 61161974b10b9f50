/** Runs a process under strace, and checks in its trace that each answer comes after the sync of its record. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { answerOf, tokenOf } from './markers.ts'

const CALLS = 'pwrite64,write,fdatasync,fsync'

/** Why processes can't be traced here; undefined: they can. */
export function whyNotTraceable(): string | undefined {
  const trial = spawnSync('strace', ['-f', '-e', `trace=${CALLS}`, '-o', '/dev/null', 'true'], {
    encoding: 'utf8',
  })
  if (trial.error !== undefined)
    return `strace can't be run (${trial.error.message}): install it (Debian: strace)`
  if (trial.status !== 0) return `strace may not trace here (allow ptrace): ${trial.stderr.trim()}`
  return undefined
}

/** The finished system calls of the process and its threads, one a line, with the paths of their descriptors. */
export function trace(
  output: string,
  command: readonly string[],
): { calls: readonly string[]; stdout: string } {
  const options = ['-f', '-y', '-s', '65536', '-e', `trace=${CALLS}`, '-o', output]
  const run = spawnSync('strace', [...options, ...command], { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (run.status !== 0) throw new Error(`the traced process failed (${run.status}): ${run.stderr}`)
  return { calls: joinInterrupted(readFileSync(output, 'utf8').split('\n')), stdout: run.stdout }
}

/**
 * What is wrong with the order, in a sentence each; nothing: for every answer, its record was written to the WAL,
 * then the WAL was synced, then the answer was said.
 */
export function problemsOf(calls: readonly string[], epoch: string, appends: number): readonly string[] {
  const problems: string[] = []
  for (let sequence = 1; sequence <= appends; sequence += 1) {
    const written = calls.findIndex((call) => isWalWrite(call) && call.includes(tokenOf(epoch, sequence)))
    const answered = calls.findIndex((call) => call.includes(answerOf(epoch, sequence)))
    const synced = calls.findIndex((call, index) => index > written && isWalSync(call))
    if (written < 0) problems.push(`record ${sequence} was not written to the WAL`)
    else if (answered < 0) problems.push(`append ${sequence} was not answered`)
    else if (answered < written)
      problems.push(`append ${sequence} was answered before its record was written`)
    else if (synced < 0 || answered < synced) problems.push(`append ${sequence} was answered before the sync`)
  }
  return problems
}

export function walSyncs(calls: readonly string[]): number {
  return calls.filter(isWalSync).length
}

function isWalWrite(call: string): boolean {
  return /^\d+\s+pwrite64\(\d+<[^>]*pledged\.db-wal>/.test(call)
}

function isWalSync(call: string): boolean {
  return /^\d+\s+(fdatasync|fsync)\(\d+<[^>]*pledged\.db-wal>\)\s+= 0$/.test(call)
}

/**
 * A call during which another thread made one is printed in two parts. What was written counts from its beginning
 * on, what was synced only from its end on: so the parts are joined where the call ended, but for writes to
 * stdout, which count where they began.
 */
function joinInterrupted(lines: readonly string[]): readonly string[] {
  const begun = new Map<string, string>()
  const calls: string[] = []
  for (const line of lines) {
    const thread = /^\d+/.exec(line)?.[0] ?? ''
    const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(line)
    const resumed = /^\d+\s+<\.\.\. \w+ resumed>(.*)$/.exec(line)
    if (unfinished !== null) {
      begun.set(thread, unfinished[1] ?? '')
      if (/^\d+\s+write\(1</.test(line)) calls.push(line)
    } else if (resumed !== null) calls.push(`${begun.get(thread) ?? ''}${resumed[1] ?? ''}`)
    else calls.push(line)
  }
  return calls
}
