/**
 * The protocol's model, searched whole: I1 to I3 and I5 hold in every state that two participants and two epochs can
 * reach, and each rule that is taken away is missed. The page that explains it shows what is found here, and no more.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LIMITS, PROPOSED, PROTOCOL, type Search, UNDONE, VARIATIONS } from './searches.ts'
import { type SearchReport, search, whyNotCheckable } from './spin.ts'

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'model.md')

/** Nobody breaks a pledge here, and a prepare comes once: nothing is to be reported, and nothing pledged after its end. */
const ONLY_WITH_BROKEN_PLEDGES = new Set([
  'I1_what_is_reported_is_so = 0',
  'assert(I1_what_is_reported_is_so)',
  'heuristic_record = 1',
  'inquiry[((c*2)+p)] = 0',
  'to_commit[((c*2)+p)] = 1',
  'owed[((c*2)+p)] = 1',
])
const STATEMENTS_WITH_BROKEN_PLEDGES = 9

const whyNot = whyNotCheckable()
if (whyNot !== undefined) console.warn(`recovery-tests/model is skipped: ${whyNot}`)

// Skipped where spin or gcc can't be had: neither is a package of npm.
describe.skipIf(whyNot !== undefined).concurrent('the model', () => {
  test('holds, and does everything that it can but for what only a broken pledge brings about', async () => {
    const report = await search(PROTOCOL)
    expect(foundBy(report), report.replay).toEqual(expectedOf(PROTOCOL))
    const unreached = new Map(report.unreached)
    const inDelivery = unreached.get('Delivery') ?? []
    unreached.delete('Delivery')
    expect([...unreached.values()].flat()).toEqual([])
    expect(inDelivery.filter((statement) => !ONLY_WITH_BROKEN_PLEDGES.has(statement))).toEqual([])
    expect(inDelivery).toHaveLength(STATEMENTS_WITH_BROKEN_PLEDGES)
  })

  test.for([...VARIATIONS])('$switches: holds', async (variation) => {
    const report = await search(variation)
    expect(foundBy(report), report.replay).toEqual(expectedOf(variation))
  })

  test.for([...UNDONE])('$switches: $violates is found broken', async (undone) => {
    const report = await search(undone)
    expect(foundBy(report), report.replay).toEqual(expectedOf(undone))
  })

  test.for([...LIMITS])('$switches: a known limit, $violates', async (limit) => {
    const report = await search(limit)
    expect(foundBy(report), report.replay).toEqual(expectedOf(limit))
  })

  // Takes longer than all the others together.
  test.runIf(process.env['PLEDGED_FULL'] === '1')('what is proposed holds', async () => {
    const report = await search(PROPOSED)
    expect(foundBy(report), report.replay).toEqual(expectedOf(PROPOSED))
  })
})

const SEARCHES = [PROTOCOL, ...VARIATIONS, ...UNDONE, ...LIMITS, PROPOSED]

describe('docs/model.md', () => {
  test.for(SEARCHES)('shows $switches', (expected) => {
    expect(rows()).toContainEqual(rowOf(expected))
  })

  test('shows nothing else', () => {
    expect(rows()).toHaveLength(SEARCHES.length)
  })
})

function foundBy({ violated, states }: SearchReport) {
  return { violated, states }
}

function expectedOf({ violates, states }: Search) {
  return { violated: violates, states }
}

interface Row {
  readonly switches: string
  readonly found: string
  readonly states: string
}

/** Of the page's tables those with states in the last column. */
function rows(): Row[] {
  const found: Row[] = []
  for (const line of readFileSync(PAGE, 'utf8').split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim().replaceAll('`', ''))
    const states = cells.at(-2) ?? ''
    if (/^[\d,]+$/.test(states)) found.push({ switches: cells[1] ?? '', found: cells.at(-3) ?? '', states })
  }
  return found
}

function rowOf({ switches, violates, states }: Search): Row {
  return {
    switches: switches.length === 0 ? 'none' : switches.join(' '),
    found: violates ?? 'nothing',
    states: states.toLocaleString('en'),
  }
}
