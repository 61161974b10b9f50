/**
 * Participants that lie: one attached, one listening. What they say is the right form with the wrong content, the wrong
 * form, or nothing. Between the honest ones every transaction is whole all the same, and what its caller was told is
 * what they did; the daemon neither dies, nor hangs, nor grows.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Branches, connect, OutcomeUnknownError } from '../../src/sdk/client/index.ts'
import {
  AttachParticipantRequest,
  AttachParticipantResponse,
} from '../../src/wire/generated/pledged/v1/participant_gateway_service.ts'
import { IS_FULL } from './budget.ts'
import { DaemonClient } from './clients.ts'
import { readContract } from './contract.ts'
import { dictionary, xidsOfEveryStanding } from './dictionary.ts'
import { lyingBatch } from './lies.ts'
import { LyingServer } from './lying-server.ts'
import { framed, RawConnection } from './raw-calls.ts'
import { World } from './world.ts'

const TRANSACTIONS = IS_FULL ? 2_000 : 40
const GROWTH_BYTES_MAX = 100 << 20
const STARTS_WITHIN_MS = 120_000

const root = mkdtempSync(join(tmpdir(), 'pledged-fuzz-'))
const world = new World(join(root, 'world'))
const client = new DaemonClient(world.address)
const contract = readContract()
let xids: string[] = []
let server: LyingServer | undefined

beforeAll(async () => {
  await world.start()
  const { logId, epoch } = await client.status()
  xids = xidsOfEveryStanding(logId, epoch)
  server = new LyingServer(contract, dictionary({ participants: ['mailer'], xids }))
  await server.listen(world.mailerSocket)
  await world.daemon.until(async () => await isUp('mailer'))
}, STARTS_WITHIN_MS)

afterAll(async () => {
  client.close()
  server?.close()
  await world.stop()
  rmSync(root, { recursive: true, force: true })
})

async function isUp(name: string): Promise<boolean> {
  const { participants } = await client.status()
  return participants.some((participant) => participant.name === name && participant.up)
}

/** Ids of the transactions whose callers were told so. */
const told = { committed: new Set<number>(), aborted: new Set<number>(), unknown: new Set<number>() }
let nextId = 1

async function execute(liar: string, prepareTimeoutMs = 300): Promise<void> {
  await world.daemon.until(async () => await isUp(liar))
  const id = nextId
  nextId += 1
  await using coordinator = connect({ address: world.address, timeoutMs: 10_000 })
  const work = { statements: [{ sql: 'INSERT INTO t VALUES (?, ?)', params: [id, liar] }] }
  const branches: Branches = [
    { participant: 'sink', work },
    { participant: 'ledger', work },
    { participant: liar, work },
  ]
  try {
    const { outcome } = await coordinator.execute(branches, { prepareTimeoutMs })
    told[outcome].add(id)
  } catch (error) {
    if (!(error instanceof OutcomeUnknownError)) throw error
    told.unknown.add(id)
  }
}

function idsIn(file: string): Set<number> {
  const database = new DatabaseSync(join(world.directory, file), { readOnly: true })
  try {
    return new Set((database.prepare('SELECT id FROM t').all() as { id: number }[]).map(({ id }) => id))
  } finally {
    database.close()
  }
}

/** Attaches, and attaches again whenever it has been sent away. */
function attachLiar(): { stop: () => void } {
  let connection: RawConnection | undefined
  let stopped = false
  const attach = (): void => {
    if (stopped) return
    connection?.close()
    connection = new RawConnection(world.address)
    const stream = connection.open({ path: '/pledged.v1.ParticipantGatewayService/AttachParticipant' })
    const hello = { name: 'liar', kind: 'lies', instanceId: 'i', resourceId: 'l', keepsWitnesses: true }
    const body = { $case: 'hello', value: { ...hello, protocolVersion: 1, onePhase: true } } as const
    stream.write(framed(AttachParticipantRequest.encode({ body }).finish()))
    let unread = Buffer.alloc(0)
    stream.on('data', (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk])
      while (unread.length >= 5 && unread.length >= 5 + unread.readUInt32BE(1)) {
        const end = 5 + unread.readUInt32BE(1)
        const message = AttachParticipantResponse.decode(unread.subarray(5, end))
        unread = unread.subarray(end)
        if (message.body?.$case === 'batch' && !stream.closed) {
          stream.write(framed(lyingBatch(message.body.value, xids)))
        }
      }
    })
    stream.once('end', () => stream.close())
    stream.once('close', () => setTimeout(attach, 20))
  }
  attach()
  return {
    stop: () => {
      stopped = true
      connection?.close()
    },
  }
}

async function expectTold(): Promise<void> {
  const { committed, aborted, unknown } = told
  const settled = (): boolean => {
    const [sink, ledger] = [idsIn('sink.db'), idsIn('ledger.db')]
    const agree = sink.size === ledger.size && [...sink].every((id) => ledger.has(id))
    return agree && [...committed].every((id) => sink.has(id))
  }
  await world.daemon.until(settled, 30_000)
  const sink = [...idsIn('sink.db')]
  expect(sink.filter((id) => aborted.has(id))).toEqual([])
  expect(sink.filter((id) => !committed.has(id) && !unknown.has(id))).toEqual([])
  expect(committed.size).toBeGreaterThan(0)
  expect(aborted.size).toBeGreaterThan(0)
}

describe('a participant that lies', () => {
  let warmBytes = 0

  it('over its stream changes nothing between the honest', async () => {
    const liar = attachLiar()
    await world.daemon.until(async () => await isUp('liar'))
    for (let count = 0; count < TRANSACTIONS; count += 1) await execute('liar')
    await world.expectGood()
    liar.stop()
    await expectTold()
    warmBytes = world.daemon.rssBytes
  })

  it('where it listens changes nothing between the honest', async () => {
    for (let count = 0; count < TRANSACTIONS; count += 1) await execute('mailer')
    await world.expectGood()
    await expectTold()
    expect(server?.answered.get('PrepareBranch')).toBeGreaterThan(0)
    expect(server?.answered.get('CommitBranch')).toBeGreaterThan(0)
    expect(server?.answered.get('ListPreparedBranches')).toBeGreaterThan(0)
  })

  it('without end fills nobody', async () => {
    if (server !== undefined) server.flood = Buffer.alloc(1 << 20)
    let mostBytes = 0
    const sampling = setInterval(() => {
      mostBytes = Math.max(mostBytes, world.daemon.rssBytes)
    }, 20)
    for (let count = 0; count < 3; count += 1) await execute('mailer', 1_500)
    clearInterval(sampling)
    await world.expectGood()
    await expectTold()
    process.stderr.write(`lies: the daemon has grown by ${Math.round((mostBytes - warmBytes) / 1e6)} MB\n`)
    expect(mostBytes - warmBytes).toBeLessThan(GROWTH_BYTES_MAX)
  })

  it('has harmed nobody', async () => {
    await world.expectGood()
    expect(await world.isServing()).toBe(true)
    await world.expectWhole()
    const total = told.committed.size + told.aborted.size + told.unknown.size
    process.stderr.write(
      `lies: ${total} transactions, ${told.committed.size} committed, ${told.aborted.size} aborted, ${told.unknown.size} unknown\n`,
    )
  })
})
