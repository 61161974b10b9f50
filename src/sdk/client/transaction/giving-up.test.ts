/** A transaction that is given up before the commit was asked for, in each state; what must not be done in it; its end by hand. */
import { describe, expect, it } from 'vitest'
import type { Transaction } from '../coordinator.ts'
import {
  answered,
  lostSent,
  matching,
  run,
  type SessionsScript,
  scripted,
  transactionsOf,
  twoBranches,
  type World,
  worldOf,
} from './test-world.ts'
import type { Transactions } from './transactions.ts'

const never = (): Promise<never> => new Promise(() => {})
const caught = (error: unknown): unknown => error

interface UnderWay {
  readonly world: World
  readonly transactions: Transactions
  readonly result: Promise<unknown>
  readonly cancel: AbortController
}

/** Runs until nothing more happens by itself. */
async function underWay(
  script: SessionsScript,
  work: (tx: Transaction, world: World) => Promise<unknown>,
): Promise<UnderWay> {
  const world = worldOf(script)
  const transactions = transactionsOf(world)
  const cancel = new AbortController()
  const result = transactions.transaction((tx) => work(tx, world), { signal: cancel.signal }).catch(caught)
  await world.time.settle()
  return { world, transactions, result, cancel }
}

const hangingPrepare = twoBranches({}, { prepare: 'hangs' })

/** Each place before the commit in which a transaction can be stuck, and how its branches end from there. */
const places: readonly [
  string,
  SessionsScript,
  (tx: Transaction, world: World) => Promise<unknown>,
  string[],
][] = [
  [
    'a callback that never returns',
    {},
    async (tx, world) => (await twoBranches()(tx, world), never()),
    ['ROLLBACK ledger', 'ROLLBACK stock'],
  ],
  [
    'work that never ends',
    {},
    (tx, { journal }) => tx.branch(scripted(journal, 'ledger'), never),
    ['LEAVE ledger'],
  ],
  [
    'a connection that never comes',
    {},
    (tx, { journal }) => tx.branch(scripted(journal, 'ledger', { open: 'hangs' }), never),
    [],
  ],
  [
    'an enlist that is not answered',
    { enlists: [never()] },
    twoBranches(),
    ['ROLLBACK ledger', 'ROLLBACK stock'],
  ],
  ['a prepare that never ends', {}, hangingPrepare, ['LEAVE stock', 'ROLLBACK ledger']],
]

describe.each(places)('given up in %s', (_name, script, work, ends) => {
  const endsOf = ({ journal }: World): string[] =>
    journal.filter((entry) => /^(ROLLBACK|LEAVE|COMMIT) /.test(entry)).toSorted()

  it('when the time is up', async () => {
    const { world, result } = await underWay(script, work)
    expect(await world.time.until(result)).toMatchObject({
      code: 'DEADLINE_PASSED',
      message: matching(/within its 10000 ms/),
    })
    expect(endsOf(world)).toEqual(ends)
    expect(world.journal).not.toContain('commit asked')
  })

  it('when the caller cancels', async () => {
    const { world, result, cancel } = await underWay(script, work)
    const reason = new Error('enough')
    cancel.abort(reason)
    expect(await world.time.until(result)).toBe(reason)
    expect(endsOf(world)).toEqual(ends)
  })

  it('when the client is closed', async () => {
    const { world, transactions, result } = await underWay(script, work)
    const closed = transactions.close()
    expect(await world.time.until(result)).toMatchObject({
      code: 'UNAVAILABLE',
      message: matching(/was closed/),
    })
    await world.time.until(closed)
    expect(endsOf(world)).toEqual(ends)
    await expect(transactions.transaction(never)).rejects.toMatchObject({ message: matching(/was closed/) })
    await expect(transactions.begin()).rejects.toMatchObject({ message: matching(/was closed/) })
  })

  it('with its signal, when the session is lost, at the latest when the time is up', async () => {
    let signal: AbortSignal | undefined
    const { world, result } = await underWay(script, (tx, to) => {
      signal = tx.signal
      return work(tx, to)
    })
    expect(signal?.aborted).toBe(false)
    world.sessions.lose()
    expect(signal?.aborted).toBe(true)
    expect(await world.time.until(result)).toMatchObject({ cause: 'session_lost', retryable: true })
    expect(endsOf(world)).toEqual(ends)
  })
})

describe('closing', () => {
  it('leaves what may have committed, and says that it is unknown', async () => {
    const { world, transactions, result } = await underWay({ commits: ['hangs'] }, twoBranches())
    const closed = transactions.close()
    expect(await world.time.until(result)).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    await world.time.until(closed)
    expect(world.journal.slice(-2)).toEqual(['LEAVE ledger', 'LEAVE stock'])
  })

  it('waits for a commit on its connection', async () => {
    const { world, transactions, result } = await underWay({}, twoBranches({ commit: 'hangs' }))
    await world.time.until(transactions.close())
    expect(await result).toMatchObject({ outcome: 'committed', complete: false })
  })

  it('may be asked for within a callback', async () => {
    const world = worldOf()
    const transactions = transactionsOf(world)
    const result = transactions.transaction(() => transactions.close()).catch(caught)
    expect(await world.time.until(result)).toMatchObject({ message: matching(/was closed/) })
  })
})

