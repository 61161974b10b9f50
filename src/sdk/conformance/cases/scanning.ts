/** The list of what is held prepared, in pages. */
import { callErrorOf } from '../answers.ts'
import type { Bench } from '../bench.ts'
import { ensure, NotApplicable } from '../finding.ts'
import type { ConformanceCase } from './conformance-case.ts'

const HELD = 7
const PAGE_SIZES = [1, 2, 3, 1_000, 0] as const
const ODD_TOKENS = [
  'garbage',
  "'; DROP TABLE pledges; --",
  '-1',
  '99999999999999999999',
  '\u{1F525}',
  'x'.repeat(4_096),
] as const
const ODD_SIZES = [-1, 2_147_483_647, -2_147_483_648] as const

export const scanningCases: readonly ConformanceCase[] = [
  {
    name: 'scan-pages',
    weight: 'safety',
    rule: 'Whatever the page size, the pages together list every held branch exactly once, none with more than was asked for.',
    why: 'What a scan leaves out stays in doubt, and what was forgotten in its name can no longer be told (R9).',
    advice:
      'Order by xid, and let next_page_token be the last xid of the page: the next page is what comes after it.',
    run: listsInPages,
  },
  {
    name: 'scan-while-ending',
    weight: 'safety',
    rule: 'A branch that is held during the whole scan is listed, though others end between the pages.',
    why: 'A coordinator ends what the first page showed before it asks for the second.',
    advice:
      'Page by key (what comes after the last xid), never by offset: rows that go make an offset skip others.',
    run: listsWhileEnding,
  },
  {
    name: 'scan-odd-requests',
    weight: 'robustness',
    rule: 'A page token that it never gave out, or an odd page size, is refused with an error; the participant goes on.',
    why: 'A scan that quietly begins elsewhere looks complete, and is not.',
    advice:
      'Answer INVALID_ARGUMENT to a token that is not yours; take a negative size for the default or refuse it.',
    run: survivesOddRequests,
  },
]

async function listsInPages(bench: Bench): Promise<string> {
  const pledged = await bench.pledgeSeveral(HELD)
  for (const pageSize of PAGE_SIZES) {
    const first = await listed(bench, pageSize)
    for (const xid of pledged) {
      const times = first.filter((other) => other === xid).length
      ensure(times === 1, `with page_size ${pageSize}, ${xid} is listed ${times} times`)
    }
    const second = await listed(bench, pageSize)
    const mine = (xids: readonly string[]): string => xids.filter((xid) => pledged.includes(xid)).join()
    ensure(mine(first) === mine(second), `with page_size ${pageSize}, two scans gave two orders`)
  }
  return `${pledged.length} held at once, in pages of ${PAGE_SIZES.join(', ')}`
}

/** One scan that looks at each page. */
async function listed(bench: Bench, pageSize: number): Promise<readonly string[]> {
  if (pageSize > 0) {
    const answer = await bench.page(pageSize, '')
    const size = answer.ok ? answer.value.branches.length : 0
    ensure(size <= pageSize, `a page of ${pageSize} had ${size} branches`)
  }
  return (await bench.scan(pageSize)).map(({ xid }) => xid)
}

async function listsWhileEnding(bench: Bench): Promise<string> {
  const pledged = await bench.pledgeSeveral(HELD)
  if (pledged.length < 4) {
    throw new NotApplicable(`it holds only ${pledged.length} at once: the scan has no second page to lose`)
  }
  const seen: string[] = []
  let pageToken = ''
  do {
    const answer = await bench.page(2, pageToken)
    ensure(answer.ok, `the next page was answered ${answer.ok ? '' : callErrorOf(answer).text}`)
    const mine = answer.value.branches.map(({ xid }) => xid).filter((xid) => pledged.includes(xid))
    seen.push(...mine)
    await Promise.all(mine.map((xid) => bench.end('abort', xid)))
    pageToken = answer.value.nextPageToken
  } while (pageToken !== '')
  const missing = pledged.filter((xid) => !seen.includes(xid))
  ensure(
    missing.length === 0,
    `${missing.length} of ${pledged.length} were never listed, and are held: ${missing[0]}`,
  )
  return `${seen.length} listed, each ended before the next page`
}

async function survivesOddRequests(bench: Bench): Promise<string> {
  const xid = await bench.pledge()
  const refusals: string[] = []
  for (const token of ODD_TOKENS) {
    const answer = await bench.page(10, token)
    await bench.requireServing(`after the page token ${JSON.stringify(token.slice(0, 30))}`)
    if (answer.ok) {
      bench.remark(
        `the page token ${JSON.stringify(token.slice(0, 30))}, which it never gave out, was answered with ${answer.value.branches.length} branches`,
      )
    } else refusals.push(callErrorOf(answer).text)
  }
  for (const pageSize of ODD_SIZES) {
    await bench.page(pageSize, '')
    await bench.requireServing(`after the page size ${pageSize}`)
  }
  ensure((await bench.held()).has(xid), `${xid} was held before, and is no longer listed`)
  return refusals[0] ?? 'all answered'
}
