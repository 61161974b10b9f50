/**
 * Design rule "disk before network", from outside: for every append, the kernel saw the record written, then the
 * WAL synced, then the answer. On a fresh log and on a reopened one, which SQLite would open at NORMAL.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { APPENDS } from './markers.ts'
import { problemsOf, trace, walSyncs, whyNotTraceable } from './trace.ts'

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'pledged-order-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function traceAppends(directory: string, mode: 'synced' | 'unsynced') {
  const script = join(import.meta.dirname, 'appending-process.ts')
  const command = [process.execPath, script, join(directory, 'data'), mode]
  const { calls, stdout } = trace(join(directory, 'trace'), command)
  const epoch = /^epoch (.*)$/m.exec(stdout)?.[1] ?? ''
  return { calls, problems: problemsOf(calls, epoch, APPENDS) }
}

describe('record written, then synced, then answered', () => {
  test('strace can trace here', () => {
    expect(whyNotTraceable()).toBeUndefined()
  })

  test('on a fresh log, and on the same one reopened', () => {
    const directory = temporaryDirectory()
    for (const opening of ['fresh', 'reopened', 'reopened again']) {
      const { calls, problems } = traceAppends(directory, 'synced')
      expect({ opening, problems }).toEqual({ opening, problems: [] })
      expect(walSyncs(calls)).toBeGreaterThanOrEqual(APPENDS)
    }
  })

  test('a log that does not sync its commits is found out', () => {
    const { problems } = traceAppends(temporaryDirectory(), 'unsynced')
    expect(problems).toContain(`append ${APPENDS - 1} was answered before the sync`)
  })
})