describe('misuse', () => {
  const forgotten = async (tx: Transaction, { journal }: World): Promise<void> => {
    await tx.branch(scripted(journal, 'stock'), async () => {})
    void tx.branch(scripted(journal, 'ledger'), never).catch(caught)
  }
  const nested =
    (call: (transactions: Transactions) => Promise<unknown>) => async (_tx: Transaction, world: World) =>
      call(nestedIn.get(world) ?? transactionsOf(world))
  const nestedIn = new Map<World, Transactions>()

  it.each<[string, (tx: Transaction, world: World) => Promise<unknown>, string, RegExp]>([
    [
      'a forgotten await',
      forgotten,
      'INVALID_REQUEST',
      /work in its branch "ledger" was still under way: await/,
    ],
    ['no branch', async () => 1, 'INVALID_REQUEST', /has no branch: open one/],
    [
      'another source for one participant',
      async (tx, { journal }) => {
        await tx.branch(scripted(journal, 'ledger'), async () => {})
        await tx.branch(scripted(journal, 'ledger', {}, 'another pool'), async () => {}).catch(caught)
      },
      'INVALID_REQUEST',
      /on another connection or pool/,
    ],
    [
      'work for a participant that has a branch',
      async (tx, { journal }) => {
        await tx.branch(scripted(journal, 'ledger'), async () => {})
        tx.add({ participant: 'ledger', work: 'x' })
      },
      'DUPLICATE_PARTICIPANT',
      /takes part once/,
    ],
    [
      'a branch for a participant that has work',
      async (tx, { journal }) => {
        tx.add({ participant: 'ledger', work: 'x' })
        await tx.branch(scripted(journal, 'ledger'), async () => {})
      },
      'DUPLICATE_PARTICIPANT',
      /takes part once/,
    ],
    [
      'work that has no encoding',
      async (tx) => tx.add({ participant: 'sink', work: 7 as never }),
      'INVALID_REQUEST',
      /work for participant "sink" is 7/,
    ],
    [
      'work that is too large',
      async (tx) => tx.add({ participant: 'sink', work: new Uint8Array(1 << 20) }),
      'WORK_TOO_LARGE',
      /split the transaction/,
    ],
    [
      'a name that is none',
      (tx, { journal }) => tx.branch(scripted(journal, 'Ledger!'), never),
      'INVALID_REQUEST',
      /"Ledger!" is no name/,
    ],
  ])('is refused, and rolls back: %s', async (_name, work, code, message) => {
    const { result, journal } = await run({}, work)
    expect(result).toMatchObject({ code, message: matching(message) })
    expect(journal).not.toContain('commit asked')
    expect(journal.filter((entry) => entry.startsWith('ROLLBACK') || entry.startsWith('LEAVE'))).toHaveLength(
      journal.filter((entry) => entry.startsWith('open ')).length,
    )
  })

  it('lets what still runs end before it rolls back', async () => {
    const gate = Promise.withResolvers<void>()
    const { world, result } = await underWay({}, async (tx, { journal }) => {
      void tx
        .branch(scripted(journal, 'ledger'), async (say) => {
          await gate.promise
          say('late')
        })
        .catch(caught)
      await Promise.resolve()
    })
    gate.resolve()
    expect(await world.time.until(result)).toMatchObject({ message: matching(/was still under way/) })
    expect(world.journal.indexOf('ROLLBACK ledger')).toBeGreaterThan(world.journal.indexOf('ledger: late'))
  })

  it.each([
    ['transaction', (transactions: Transactions) => transactions.transaction(never)],
    ['begin', (transactions: Transactions) => transactions.begin()],
  ] as const)('is refused within a callback: %s()', async (method, call) => {
    const world = worldOf()
    const transactions = transactionsOf(world)
    nestedIn.set(world, transactions)
    const result = transactions.transaction((tx) => nested(call)(tx, world)).catch(caught)
    expect(await world.time.until(result)).toMatchObject({
      code: 'INVALID_REQUEST',
      message: matching(new RegExp(`${method}\\(\\) was called within the callback`)),
    })
  })

  it('may follow one that has ended, from code that it had started', async () => {
    const world = worldOf()
    const transactions = transactionsOf(world)
    const gate = Promise.withResolvers<void>()
    let later: Promise<unknown> | undefined
    await world.time.until(
      transactions.transaction(async (tx) => {
        later = gate.promise.then(() => transactions.transaction((next) => twoBranches()(next, world)))
        await twoBranches()(tx, world)
      }),
    )
    gate.resolve()
    expect(await world.time.until(later ?? never())).toMatchObject({ outcome: 'committed' })
  })

  it('is refused after the end, and after a failure', async () => {
    let kept: Transaction | undefined
    const { world } = await run({}, async (tx, to) => {
      kept = tx
      await twoBranches()(tx, to)
      await tx
        .branch(scripted(to.journal, 'ledger'), () => Promise.reject(new Error('constraint')))
        .catch(caught)
      await expect(tx.branch(scripted(to.journal, 'stock'), never)).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
        message: matching(/can only abort, because of an earlier error \(constraint\)/),
      })
    })
    expect(() => kept?.add({ participant: 'sink', work: 'x' })).toThrow(/has ended: it takes nothing more/)
    await expect(kept?.branch(scripted(world.journal, 'stock'), never)).rejects.toThrow(/has ended/)
  })

  it.each([
    [{ retries: -1 }, /retries is -1/],
    [{ attempt: 0 }, /attempt is 0/],
    [{ timeoutMs: 0 }, /timeoutMs is 0/],
    [{ prepareTimeoutMs: -1 }, /prepareTimeoutMs is -1/],
  ])('is refused in options: %j', async (options, message) => {
    const { result } = await run({}, twoBranches(), options)
    expect(result).toMatchObject({
      code: 'INVALID_REQUEST',
      message: matching(message),
    })
  })

  it('gives a connection back that comes when nobody waits for it any more', async () => {
    const gate = Promise.withResolvers<void>()
    const { world, result, cancel } = await underWay({}, (tx, { journal }) => {
      const opening = scripted(journal, 'ledger')
      const late = {
        ...opening,
        open: async (...context: Parameters<typeof opening.open>) => (
          await gate.promise, opening.open(...context)
        ),
      }
      return tx.branch(late, never)
    })
    cancel.abort(new Error('enough'))
    await world.time.until(result)
    gate.resolve()
    await world.time.settle()
    expect(world.journal).toEqual(['open ledger', 'ROLLBACK ledger'])
  })
})

