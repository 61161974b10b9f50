/** What becomes of the branches once the commit was asked for: only what the coordinator says ends them (R1). */
import { describe, expect, it } from 'vitest'
import { OutcomeUnknownError, TransactionAbortedError } from '../outcome.ts'
import {
  answered,
  lostSent,
  lostUnsent,
  matching,
  refused,
  run,
  type SessionsScript,
  transactionsOf,
  twoBranches,
  worldOf,
} from './test-world.ts'

const OTHER = 'k3f9qa7m2xw4.7-q3f9.7' as never
const ended = /^(COMMIT|ROLLBACK|LEAVE) /
const afterwards = (journal: readonly string[]): string[] => journal.filter((entry) => ended.test(entry))
const committedBoth = ['COMMIT ledger', 'COMMIT stock']
const rolledBackBoth = ['ROLLBACK ledger', 'ROLLBACK stock']
const leftBoth = ['LEAVE ledger', 'LEAVE stock']

describe('the answer to the commit', () => {
  it('aborted: rolls back, acknowledges, and throws why', async () => {
    const abort = { abortCause: 'prepare_timeout', abortMessage: '"sink" did not vote' } as const
    const { journal, result } = await run({ commits: [answered('aborted', abort)] }, twoBranches())
    expect(afterwards(journal)).toEqual(rolledBackBoth)
    expect(journal.slice(-2)).toEqual(['acknowledge ledger done', 'acknowledge stock done'])
    expect(journal).not.toContain('abort asked')
    expect(result).toBeInstanceOf(TransactionAbortedError)
    expect(result).toMatchObject({
      cause: 'prepare_timeout',
      message: matching(/"sink" did not vote/),
      attempt: 1,
    })
  })

  it.each([
    ['was lost', [lostSent, answered('committed', { replayed: true })]],
    ['was lost again and again', [lostSent, lostSent, lostSent, answered('committed')]],
    ['was pending', [answered('pending'), answered('committed')]],
    ['was unknown, because the log failed', [answered('unknown'), answered('committed')]],
    ['was refused by a daemon that drains', [refused('DRAINING'), answered('committed')]],
    ['was not sent at first', [lostUnsent, answered('committed')]],
  ] satisfies [string, SessionsScript['commits']][])('committed, after it %s', async (_name, commits) => {
    const { journal, result } = await run({ commits }, twoBranches())
    expect(afterwards(journal)).toEqual(committedBoth)
    expect(result).toMatchObject({ outcome: 'committed', replayed: false, value: 'value' })
  })

  it('asks again for the same transaction, under the same name', async () => {
    const { world } = await run({ commits: [lostSent, answered('committed')] }, twoBranches())
    expect(world.sessions.requests).toHaveLength(2)
    expect(world.sessions.requests[1]).toEqual(world.sessions.requests[0])
  })

  it('aborted, after it was lost: the log knows of no decision', async () => {
    const { journal, result } = await run({ commits: [lostSent, answered('aborted')] }, twoBranches())
    expect(afterwards(journal)).toEqual(rolledBackBoth)
    expect(result).toMatchObject({ code: 'TRANSACTION_ABORTED', cause: undefined })
  })

  it.each([
    ['no answer comes', [lostSent]],
    ['it stays pending', [answered('pending')]],
    ['the log has failed', [answered('unknown')]],
    ['it hangs', ['hangs']],
  ] satisfies [string, SessionsScript['commits']][])(
    'unknown in time, because %s',
    async (_name, commits) => {
      const { journal, result } = await run({ commits }, twoBranches())
      expect(afterwards(journal)).toEqual(leftBoth)
      expect(journal).not.toContain('abort asked')
      expect(journal.some((entry) => entry.startsWith('acknowledge'))).toBe(false)
      expect(result).toBeInstanceOf(OutcomeUnknownError)
      expect(result).toMatchObject({
        xid: 'k3f9qa7m2xw4.7-q3f9.1',
        message: matching(/run the same transaction with/),
      })
    },
  )

  it('unknown, because the caller cancelled after it was sent', async () => {
    const world = worldOf({ commits: ['hangs'] })
    const cancel = new AbortController()
    const result = transactionsOf(world)
      .transaction((tx) => twoBranches()(tx, world), { signal: cancel.signal })
      .catch((error: unknown) => error)
    await world.time.settle()
    expect(world.journal.at(-1)).toBe('commit asked')
    cancel.abort(new Error('enough'))
    expect(await world.time.until(result)).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      cause: { message: 'enough' },
    })
    expect(afterwards(world.journal)).toEqual(leftBoth)
  })

  it('is not given up for a session that is lost while it is waited for', async () => {
    const world = worldOf({ commits: [lostSent, answered('committed')] })
    let signal: AbortSignal | undefined
    const result = transactionsOf(world).transaction(async (tx) => {
      signal = tx.signal
      await twoBranches()(tx, world)
    })
    await world.time.settle()
    world.sessions.lose()
    // A connection that hears it would give up the very commit that is to come.
    expect(signal?.aborted).toBe(false)
    expect(await world.time.until(result)).toMatchObject({ outcome: 'committed' })
    expect(afterwards(world.journal)).toEqual(committedBoth)
  })

  it('was never asked for where the session had ended: it aborts, and may be tried again', async () => {
    const world = worldOf({ commits: [lostUnsent] })
    const result = transactionsOf(world)
      .transaction((tx) => twoBranches()(tx, world))
      .catch((error: unknown) => error)
    await world.time.settle()
    world.sessions.lose()
    expect(await world.time.until(result)).toMatchObject({ cause: 'session_lost', retryable: true })
    expect(afterwards(world.journal)).toEqual(rolledBackBoth)
  })

  it('was never asked for in time: it is rolled back', async () => {
    const { journal, result } = await run({ commits: [lostUnsent] }, twoBranches())
    expect(afterwards(journal)).toEqual(rolledBackBoth)
    expect(result).toMatchObject({ code: 'DEADLINE_PASSED' })
  })
})

