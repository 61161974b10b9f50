/**
 * AttachParticipant, and the other streams of a live daemon, used in any order and against every rule: batches before
 * the hello, two hellos, another protocol's, votes for what nobody asked, pages of scans that aren't, half a message and
 * then nothing, floods. The daemon ends the stream with a sentence, and goes on.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/limits.ts'
import { Vote } from '../../src/wire/generated/pledged/v1/branch.ts'
import { AttachParticipantRequest } from '../../src/wire/generated/pledged/v1/participant_gateway_service.ts'
import { IS_FULL, runs } from './budget.ts'
import { DaemonClient } from './clients.ts'
import { readContract } from './contract.ts'
import { dictionary, xidsOfEveryStanding } from './dictionary.ts'
import { messages } from './hostile-messages.ts'
import { lengthDelimited } from './hostile-values.ts'
import { answerOf, framed, RawConnection } from './raw-calls.ts'
import { END_WITHIN_MS, opened, play, type StreamMessages, scripts } from './stream-scripts.ts'
import { World } from './world.ts'

const ATTACH = '/pledged.v1.ParticipantGatewayService/AttachParticipant'
/** After many rounds a heap has grown as far as it does; after few it may still be growing. */
const GROWTH_BYTES_MAX = (IS_FULL ? 100 : 200) << 20
/** A refusal of a coordinator by one participant stops it for good: by design (R11), and not what is tried here. */
const WITHOUT = ['ParticipantBatch.admission_refusal']
const STARTS_WITHIN_MS = 120_000

const root = mkdtempSync(join(tmpdir(), 'pledged-fuzz-'))
const world = new World(join(root, 'world'))
const client = new DaemonClient(world.address)
const contract = readContract()
/** Sessions have a file of their own. */
const STREAMS = contract.methods.filter(
  ({ name, clientStreams, serverStreams }) => (clientStreams || serverStreams) && name !== 'OpenSession',
)
let xids: string[] = []

beforeAll(async () => {
  await world.start()
  const { logId, epoch } = await client.status()
  xids = xidsOfEveryStanding(logId, epoch)
}, STARTS_WITHIN_MS)

afterAll(async () => {
  client.close()
  await world.stop()
  rmSync(root, { recursive: true, force: true })
})

const hello = (name: string, instanceId: string): Uint8Array =>
  AttachParticipantRequest.encode(
    AttachParticipantRequest.fromPartial({
      body: {
        $case: 'hello',
        value: {
          name,
          instanceId,
          kind: 'fuzz',
          resourceId: `of ${name}`,
          keepsWitnesses: true,
          protocolVersion: 1,
        },
      },
    }),
  ).finish()

function messagesOf(request: string): StreamMessages {
  const options = { contract, dictionary: dictionary({ participants: ['fuzz-1'], xids }), without: WITHOUT }
  return {
    hellos: [hello('fuzz-1', 'a'), hello('fuzz-1', 'b'), hello('fuzz-2', 'a')],
    batch: messages('pledged.v1.ParticipantBatch', options).map((bytes) => lengthDelimited(2, bytes)),
    any: messages(request, options),
  }
}

const attached = (name: string) => opened(world.address, ATTACH, hello(name, 'flood'))

async function floodOfHeldBranches(): Promise<void> {
  const { stream, connection } = await attached('great-page')
  const branches = Buffer.alloc(1_000_000)
  for (let at = 0; at < branches.length; at += 2) branches.set([0x0a, 0x00], at)
  stream.write(framed(lengthDelimited(2, lengthDelimited(4, branches))))
  await world.expectGood()
  connection.close()
}

async function floodOfVotes(): Promise<void> {
  const { stream, connection } = await attached('great-votes')
  const votes = (round: number) =>
    Array.from({ length: 20_000 }, (_, index) => ({
      xid: `zzzzzzzzzzzz.1-aaaa.${round * 20_000 + index + 1}`,
      vote: Vote.YES,
    }))
  for (let round = 0; round < 5; round += 1) {
    const body = { $case: 'batch', value: { votes: votes(round) } } as const
    const message = AttachParticipantRequest.encode(AttachParticipantRequest.fromPartial({ body })).finish()
    await new Promise<void>((resolve) => stream.write(framed(message), () => resolve()))
  }
  await world.expectGood()
  connection.close()
}

/** The first bytes of a message that never comes, from many. */
async function floodOfSilence(): Promise<void> {
  const connections = Array.from({ length: 100 }, () => new RawConnection(world.address))
  for (const connection of connections) connection.open({ path: ATTACH }).write(Buffer.from([0, 0, 0]))
  await world.expectGood()
  for (const connection of connections) connection.drop()
}

async function floodOfNothing(): Promise<void> {
  const { stream, connection } = await attached('great-nothing')
  const nothing = framed(lengthDelimited(2, new Uint8Array()))
  const many = Buffer.concat(Array.from({ length: 20_000 }, () => nothing))
  await new Promise<void>((resolve) => stream.write(many, () => resolve()))
  await world.expectGood()
  connection.close()
}

/** Beyond those that there may be, none is remembered. */
async function floodOfNames(): Promise<void> {
  const names = Array.from({ length: 1_200 }, (_, index) => `name-${index}`)
  const connection = new RawConnection(world.address)
  await Promise.all(
    names.map(async (name) => {
      const stream = connection.open({ path: ATTACH })
      const end = answerOf(stream, END_WITHIN_MS)
      stream.end(framed(hello(name, 'flood')))
      await end
    }),
  )
  connection.close()
  const { participants } = await client.status()
  // And the one that is configured, and was never here.
  expect(participants.length).toBeLessThanOrEqual(defaultLimits.participantsMax + 1)
  await world.expectGood()
}

const FLOODS = [
  ['a page with more branches than a call has arguments', floodOfHeldBranches],
  ['votes for what nobody asked', floodOfVotes],
  ['many who say nothing', floodOfSilence],
  ['batches of nothing', floodOfNothing],
  ['names', floodOfNames],
] as const

describe('the streams of the daemon', () => {
  let warmBytes = 0

  it.each(STREAMS)('$name may be used in any order', async ({ path, request, name }) => {
    const many = fc.array(scripts(messagesOf(request)), { minLength: 3, maxLength: 10 })
    await fc.assert(
      fc.asyncProperty(many, async (several) => {
        await world.start()
        await Promise.all(several.map((steps) => play(world.address, path, steps)))
        world.daemon.requireWell()
        expect(await world.isServing()).toBe(true)
      }),
      runs(name === 'AttachParticipant' ? 10 : 3, 300),
    )
    await world.expectGood()
  })

  it.each(FLOODS)('take a flood of %s', async (_what, flood) => {
    await flood()
    expect(await world.isServing()).toBe(true)
  })

  it('are not filled by floods', async () => {
    const rounds = IS_FULL ? 20 : 2
    for (let round = 0; round < 2 * rounds; round += 1) {
      // What a process has used once it keeps: the first half shows how much that is.
      if (round === rounds) warmBytes = world.daemon.rssBytes
      for (const [, flood] of FLOODS.slice(0, 4)) await flood()
    }
    const growthBytes = world.daemon.rssBytes - warmBytes
    process.stderr.write(`streams: the daemon has grown by ${Math.round(growthBytes / 1e6)} MB\n`)
    expect(growthBytes).toBeLessThan(GROWTH_BYTES_MAX)
  })

  it('have harmed nobody', async () => {
    await world.expectGood()
    expect(await world.isServing()).toBe(true)
    await world.expectWhole()
  })
})