describe('begin', () => {
  async function begun(script: SessionsScript = {}) {
    const world = worldOf(script)
    const transactions = transactionsOf(world)
    const tx = await world.time.until(transactions.begin({ requestId: 'order-1' }))
    await twoBranches()(tx, world)
    return { world, transactions, tx }
  }

  it('commits when it is told to', async () => {
    const { world, tx } = await begun()
    expect(await world.time.until(tx.commit())).toMatchObject({ outcome: 'committed', requestId: 'order-1' })
    await tx.abort()
    await expect(tx.commit()).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: matching(/a transaction ends once/),
    })
    expect(world.journal).not.toContain('ROLLBACK ledger')
    expect(world.time.waiting).toBe(0)
  })

  it('aborts when it is told to', async () => {
    const { world, tx } = await begun()
    await world.time.until(tx.abort())
    await world.time.until(tx.abort())
    await expect(tx.commit()).rejects.toMatchObject({
      message: matching(/abort\(\) of transaction .* was called before/),
    })
    expect(world.journal.filter((entry) => entry.startsWith('ROLLBACK'))).toHaveLength(2)
  })

  it('aborts when it is disposed of without a commit', async () => {
    const world = worldOf()
    await world.time.until(
      (async () => {
        await using tx = await transactionsOf(world).begin()
        await twoBranches()(tx, world)
      })(),
    )
    expect(world.journal).toContain('ROLLBACK stock')
    expect(world.journal).not.toContain('commit asked')
  })

  it('rolls back by itself when its time is up, and says so then', async () => {
    const { world, tx } = await begun()
    const over = Promise.withResolvers<void>()
    tx.signal.addEventListener('abort', () => over.resolve())
    await world.time.until(over.promise)
    await world.time.settle()
    expect(world.journal).toContain('ROLLBACK ledger')
    await expect(tx.commit()).rejects.toMatchObject({ code: 'DEADLINE_PASSED' })
  })

  it('can not be aborted while it is being committed', async () => {
    const { world, tx } = await begun({ commits: [lostSent, answered('committed')] })
    const committed = tx.commit()
    await world.time.settle()
    const aborted = tx.abort().catch(caught)
    expect(await world.time.until(committed)).toMatchObject({ outcome: 'committed' })
    expect(await aborted).toMatchObject({ code: 'TRANSACTION_DECIDED' })
  })

  it('ends when the client is closed', async () => {
    const { world, transactions, tx } = await begun()
    await world.time.until(transactions.close())
    expect(world.journal).toContain('ROLLBACK ledger')
    await expect(tx.commit()).rejects.toMatchObject({ message: matching(/was closed/) })
  })

  it('takes no retries', async () => {
    await expect(transactionsOf(worldOf()).begin({ retries: 1 })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    })
  })
})
