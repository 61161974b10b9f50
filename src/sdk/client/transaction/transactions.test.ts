/** The ordinary lives of a transaction: what is asked of whom, in which order, and what the caller is told. */
import { describe, expect, it } from 'vitest'
import type { PledgedError } from '../../../base/errors.ts'
import type { Transaction } from '../coordinator.ts'
import { TransactionAbortedError } from '../outcome.ts'
import {
  answered,
  lostSent,
  refused,
  run,
  type SessionsScript,
  scripted,
  transactionsOf,
  twoBranches,
  type World,
  worldOf,
} from './test-world.ts'

describe('a transaction that commits', () => {
  it('enlists, prepares all, asks once, commits on every connection, and acknowledges', async () => {
    const { journal, result, world } = await run({ commits: [answered('committed')] }, twoBranches())
    expect(journal).toEqual([
      'open ledger',
      'enlist ledger',
      'ledger: insert',
      'open stock',
      'enlist stock',
      'stock: update',
      'prepare ledger',
      'prepare stock',
      'commit asked',
      'commit committed',
      'COMMIT ledger',
      'COMMIT stock',
      'acknowledge ledger done',
      'acknowledge stock done',
    ])
    expect(result).toMatchObject({ outcome: 'committed', replayed: false, complete: true, value: 'value' })
    expect(world.sessions.requests[0]).toMatchObject({
      name: { attempt: 1, firstSentTimeMs: 1_700_000_000_000 },
      preparedBranches: [
        { participant: 'ledger', resourceId: 'resource of ledger', connectionId: '1', readOnly: false },
        { participant: 'stock', readOnly: false },
      ],
      branches: [],
      waitFor: 'decision',
    })
    expect(world.points).toEqual([
      'application.branch.enlisted',
      'application.branch.enlisted',
      'application.prepare.before',
      'application.prepare.after',
      'application.prepare.after',
      'application.commit.answered',
      'application.branch.committed',
      'application.branch.committed',
      'application.branches.ended',
      'application.commit.sent',
    ])
    expect(world.time.waiting).toBe(0)
  })

  it('lists work for the daemon, and is complete only when that is', async () => {
    const work = async (tx: Transaction, world: World): Promise<void> => {
      tx.add({ participant: 'sink', work: { rows: 1 } })
      tx.add({ participant: 'audit', work: 'x' })
      await twoBranches()(tx, world)
    }
    const { result, world } = await run({ commits: [answered('committed')] }, work)
    expect(result).toMatchObject({ complete: false })
    expect(world.sessions.requests[0]?.branches.map((branch) => branch.participant)).toEqual([
      'audit',
      'sink',
    ])
    const later = await run({ commits: [answered('committed', { state: 'committed' })] }, work)
    expect(later.result).toMatchObject({ complete: true })
  })

  it('needs no branch of its own', async () => {
    const { result, journal } = await run({ commits: [answered('committed')] }, async (tx) =>
      tx.add({ participant: 'sink', work: 'x' }),
    )
    expect(result).toMatchObject({ outcome: 'committed' })
    expect(journal).toEqual(['commit asked', 'commit committed'])
  })

  it('goes on in a branch that is open, also at the same time', async () => {
    const { result, journal } = await run({}, async (tx, { journal: to }) => {
      const opening = scripted(to, 'ledger')
      await Promise.all([1, 2].map((row) => tx.branch(opening, async (say) => say(`insert ${row}`))))
      await tx.branch(scripted(to, 'ledger'), async (say) => say('insert 3'))
    })
    expect(result).toMatchObject({ outcome: 'committed' })
    expect(journal.slice(0, 6)).toEqual([
      'open ledger',
      'enlist ledger',
      'ledger: insert 1',
      'ledger: insert 2',
      'ledger: insert 3',
      'prepare ledger',
    ])
  })

  it('says which branches changed nothing, and leaves those alone', async () => {
    const { journal, world } = await run({}, twoBranches({ prepare: 'read_only' }))
    expect(world.sessions.requests[0]?.preparedBranches).toMatchObject([
      { participant: 'ledger', readOnly: true },
      { participant: 'stock', readOnly: false },
    ])
    expect(journal.filter((entry) => entry.includes('ledger') && !entry.includes(':'))).toEqual([
      'open ledger',
      'enlist ledger',
      'prepare ledger',
    ])
  })

  it.each([false, 'hangs'] as const)('leaves a commit that is %s to the daemon', async (commit) => {
    const { journal, result } = await run({}, twoBranches({ commit }))
    expect(result).toMatchObject({ outcome: 'committed', complete: false })
    expect(journal.slice(-2)).toEqual(['acknowledge ledger unknown', 'acknowledge stock done'])
  })
})

