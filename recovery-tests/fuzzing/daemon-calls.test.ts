/**
 * Every unary method of a live daemon, called with messages of valid structure and hostile values, with what is no
 * message, and in frames that are none. Each call ends in time, with an answer or a sentence; beside it good
 * transactions commit, whole; the daemon neither dies nor grows.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Outcome } from '../../src/wire/generated/pledged/v1/transaction.ts'
import {
  ExecuteTransactionRequest,
  ExecuteTransactionResponse,
  GetTransactionRequest,
  GetTransactionResponse,
} from '../../src/wire/generated/pledged/v1/transaction_service.ts'
import { requireAnswer, requireEnd } from './answers.ts'
import { IS_FULL, runs } from './budget.ts'
import { DaemonClient } from './clients.ts'
import { type Method, readContract } from './contract.ts'
import { dictionary, xidsOfEveryStanding } from './dictionary.ts'
import { brokenFrames, hostileHeaders } from './frames.ts'
import { messages } from './hostile-messages.ts'
import { framed, RawConnection } from './raw-calls.ts'
import { World } from './world.ts'

const ANSWER_WITHIN_MS = 15_000
const GROWTH_BYTES_MAX = 100 << 20
const { OK, INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION } = status
const SERVICES = ['pledged.v1.TransactionService', 'pledged.v1.AdminService']
const STARTS_WITHIN_MS = 120_000

const root = mkdtempSync(join(tmpdir(), 'pledged-fuzz-'))
const world = new World(join(root, 'world'))
const client = new DaemonClient(world.address)
const contract = readContract()
const methods = contract.methods.filter(
  ({ service, clientStreams, serverStreams }) =>
    SERVICES.includes(service) && !clientStreams && !serverStreams,
)
let xids: string[] = []
/** That were answered to whole messages. */
const statuses = new Set<number | undefined>()
let connection: RawConnection | undefined

beforeAll(async () => {
  await world.start()
  const { logId, epoch } = await client.status()
  xids = xidsOfEveryStanding(logId, epoch)
}, STARTS_WITHIN_MS)

afterAll(async () => {
  connection?.close()
  client.close()
  await world.stop()
  rmSync(root, { recursive: true, force: true })
})

/** One that a broken frame has ended is made anew. */
function connected(): RawConnection {
  if (connection === undefined || connection.closed) connection = new RawConnection(world.address)
  return connection
}

function requestsOf(method: Method): fc.Arbitrary<Uint8Array> {
  // One that is paused takes part in nothing, and that is right.
  const participants =
    method.name === 'PauseParticipant'
      ? ['mailer', 'nobody']
      : ['sink', 'offsets', 'ledger', 'mailer', 'nobody']
  return messages(method.request, { contract, dictionary: dictionary({ participants, xids }) })
}

/** Sent side by side, as many as there are; a shrunk failure has the fewest that do it. */
async function sendAll(
  method: Method,
  requests: readonly [Uint8Array, Record<string, string>][],
): Promise<void> {
  await world.start()
  await Promise.all(
    requests.map(async ([request, headers]) => {
      const options = { path: method.path, headers, answerWithinMs: ANSWER_WITHIN_MS }
      const answer = await connected().call([framed(request)], options)
      requireAnswer(answer, `${method.name} ${shown(request)}`)
      statuses.add(answer.status)
      if (answer.status === 0 && method.name === 'ExecuteTransaction')
        await requireLasting(answer.body.subarray(5))
    }),
  )
  world.daemon.requireWell()
  expect(await world.isServing()).toBe(true)
}

/** I3, I7: what was answered is an outcome, and is what is answered from then on. */
async function requireLasting(body: Uint8Array): Promise<void> {
  const { transaction } = ExecuteTransactionResponse.decode(body)
  const outcome = transaction?.outcome
  expect([Outcome.COMMITTED, Outcome.ABORTED]).toContain(outcome)
  const key = { $case: 'xid', value: transaction?.xid ?? '' } as const
  const question = GetTransactionRequest.encode({ key }).finish()
  const path = '/pledged.v1.TransactionService/GetTransaction'
  const answer = await connected().call([framed(question)], { path, answerWithinMs: ANSWER_WITHIN_MS })
  expect(GetTransactionResponse.decode(answer.body.subarray(5)).transaction?.outcome).toBe(outcome)
}

