/** The demo as it is run by a newcomer, on both kinds of stores, with fewer events: its own proof, and its exit code. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { FLIGHTS_FILE } from '../../src/demo/input.ts'
import { pledged } from '../harness/pledged.ts'

const EVENTS = 6_000
const KILLS = 8
const ENDS_WITHIN_MS = 300_000

const directory = mkdtempSync(join(tmpdir(), 'pledged-demo-test-'))
const input = join(directory, 'events.jsonl')
writeFileSync(input, readFileSync(FLIGHTS_FILE, 'utf8').split('\n').slice(0, EVENTS).join('\n'))

afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe.each(['files', 'databases'])('the demo on %s', (stores) => {
  it('holds its proof through kill -9 in every window', async () => {
    const flags = stores === 'databases' ? ['--databases'] : []
    const { code, stdout, stderr } = await pledged(
      [
        'demo',
        '--json',
        '--input',
        input,
        '--kills',
        String(KILLS),
        '--keep',
        join(directory, stores),
        ...flags,
      ],
      { withinMs: ENDS_WITHIN_MS },
    )
    expect(code, stderr).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      events: EVENTS,
      sink_rows: EVENTS,
      distinct: EVENTS,
      offset: EVENTS,
      missing: 0,
      duplicates: 0,
      in_doubt: 0,
      kills: KILLS,
      windows: {
        'vote..decision': 2,
        'append..answer': 2,
        'decision..delivery': 2,
        'delivery..acknowledgement': 2,
      },
    })
  })
})
