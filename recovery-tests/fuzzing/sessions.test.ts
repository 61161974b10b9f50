/**
 * OpenSession of a live daemon, used in any order and against every rule: batches before the hello, two hellos, calls without
 * their parts, others' leases, endings of what was never begun, lists that don't agree, floods, a client that doesn't read.
 * Each call is refused by itself; a stream that breaks the protocol ends with a sentence; the daemon goes on, and stays small.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/limits.ts'
import { BranchResult } from '../../src/wire/generated/pledged/v1/branch.ts'
import { OpenSessionRequest } from '../../src/wire/generated/pledged/v1/transaction_service.ts'
import { IS_FULL, runs } from './budget.ts'
import { DaemonClient } from './clients.ts'
import { readContract } from './contract.ts'
import { dictionary, xidsOfEveryStanding } from './dictionary.ts'
import { messages } from './hostile-messages.ts'
import { lengthDelimited } from './hostile-values.ts'
import { answerOf, framed, RawConnection } from './raw-calls.ts'
import { END_WITHIN_MS, opened, play, type StreamMessages, scripts } from './stream-scripts.ts'
import { World } from './world.ts'

const OPEN = '/pledged.v1.TransactionService/OpenSession'
const GROWTH_BYTES_MAX = 100 << 20
const STARTS_WITHIN_MS = 120_000
const FLOOD_MESSAGES = 50
const FLOOD_ITEMS = 4_000
/** Divides `sessionsMax`. */
const AT_ONCE = 64

type Batch = Parameters<typeof OpenSessionRequest.fromPartial>[0]

const root = mkdtempSync(join(tmpdir(), 'pledged-fuzz-'))
const world = new World(join(root, 'world'))
const client = new DaemonClient(world.address)
const contract = readContract()
let ofDaemon = ''
let xids: string[] = []

beforeAll(async () => {
  await world.start()
  const { logId, epoch } = await client.status()
  ofDaemon = `${logId}.${epoch}`
  // Leases are small numbers, too: those of other sessions are hit.
  xids = [
    ...xidsOfEveryStanding(logId, epoch),
    ...[257, 300, 513].map((sequence) => `${ofDaemon}.${sequence}`),
  ]
}, STARTS_WITHIN_MS)

afterAll(async () => {
  client.close()
  await world.stop()
  rmSync(root, { recursive: true, force: true })
})

const message = (body: Batch['body']): Uint8Array =>
  OpenSessionRequest.encode(OpenSessionRequest.fromPartial({ body })).finish()

const hello = (clientId: string, leaseSize = 0): Uint8Array =>
  message({ $case: 'hello', value: { protocolVersion: 1, leaseSize, clientId } })

function sessionMessages(): StreamMessages {
  const participants = ['sink', 'ledger', 'offsets', 'mailer', 'nobody']
  const options = { contract, dictionary: dictionary({ participants, xids }) }
  return {
    hellos: [hello(''), hello('one'), hello('one', 3), hello('two', 2 ** 31 - 1)],
    batch: messages('pledged.v1.SessionRequestBatch', options).map((bytes) => lengthDelimited(2, bytes)),
    any: messages('pledged.v1.OpenSessionRequest', options),
  }
}

const BLOCKED_AFTER_MS = 500

/** One message after the other, as fast as the daemon takes them, until it takes no more, or ends the stream. */
async function flood(body: (round: number) => Batch['body'], { reads = true } = {}): Promise<void> {
  const { stream, connection } = await opened(world.address, OPEN, hello('flood'), { reads })
  const ended = new Promise<boolean>((resolve) => stream.once('close', () => resolve(false)))
  let goesOn = true
  for (let round = 0; round < FLOOD_MESSAGES && goesOn; round += 1) {
    const bytes = framed(message(body(round)))
    const taken = new Promise<boolean>((resolve) => stream.write(bytes, () => resolve(true)))
    const blocked = sleep(BLOCKED_AFTER_MS, false)
    goesOn = await Promise.race([taken, ended, blocked])
  }
  await world.expectGood()
  connection.drop()
}