function shown(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.subarray(0, 400)).toString('hex')
  return bytes.length > 400 ? `${hex}... (${bytes.length} bytes)` : hex
}

describe('the daemon', () => {
  let warmBytes = 0

  it('has methods to be called', () => {
    expect(methods.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'ExecuteTransaction',
        'GetTransaction',
        'ListTransactions',
        'ResolveTransaction',
      ]),
    )
  })

  it.each(methods)('$name answers whatever it is asked', async (method) => {
    const batch = fc.array(fc.tuple(requestsOf(method), hostileHeaders), { minLength: 10, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(batch, (requests) => sendAll(method, requests)),
      runs(method.name === 'ExecuteTransaction' ? 15 : 5, 200),
    )
    await world.expectGood()
  })

  it('was asked for what it does, for what it refuses, and for what it has not', () => {
    for (const status of [OK, INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION])
      expect(statuses).toContain(status)
  })

  it('is not filled by floods of great requests', async () => {
    await flood()
    await world.expectGood()
    expect(await world.isServing()).toBe(true)
    // What a process has used once it keeps.
    warmBytes = world.daemon.rssBytes
  })

  it('ends every stream whose frames are none', async () => {
    const calls = fc.constantFrom(...methods).chain((method) =>
      fc.record({
        method: fc.constant(method),
        piece: brokenFrames(requestsOf(method)),
        leave: fc.constantFrom('end', 'end', 'reset', 'drop'),
      }),
    )
    const batch = fc.array(calls, { minLength: 10, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(batch, async (all) => {
        await world.start()
        await Promise.all(all.map(sendBroken))
        expect(await world.isServing()).toBe(true)
      }),
      runs(10, 200),
    )
    await world.expectGood()
  })

  it('holds nothing of all this', async () => {
    await flood()
    await client.abortAllBegun()
    await world.daemon.until(async () => (await client.status()).inFlight === 0, 30_000)
    await world.expectGood()
    await world.expectWhole()
    const growthBytes = world.daemon.rssBytes - warmBytes
    process.stderr.write(`the daemon has grown by ${Math.round(growthBytes / 1e6)} MB\n`)
    expect(growthBytes).toBeLessThan(GROWTH_BYTES_MAX)
  })
})

/** Each as great as it may be. */
async function flood(): Promise<void> {
  const path = '/pledged.v1.TransactionService/ExecuteTransaction'
  const branches = [{ participant: 'sink', work: Buffer.alloc(1 << 20, 'x') }]
  const request = framed(
    ExecuteTransactionRequest.encode(ExecuteTransactionRequest.fromPartial({ branches })).finish(),
  )
  for (let round = 0; round < (IS_FULL ? 40 : 2); round += 1) {
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        const answer = await connected().call([request], { path, answerWithinMs: ANSWER_WITHIN_MS })
        requireAnswer(answer, 'a great request')
      }),
    )
  }
}

interface BrokenCall {
  readonly method: Method
  readonly piece: { readonly bytes: Uint8Array; readonly headers: Readonly<Record<string, string>> }
  readonly leave: 'end' | 'reset' | 'drop'
}

/** A connection of its own: what breaks it must not be laid at another's door. */
async function sendBroken({ method, piece, leave }: BrokenCall): Promise<void> {
  const own = new RawConnection(world.address)
  try {
    const headers = { 'grpc-timeout': '2S', ...piece.headers }
    if (leave === 'end') {
      const answer = await own.call([piece.bytes], {
        path: method.path,
        headers,
        answerWithinMs: ANSWER_WITHIN_MS,
      })
      requireEnd(answer, `${method.name} in a broken frame ${shown(piece.bytes)}`)
      return
    }
    const stream = own.open({ path: method.path, headers })
    await new Promise<void>((resolve) => stream.write(piece.bytes, () => resolve()))
    if (leave === 'reset') stream.close(2)
    else own.drop()
  } finally {
    own.close()
  }
}
