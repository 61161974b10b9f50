/**
 * Whatever the coordinator, the connections, the caller and the clock do, in any order: the branches are ended as the
 * coordinator has said, and the caller is told the truth. Each rule of the checker is broken once, to see it caught.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { SessionAnswer } from '../../../protocol/session-messages.ts'
import type { Transaction } from '../coordinator.ts'
import { OutcomeUnknownError } from '../outcome.ts'
import {
  answered,
  type BranchScript,
  lostSent,
  lostUnsent,
  refused,
  type SessionsScript,
  scripted,
  transactionsOf,
  type Verdict,
  worldOf,
} from './test-world.ts'

const PARTICIPANTS = ['ledger', 'stock']
const OTHER = { xid: 'k3f9qa7m2xw4.7-q3f9.77' as SessionAnswer['xid'] }

const verdict = fc.constantFrom<Verdict | 'hangs'>(
  answered('committed'),
  answered('aborted'),
  answered('aborted', { retryable: true }),
  answered('pending'),
  answered('unknown'),
  answered('committed', OTHER),
  answered('aborted', OTHER),
  answered('pending', OTHER),
  lostSent,
  lostSent,
  lostUnsent,
  refused('DRAINING'),
  refused('INVALID_REQUEST'),
  refused('LIMIT_REACHED'),
  'hangs',
)
const enlisting = fc.constantFrom(
  { end: 'answered', response: undefined } as const,
  { end: 'answered', response: undefined } as const,
  { end: 'answered', response: undefined } as const,
  lostSent,
  refused('UNKNOWN_PARTICIPANT'),
)
const looking = fc.constantFrom(
  { end: 'answered', response: { outcome: 'committed' } } as const,
  { end: 'answered', response: { outcome: 'aborted' } } as const,
  { end: 'answered', response: { outcome: 'pending' } } as const,
  { end: 'answered', response: { outcome: 'unknown' } } as const,
  refused('FOREIGN_XID'),
  lostSent,
)
const many = { minLength: 1, maxLength: 4 }
const sessions: fc.Arbitrary<SessionsScript> = fc.record({
  commits: fc.array(verdict, many),
  aborts: fc.array(verdict, many),
  gets: fc.array(looking, many),
  enlists: fc.array(enlisting, many),
})
const mostly = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 8, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) })
const branch: fc.Arbitrary<BranchScript & { readonly work: 'done' | 'throws' | 'hangs' }> = fc.record({
  open: mostly<'opens' | 'fails' | 'hangs'>('opens', 'fails', 'hangs'),
  prepare: mostly<'prepared' | 'read_only' | 'hangs' | Error>(
    'prepared',
    'read_only',
    'hangs',
    new Error('no'),
  ),
  commit: mostly<boolean | 'hangs'>(true, false, 'hangs'),
  rollBack: mostly<boolean | 'hangs'>(true, false, 'hangs'),
  work: mostly<'done' | 'throws' | 'hangs'>('done', 'throws', 'hangs'),
})
/** After how many turns of the event loop something from outside happens. */
const interruption = fc.record({
  kind: fc.constantFrom('none', 'none', 'session lost', 'cancelled', 'closed'),
  turn: fc.nat(24),
  afterMs: fc.nat(200),
})

interface Life {
  readonly script: SessionsScript
  readonly branches: readonly (BranchScript & { readonly work: 'done' | 'throws' | 'hangs' })[]
  readonly interruption: { readonly kind: string; readonly turn: number; readonly afterMs: number }
}

const lives: fc.Arbitrary<Life> = fc.record({
  script: sessions,
  branches: fc.array(branch, { minLength: 2, maxLength: 2 }),
  interruption,
})

async function live({ script, branches, interruption: { kind, turn, afterMs } }: Life) {
  const world = worldOf(script)
  const transactions = transactionsOf(world)
  const cancel = new AbortController()
  const work = async (tx: Transaction): Promise<void> => {
    await Promise.all(
      branches.map((one, index) =>
        tx.branch(scripted(world.journal, PARTICIPANTS[index] ?? '', one), async () => {
          if (one.work === 'throws') throw new Error('constraint')
          if (one.work === 'hangs') await new Promise(() => {})
        }),
      ),
    )
  }
  const result = transactions
    .transaction(work, { signal: cancel.signal, timeoutMs: 300 })
    .catch((error: unknown) => error)
  const interrupt = (): void => {
    if (kind === 'session lost') world.sessions.lose()
    else if (kind === 'cancelled') cancel.abort(new Error('cancelled'))
    else if (kind === 'closed') void transactions.close()
  }
  // Some within the first turns, where nearly everything happens, some in the course of time.
  if (turn < 12) {
    for (let turns = 0; turns < turn; turns += 1) await Promise.resolve()
    interrupt()
  } else world.time.after(afterMs, interrupt)
  const outcome = await world.time.until(result)
  await world.time.settle()
  return { world, outcome }
}