const items = <Item>(make: (index: number) => Item): Item[] =>
  Array.from({ length: FLOOD_ITEMS }, (_, i) => make(i))
const xidAt = (index: number): string => `${ofDaemon}.${index + 1}`

const FLOODS: readonly (readonly [string, () => Promise<void>])[] = [
  ['leases', () => flood(() => ({ $case: 'batch', value: { leaseSize: 2 ** 31 - 1 } }))],
  [
    'endings of what it has not begun',
    () =>
      flood(() => ({
        $case: 'batch',
        value: {
          acknowledgements: items((index) => ({
            xid: xidAt(index),
            participant: 'sink',
            result: BranchResult.DONE,
          })),
        },
      })),
  ],
  [
    'branches of what it was not leased',
    () =>
      flood((round) => ({
        $case: 'batch',
        value: {
          enlists: items((index) => ({
            callId: round * FLOOD_ITEMS + index + 1,
            xid: `${ofDaemon}.${10 ** 12 + index}`,
            branch: { participant: 'ledger', resourceId: 'r', connectionId: 'c' },
          })),
        },
      })),
  ],
  [
    'questions whose answers it does not read',
    () =>
      flood(
        (round) => ({
          $case: 'batch',
          value: {
            gets: items((index) => ({
              callId: round * FLOOD_ITEMS + index + 1,
              request: { key: { $case: 'xid', value: xidAt(index) } },
            })),
          },
        }),
        { reads: false },
      ),
  ],
]

describe('sessions', () => {
  it('may be used in any order', async () => {
    const many = fc.array(scripts(sessionMessages()), { minLength: 3, maxLength: 10 })
    await fc.assert(
      fc.asyncProperty(many, async (several) => {
        await world.start()
        await Promise.all(several.map((steps) => play(world.address, OPEN, steps)))
        world.daemon.requireWell()
        expect(await world.isServing()).toBe(true)
      }),
      runs(10, 300),
    )
    await world.expectGood()
  })

  it.each(FLOODS)('take a flood of %s', async (_what, pour) => {
    await pour()
    expect(await world.isServing()).toBe(true)
  })

  it('are bounded in number, and the next is told so', async () => {
    const sessions: Awaited<ReturnType<typeof opened>>[] = []
    // A few at once: a socket takes no more than its backlog holds.
    while (sessions.length < defaultLimits.sessionsMax) {
      const names = Array.from({ length: AT_ONCE }, (_, index) => `client-${sessions.length + index}`)
      const more = names.map((name) => opened(world.address, OPEN, hello(name, 1)))
      sessions.push(...(await Promise.all(more)))
    }
    const answer = await playOne(hello('one too many', 1))
    expect(answer).toContain(`limits.sessions (${defaultLimits.sessionsMax}) is reached`)
    for (const { connection } of sessions) connection.drop()
    await world.expectGood()
  })

  it('leave nothing behind', async () => {
    const rounds = IS_FULL ? 20 : 2
    let warmBytes = 0
    for (let round = 0; round < 2 * rounds; round += 1) {
      // What a process has used once it keeps: the first half shows how much that is.
      if (round === rounds) warmBytes = world.daemon.rssBytes
      for (const [, pour] of FLOODS) await pour()
    }
    const growthBytes = world.daemon.rssBytes - warmBytes
    process.stderr.write(`sessions: the daemon has grown by ${Math.round(growthBytes / 1e6)} MB\n`)
    expect(growthBytes).toBeLessThan(GROWTH_BYTES_MAX)
    await client.abortAllBegun()
    await world.expectGood()
    await world.expectWhole()
  })
})

/** What the daemon said to a stream that was opened with that, as far as it is text. */
async function playOne(first: Uint8Array): Promise<string> {
  const connection = new RawConnection(world.address)
  const stream = connection.open({ path: OPEN })
  const end = answerOf(stream, END_WITHIN_MS)
  stream.end(framed(first))
  const { body, message: status } = await end
  connection.close()
  return `${body.toString('latin1')} ${status}`
}