describe('a transaction that is not to commit', () => {
  it('throws what the callback throws, once everything is rolled back', async () => {
    const own = new Error('no stock')
    const { journal, result } = await run({}, async (tx, world) => {
      await twoBranches()(tx, world)
      throw own
    })
    expect(result).toBe(own)
    expect(journal.slice(6)).toEqual([
      'abort asked',
      'abort aborted',
      'ROLLBACK ledger',
      'ROLLBACK stock',
      'acknowledge ledger done',
      'acknowledge stock done',
    ])
  })

  it('says nothing to the daemon where nothing was enlisted', async () => {
    const { journal } = await run({}, () => Promise.reject(new Error('early')))
    expect(journal).toEqual([])
  })

  it('acknowledges nothing before the daemon has said that it aborted', async () => {
    const { journal, world } = await run({ aborts: [lostSent] }, async (tx, to) => {
      await twoBranches({ rollBack: false })(tx, to)
      throw new Error('own')
    })
    await world.time.until(new Promise<void>((resolve) => void world.time.after(2_000, resolve)))
    expect(journal.filter((entry) => entry.startsWith('acknowledge'))).toEqual([])
    expect(journal).toContain('abort lost')
  })

  it('is doomed by a branch that fails, also where the callback goes on', async () => {
    const failure = new Error('constraint')
    const { journal, result } = await run({}, async (tx, world) => {
      await twoBranches()(tx, world)
      await tx.branch(scripted(world.journal, 'ledger'), () => Promise.reject(failure)).catch(() => undefined)
    })
    expect(result).toBeInstanceOf(TransactionAbortedError)
    expect(result).toMatchObject({ code: 'TRANSACTION_ABORTED', cause: 'client', failure, retryable: false })
    expect(journal).not.toContain('prepare ledger')
    expect(journal).toContain('ROLLBACK stock')
  })

  it('rolls everything back where one branch can not be prepared', async () => {
    const failure = Object.assign(new Error('could not serialize'), { retryable: true })
    const { journal, result } = await run({}, twoBranches({}, { prepare: failure }))
    expect(result).toMatchObject({ code: 'TRANSACTION_ABORTED', cause: 'vote_no', failure, retryable: true })
    expect(journal).toContain('ROLLBACK ledger')
    expect(journal).toContain('ROLLBACK stock')
    expect(journal).not.toContain('commit asked')
  })

  it('does not roll back again what was read-only', async () => {
    const { journal } = await run({}, twoBranches({ prepare: 'read_only' }, { prepare: new Error('no') }))
    expect(journal).not.toContain('ROLLBACK ledger')
    expect(journal).toContain('acknowledge ledger done')
  })

  it('is refused what it enlists, and says so', async () => {
    const { journal, result } = await run({ enlists: [refused('UNKNOWN_PARTICIPANT')] }, twoBranches())
    expect(result).toMatchObject({ code: 'UNKNOWN_PARTICIPANT' })
    expect(journal).not.toContain('prepare ledger')
    expect(journal).toContain('ROLLBACK ledger')
  })

  it('waits for the answer to each enlist before it prepares', async () => {
    const gate = Promise.withResolvers<ReturnType<typeof refused>>()
    const world = worldOf({ enlists: [gate.promise] })
    const ended = transactionsOf(world)
      .transaction((tx) => twoBranches()(tx, world))
      .catch((error: unknown) => error)
    await world.time.settle()
    expect(world.journal.at(-1)).toBe('stock: update')
    gate.resolve(refused('PARTICIPANT_PAUSED'))
    expect(await world.time.until(ended)).toMatchObject({ code: 'PARTICIPANT_PAUSED' })
    expect(world.journal).not.toContain('prepare ledger')
  })

  it('has lost its session where an enlist is lost', async () => {
    const { result } = await run({ enlists: [lostSent] }, twoBranches())
    expect(result).toMatchObject({ code: 'TRANSACTION_ABORTED', cause: 'session_lost', retryable: true })
  })

  it('throws why a connection was not to be had', async () => {
    const { journal, result } = await run({}, twoBranches({}, { open: 'fails' }))
    expect(result).toMatchObject({ message: 'no connection to stock' })
    expect(journal).toContain('ROLLBACK ledger')
  })

  it('gives a branch up whose connection does not come back', async () => {
    const { journal, result } = await run({}, async (tx, world) => {
      await tx.branch(scripted(world.journal, 'ledger', { rollBack: 'hangs' }), async () => {})
      throw new Error('own')
    })
    expect(result).toMatchObject({ message: 'own' })
    expect(journal.slice(-2)).toEqual(['ROLLBACK ledger', 'acknowledge ledger unknown'])
  })
})