/** What of the rules a history breaks, in words. */
function violationsIn(
  journal: readonly string[],
  enlistedAt: ReadonlyMap<string, number>,
  outcome: unknown,
): string[] {
  const violations: string[] = []
  const told = { committed: false, aborted: false, sent: false }
  const endings = new Map<string, string>()
  journal.forEach((entry, index) => {
    const [verb = '', what = ''] = entry.split(' ')
    if (verb === 'commit' && what === 'asked')
      told.sent ||= journal.slice(index).find(isReply) !== 'commit unsent'
    // Before it was asked to, no coordinator says so: that is the script's own folly.
    if (told.sent && isTold(entry, 'committed')) told.committed = true
    if (isTold(entry, 'aborted')) told.aborted = true
    if (verb === 'prepare' && (enlistedAt.get(what) ?? Number.POSITIVE_INFINITY) > index) {
      violations.push(`${what} was prepared before its enlist was answered (R12)`)
    }
    if (verb === 'ROLLBACK' && told.sent && !told.aborted)
      violations.push(`${what} was rolled back untold (R1)`)
    if (verb === 'COMMIT' && !told.committed) violations.push(`${what} was committed untold`)
    if (verb === 'acknowledge' && !told.committed && !told.aborted)
      violations.push(`${what} was acknowledged undecided`)
    if (!['ROLLBACK', 'COMMIT', 'LEAVE'].includes(verb)) return
    if (endings.has(what)) violations.push(`${what} was ended twice`)
    endings.set(what, verb)
  })
  const ends = [...endings.values()]
  if (outcome instanceof OutcomeUnknownError && ends.some((verb) => verb !== 'LEAVE')) {
    violations.push('the caller was told unknown, and a branch was ended')
  }
  const isCommitted = isOutcome(outcome, 'committed', false)
  if (isCommitted !== told.committed && !isOutcome(outcome, 'committed', true))
    violations.push('the caller was told otherwise')
  return violations
}

const isReply = (entry: string): boolean => /^commit (?!asked)/.test(entry)

function isTold(entry: string, outcome: string): boolean {
  return [`commit ${outcome}`, `abort ${outcome}`, `get ${outcome}`].includes(entry)
}

function isOutcome(result: unknown, outcome: string, replayed: boolean): boolean {
  const { outcome: is, replayed: was } = result as { readonly outcome?: unknown; readonly replayed?: unknown }
  return is === outcome && was === replayed
}

describe('in any order of things', () => {
  it('a branch is ended as the coordinator has said, and the caller told the truth', async () => {
    await fc.assert(
      fc.asyncProperty(lives, async (life) => {
        const { world, outcome } = await live(life)
        expect(violationsIn(world.journal, world.sessions.enlistedAt, outcome)).toEqual([])
      }),
      { numRuns: 1_500 },
    )
  }, 60_000)

  it('every ending is met', async () => {
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(lives, async (life) => {
        const { world, outcome } = await live(life)
        for (const entry of world.journal) seen.add(entry.split(' ').slice(0, 2).join(' '))
        seen.add(outcome instanceof Error ? outcome.name : 'committed')
      }),
      { numRuns: 500, seed: 7 },
    )
    for (const ending of [
      'COMMIT ledger',
      'ROLLBACK ledger',
      'LEAVE ledger',
      'get committed',
      'abort aborted',
    ]) {
      expect(seen).toContain(ending)
    }
    for (const end of [
      'committed',
      'OutcomeUnknownError',
      'TransactionAbortedError',
      'PledgedError',
      'Error',
    ]) {
      expect(seen).toContain(end)
    }
  }, 60_000)

  const committed = { outcome: 'committed', replayed: false }
  const enlisted = new Map([['ledger', 1]])

  it.each<[string, string[], unknown]>([
    [
      'rolled back untold (R1)',
      ['enlist ledger', 'commit asked', 'commit lost', 'ROLLBACK ledger'],
      new Error(),
    ],
    [
      'rolled back untold (R1)',
      ['commit asked', 'commit committed elsewhere', 'ROLLBACK ledger'],
      { outcome: 'committed', replayed: true },
    ],
    ['committed untold', ['commit asked', 'commit pending', 'COMMIT ledger'], new Error()],
    ['ended twice', ['commit asked', 'commit committed', 'COMMIT ledger', 'LEAVE ledger'], committed],
    ['prepared before its enlist', ['prepare ledger'], new Error()],
    ['acknowledged undecided', ['enlist ledger', 'acknowledge ledger done'], new Error()],
    ['told otherwise', ['commit asked', 'commit committed', 'COMMIT ledger'], new Error()],
    ['told otherwise', ['commit asked', 'commit lost', 'LEAVE ledger'], committed],
  ])('the checker sees a branch %s', (violation, journal, outcome) => {
    expect(violationsIn(journal, enlisted, outcome).join()).toContain(violation)
  })
})