describe('a commit that is refused', () => {
  it('is rolled back once the daemon has said that it aborted', async () => {
    const { journal, result } = await run({ commits: [refused('INVALID_REQUEST')] }, twoBranches())
    expect(journal.slice(journal.indexOf('abort asked'))).toEqual([
      'abort asked',
      'abort aborted',
      ...rolledBackBoth,
      'acknowledge ledger done',
      'acknowledge stock done',
    ])
    expect(result).toMatchObject({ code: 'INVALID_REQUEST' })
  })

  it('is left to the daemon where that says nothing', async () => {
    const aborts = [lostSent]
    const { journal, result } = await run({ commits: [refused('REQUEST_TOO_OLD')], aborts }, twoBranches())
    expect(afterwards(journal)).toEqual(leftBoth)
    expect(result).toMatchObject({ code: 'REQUEST_TOO_OLD' })
  })

  it('is committed where an operator has decided so meanwhile', async () => {
    const script = { commits: [refused('LIMIT_REACHED')], aborts: [answered('committed')] }
    const { journal, result } = await run(script, twoBranches())
    expect(afterwards(journal)).toEqual(committedBoth)
    expect(result).toMatchObject({ outcome: 'committed' })
  })

  it('is refused until the time is up', async () => {
    const { journal, result } = await run({ commits: [refused('DRAINING')] }, twoBranches())
    expect(afterwards(journal)).toEqual(rolledBackBoth)
    expect(result).toMatchObject({ code: 'DRAINING' })
  })

  it('after one that may have arrived, is looked up by its xid', async () => {
    for (const outcome of ['committed', 'aborted'] as const) {
      const gets = [{ end: 'answered', response: { outcome } } as const]
      const { journal } = await run({ commits: [lostSent, refused('REQUEST_TOO_OLD')], gets }, twoBranches())
      expect(afterwards(journal)).toEqual(outcome === 'committed' ? committedBoth : rolledBackBoth)
    }
  })

  it('after one that may have arrived, tells nothing where the look-up tells nothing', async () => {
    for (const [gets, asked] of [
      [[refused('FOREIGN_XID')], 2],
      [[{ end: 'answered', response: { outcome: 'unknown' } } as const], 2],
      [[{ end: 'answered', response: { outcome: 'pending' } } as const, refused('FOREIGN_XID')], 3],
    ] as const) {
      const commits = [lostSent, refused('FOREIGN_XID')]
      const { journal, result } = await run({ commits, gets }, twoBranches())
      expect(afterwards(journal)).toEqual(leftBoth)
      expect(result).toBeInstanceOf(OutcomeUnknownError)
      expect(journal.filter((entry) => entry === 'commit asked')).toHaveLength(asked)
    }
  })
})

describe('a request that was answered under another xid', () => {
  const committedBefore = answered('committed', { xid: OTHER, replayed: true, state: 'committed' })

  it('is replayed; this one is aborted first, and then rolled back', async () => {
    const { journal, result } = await run({ commits: [committedBefore] }, twoBranches())
    expect(journal.slice(journal.indexOf('abort asked'))).toEqual([
      'abort asked',
      'abort aborted',
      ...rolledBackBoth,
      'acknowledge ledger done',
      'acknowledge stock done',
    ])
    expect(result).toMatchObject({ outcome: 'committed', xid: OTHER, replayed: true, value: undefined })
  })

  it('is replayed, and left to the daemon where the abort is not answered', async () => {
    const { journal, result } = await run({ commits: [committedBefore], aborts: [lostSent] }, twoBranches())
    expect(afterwards(journal)).toEqual(leftBoth)
    expect(result).toMatchObject({ outcome: 'committed', replayed: true })
  })

  it('has aborted: the next attempt may run', async () => {
    const commits = [answered('aborted', { xid: OTHER, retryable: true }), answered('committed')]
    const { journal, result, world } = await run({ commits }, twoBranches(), { retries: 1 })
    expect(afterwards(journal)).toEqual([...rolledBackBoth, ...committedBoth])
    expect(world.sessions.requests.map((request) => request.name?.attempt)).toEqual([1, 2])
    expect(result).toMatchObject({ attempt: 2, replayed: false })
  })

  it('is not known yet: this one is not ended before', async () => {
    const commits = [answered('pending', { xid: OTHER }), committedBefore]
    const { journal } = await run({ commits }, twoBranches())
    expect(journal.filter((entry) => entry === 'commit asked')).toHaveLength(2)
    expect(journal.indexOf('abort asked')).toBeGreaterThan(journal.indexOf('commit committed elsewhere'))
  })
})