describe('retries', () => {
  const conflict = (): Error => Object.assign(new Error('deadlock'), { retryable: true })

  it('runs the callback anew under another xid, as the next attempt', async () => {
    const xids: string[] = []
    const { result, world } = await run(
      {},
      async (tx, { journal }) => {
        xids.push(tx.xid)
        await tx.branch(scripted(journal, 'ledger'), async () => {
          if (xids.length < 3) throw conflict()
        })
        return xids.length
      },
      { retries: 2, requestId: 'order-1' },
    )
    expect(result).toMatchObject({ outcome: 'committed', attempt: 3, requestId: 'order-1', value: 3 })
    expect(new Set(xids).size).toBe(3)
    expect(world.sessions.requests).toMatchObject([{ name: { requestId: 'order-1', attempt: 3 } }])
  })

  it('ends with the last error when they are used up', async () => {
    const { result, journal } = await run(
      {},
      (tx, { journal: to }) => tx.branch(scripted(to, 'ledger'), () => Promise.reject(conflict())),
      { retries: 1 },
    )
    expect(result).toMatchObject({ message: 'deadlock' })
    expect(journal.filter((entry) => entry === 'open ledger')).toHaveLength(2)
  })

  it.each([
    [
      'an abort that may not happen again',
      { commits: [answered('aborted', { retryable: true, abortCause: 'vote_no' }), answered('committed')] },
      2,
    ],
    ['an abort that would', { commits: [answered('aborted', { abortCause: 'vote_no' })] }, 1],
    ['an unknown outcome', { commits: [lostSent] }, 1],
    ['a refusal', { commits: [refused('LIMIT_REACHED')] }, 1],
  ] satisfies [string, SessionsScript, number][])('counts %s', async (_name, script, runs) => {
    const { journal } = await run(script, twoBranches(), { retries: 5 })
    expect(journal.filter((entry) => entry === 'open ledger')).toHaveLength(runs)
  })

  it("are not for the callback's own errors", async () => {
    const { journal } = await run(
      {},
      async (tx, world) => {
        await twoBranches()(tx, world)
        throw conflict()
      },
      { retries: 5 },
    )
    expect(journal.filter((entry) => entry === 'open ledger')).toHaveLength(1)
  })

  it('see through what a query builder wraps', async () => {
    const { result } = await run(
      { commits: [answered('committed')] },
      async (tx, world) => {
        const wrapped = new Error('query failed', { cause: conflict() })
        const isFirst = world.sessions.begun.length === 1
        await tx.branch(scripted(world.journal, 'ledger'), () =>
          isFirst ? Promise.reject(wrapped) : Promise.resolve(),
        )
      },
      { retries: 1 },
    )
    expect(result).toMatchObject({ outcome: 'committed', attempt: 2 })
  })
})

describe("the caller's own request id", () => {
  it('is looked up first, and what had committed under it is not run again', async () => {
    const known = { outcome: 'committed', state: 'committed', attempt: 4 } as const
    const { journal, result } = await run(
      { gets: [refused('STARTING'), { end: 'answered', response: known }] },
      () => Promise.reject(new Error('not to be called')),
      { requestId: 'order-1' },
    )
    expect(journal).toEqual(['get asked', 'get asked'])
    expect(result).toMatchObject({
      outcome: 'committed',
      replayed: true,
      value: undefined,
      attempt: 4,
      complete: true,
    })
  })

  it('runs where it is not known, or has not committed', async () => {
    for (const gets of [[], [{ end: 'answered' as const, response: { outcome: 'aborted' as const } }]]) {
      const { result } = await run({ gets }, twoBranches(), { requestId: 'order-1' })
      expect(result).toMatchObject({ outcome: 'committed', replayed: false, value: 'value' })
    }
  })

  it('fails as a call does that reaches nobody', async () => {
    const { result, journal } = await run({ gets: [lostSent] }, twoBranches(), { requestId: 'order-1' })
    expect(result).toMatchObject({ code: 'UNAVAILABLE' })
    expect((result as PledgedError).message).toMatch(/no connection to 127\.0\.0\.1:7420 within 10000 ms/)
    expect(journal).not.toContain('open ledger')
  })
})

describe('a session that is not to be had', () => {
  it('is waited for', async () => {
    const begins = [lostSent, refused('DRAINING'), { end: 'answered', response: undefined } as const]
    const { result } = await run({ begins }, twoBranches())
    expect(result).toMatchObject({ outcome: 'committed' })
  })

  it('fails the transaction in time', async () => {
    const { result } = await run({ begins: [lostSent] }, twoBranches())
    expect(result).toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('fails it at once where it is refused', async () => {
    const { result } = await run({ begins: [refused('PERMISSION_DENIED')] }, twoBranches())
    expect(result).toMatchObject({ code: 'PERMISSION_DENIED' })
  })
})
