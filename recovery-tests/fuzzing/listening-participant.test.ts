/**
 * A participant that listens, called by what is no coordinator: hostile messages, metadata, frames, and decisions about
 * xids that it may hold. It answers each call, and the transactions of its own coordinator go on, whole.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireAnswer, requireEnd } from './answers.ts'
import { runs } from './budget.ts'
import { DaemonClient } from './clients.ts'
import { type Method, readContract } from './contract.ts'
import { dictionary } from './dictionary.ts'
import { brokenFrames, hostileHeaders } from './frames.ts'
import { messages } from './hostile-messages.ts'
import { framed, RawConnection } from './raw-calls.ts'
import { World } from './world.ts'

const ANSWER_WITHIN_MS = 15_000
const GROWTH_BYTES_MAX = 100 << 20
const STARTS_WITHIN_MS = 120_000

const root = mkdtempSync(join(tmpdir(), 'pledged-fuzz-'))
const world = new World(join(root, 'world'))
const client = new DaemonClient(world.address)
const contract = readContract()
const methods = contract.methods.filter(({ service }) => service === 'pledged.v1.ParticipantService')
let logId = ''
let connection: RawConnection | undefined

beforeAll(async () => {
  await world.start()
  logId = (await client.status()).logId
}, STARTS_WITHIN_MS)

afterAll(async () => {
  client.close()
  connection?.close()
  await world.stop()
  rmSync(root, { recursive: true, force: true })
})

function connected(): RawConnection {
  if (connection === undefined || connection.closed) connection = new RawConnection(world.ledgerAddress)
  return connection
}

/** Who says that they speak: of logs of their own, for a newer epoch of this one would be believed (R11). */
const coordinators = fc.oneof(
  fc.constant({}),
  fc
    .constantFrom('zzzzzzzzzzzz', 'yyyyyyyyyyyy', 'k3f9qa7m2xw4')
    .chain((id) =>
      fc
        .constantFrom('1-aaaa', '2-bbbb', '2-cccc', '999999999-zzzz')
        .map((epoch) => ({ 'pledged-log-id': id, 'pledged-epoch': epoch })),
    ),
  fc
    .constantFrom('', 'x', "'; DROP TABLE pledged_logs; --", '../../x', 'x'.repeat(4_000), 'k3f9qa7m2xw4')
    .map((id) => ({ 'pledged-log-id': id, 'pledged-epoch': '0-aaaa' })),
  fc.constantFrom('pledged-log-id', 'pledged-epoch').map((name) => ({ [name]: 'zzzzzzzzzzzz' })),
)

/** What this log has not issued yet is left out: an abort of it bars its prepare, as it should. */
function requestsOf(method: Method): fc.Arbitrary<Uint8Array> {
  const xids = [
    'zzzzzzzzzzzz.1-aaaa.1',
    'zzzzzzzzzzzz.1-aaaa.2',
    'yyyyyyyyyyyy.2-bbbb.1',
    `${logId}.1-zzzz.1`,
  ]
  return messages(method.request, {
    contract,
    dictionary: dictionary({ participants: ['ledger', 'sink'], xids }),
  })
}

/** Whatever was prepared by strangers holds locks: it is aborted, as its coordinator would. */
async function abortAll(): Promise<void> {
  const list = {
    path: '/pledged.v1.ParticipantService/ListPreparedBranches',
    answerWithinMs: ANSWER_WITHIN_MS,
  }
  const held = await connected().call([framed(new Uint8Array())], list)
  const xids = new Set(held.body.toString('latin1').match(/[0-9a-z]{12}\.\d{1,9}-[0-9a-z]{4}\.\d{1,15}/g))
  for (const xid of xids) {
    const request = Buffer.concat([
      Buffer.from([0x0a, xid.length]),
      Buffer.from(xid),
      Buffer.from('\x12\x06ledger'),
    ])
    const path = '/pledged.v1.ParticipantService/AbortBranch'
    requireAnswer(await connected().call([framed(request)], { ...list, path }), `AbortBranch ${xid}`)
  }
}

describe('a participant that listens', () => {
  let warmBytes = 0

  it('has methods to be called', () => {
    expect(methods).toHaveLength(7)
  })

  it.each(methods)('$name answers whatever it is asked', async (method) => {
    const call = fc.tuple(requestsOf(method), hostileHeaders, coordinators)
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 10, maxLength: 30 }), async (calls) => {
        await world.start()
        await Promise.all(
          calls.map(async ([request, headers, coordinator]) => {
            const options = { path: method.path, headers: { ...headers, ...coordinator } }
            const answer = await connected().call([framed(request)], {
              ...options,
              answerWithinMs: ANSWER_WITHIN_MS,
            })
            requireAnswer(answer, `${method.name} ${Buffer.from(request.subarray(0, 300)).toString('hex')}`)
          }),
        )
        world.ledger.requireWell()
      }),
      runs(6, 200),
    )
    await abortAll()
    await world.expectGood()
    warmBytes = world.ledger.rssBytes
  })

  it('ends every stream whose frames are none', async () => {
    const call = fc
      .constantFrom(...methods)
      .chain((method) =>
        fc.record({ path: fc.constant(method.path), piece: brokenFrames(requestsOf(method)) }),
      )
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 10, maxLength: 30 }), async (calls) => {
        await world.start()
        await Promise.all(
          calls.map(async ({ path, piece }) => {
            const own = new RawConnection(world.ledgerAddress)
            const headers = { 'grpc-timeout': '2S', ...piece.headers }
            const answer = await own.call([piece.bytes], { path, headers, answerWithinMs: ANSWER_WITHIN_MS })
            own.close()
            requireEnd(answer, `${path} in a broken frame`)
          }),
        )
        world.ledger.requireWell()
      }),
      runs(6, 200),
    )
    await abortAll()
    await world.expectGood()
  })

  it('has been harmed by nobody', async () => {
    await world.expectGood()
    await world.expectWhole()
    const growthBytes = world.ledger.rssBytes - warmBytes
    process.stderr.write(`the participant has grown by ${Math.round(growthBytes / 1e6)} MB\n`)
    expect(growthBytes).toBeLessThan(GROWTH_BYTES_MAX)
  })
})
