/** The example examples/embedded, as its README says to run it: one process, two files, killed between them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, it } from 'vitest'

const EXAMPLE = resolve(import.meta.dirname, '../../examples/embedded/transfer.ts')
const directory = mkdtempSync(join(tmpdir(), 'pledged-embedded-example-'))

afterAll(() => rmSync(directory, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
}

async function transfer(args: readonly string[], crashPoint = ''): Promise<Ended> {
  const child = spawn(process.execPath, [EXAMPLE, ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PLEDGED_CRASH_POINT: crashPoint },
  })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { code, signal, stdout }
}

function cents(file: 'giro' | 'savings', owner: string): unknown {
  const database = new DatabaseSync(join(directory, `${file}.db`), { readOnly: true })
  try {
    return database.prepare('SELECT cents FROM account WHERE owner = ?').get(owner)?.['cents']
  } finally {
    database.close()
  }
}

function moved(): unknown[] {
  return [cents('giro', 'alice'), cents('savings', 'bob')]
}

describe('the transfer without a daemon', () => {
  it('happens in both files, or is refused in both', async () => {
    expect(await transfer(['alice', 'bob', '2500'])).toEqual({
      code: 0,
      signal: null,
      stdout: expect.stringMatching(/^moved 2500 cents from alice to bob: \S+\n$/),
    })
    expect(moved()).toEqual([7_500, 2_500])
    expect(await transfer(['bob', 'alice', '999999'])).toEqual({
      code: 1,
      signal: null,
      stdout: expect.stringMatching(
        /^nothing was moved: participant "giro" voted no: statements\[0\]: 0 rows /,
      ),
    })
    expect(moved()).toEqual([7_500, 2_500])
  })

  it('is whole after kill -9 between the decision and its delivery', async () => {
    const killed = await transfer(['alice', 'bob', '100'], 'participant.decision.received')
    expect(killed).toEqual({ code: null, signal: 'SIGKILL', stdout: '' })
    expect(await transfer(['alice', 'bob', '1'])).toMatchObject({ code: 0 })
    expect(moved()).toEqual([7_399, 2_601])
  })
})
