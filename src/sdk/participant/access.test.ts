/** A participant and a coordinator that don't take everybody for each other. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Server, type ServerDuplexStream } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Epoch, LogId } from '../../base/ids.ts'
import { defaultLimits } from '../../base/limits.ts'
import { Access, type AccessOptions } from '../../dialling/index.ts'
import { testDoor } from '../../dialling/test-door.ts'
import { serverCredentials } from '../../serving/index.ts'
import { type TestAuthority, testAuthority } from '../../serving/test-certificates.ts'
import {
  type AttachParticipantRequest,
  type AttachParticipantResponse,
  ParticipantGatewayServiceService,
} from '../../wire/generated/pledged/v1/participant_gateway_service.ts'
import { ParticipantServiceClient } from '../../wire/generated/pledged/v1/participant_service.ts'
import { fromServiceError, welcomeToProto } from '../../wire/index.ts'
import { type AttachmentEvent, type AttachOptions, attachParticipant } from './attach.ts'
import { type ListeningEvent, type ListenOptions, listenParticipant } from './listen.ts'
import { participantWith } from './test-host.ts'

const limits = {
  ...defaultLimits,
  backoffMinMs: 2,
  backoffMaxMs: 20,
  refusedRetryMs: 21,
  serverCloseTimeoutMs: 500,
}
const WAIT = { timeout: 20_000 }

let folder: string
let authority: TestAuthority

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pledged-participant-access-'))
  authority = await testAuthority(folder)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

/** Welcomes whoever shows the token, through TLS. */
async function gatewayAsking(tokenFile: string): Promise<string> {
  const door = testDoor(tokenFile)
  const server = new Server({ interceptors: door.interceptors })
  server.addService(ParticipantGatewayServiceService, {
    attachParticipant: (stream: ServerDuplexStream<AttachParticipantRequest, AttachParticipantResponse>) => {
      const welcome = {
        logId: 'k3f9qa7m2xw4' as LogId,
        epoch: '7-q3f9' as Epoch,
        workBytesMax: 1_000,
        batchBytesMax: 1_000,
      }
      stream.on('error', () => {})
      stream.on('end', () => stream.end())
      stream.on('data', () => stream.write({ body: { $case: 'welcome', value: welcomeToProto(welcome) } }))
    },
  })
  const credentials = serverCredentials(await authority.issueForLocalhost())
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  onTestFinished(() => {
    door.close()
    server.forceShutdown()
  })
  return `127.0.0.1:${port}`
}

describe('a participant that attaches', () => {
  function attach(options: Pick<AttachOptions, 'address' | 'tokenFile' | 'tls'>): AttachmentEvent[] {
    const events: AttachmentEvent[] = []
    const onEvent = (event: AttachmentEvent): unknown => events.push(event)
    const attachment = attachParticipant({
      name: 'test',
      participant: participantWith({}),
      limits,
      onEvent,
      ...options,
    })
    onTestFinished(() => attachment.close())
    return events
  }

  it('is refused with another token, and attaches when its file holds the right one', async () => {
    const address = await gatewayAsking(file('gateway', 'the-token-of-the-ledger-1'))
    const tokenFile = file('mine', 'the-token-of-somebody-1')
    const events = attach({ address, tokenFile, tls: { caFile: authority.caFile } })
    await vi.waitFor(() => expect(events[0]?.type).toBe('refused'), WAIT)
    expect(events[0]).toMatchObject({
      permanent: true,
      reason: expect.stringMatching(/token is not one that is known/) as string,
    })
    file('mine', 'the-token-of-the-ledger-1')
    await vi.waitFor(() => expect(events.at(-1)?.type).toBe('attached'), WAIT)
  })

  it('says what is wrong between its TLS and the coordinator’s, and tries again', async () => {
    const address = await gatewayAsking(file('gateway', 'the-token-of-the-ledger-1'))
    const events = attach({ address })
    await vi.waitFor(() => expect(events.length).toBeGreaterThan(1), WAIT)
    for (const event of events)
      expect(event).toMatchObject({
        type: 'failed',
        reason: expect.stringMatching(/if it speaks TLS and this side/) as string,
      })
  })

  it('isn’t made with files that can not be used', () => {
    const options = { name: 'test', participant: participantWith({}) }
    expect(() => attachParticipant({ ...options, tokenFile: join(folder, 'none') })).toThrow(
      /none can not be read/,
    )
    expect(() =>
      attachParticipant({
        ...options,
        address: '10.0.0.1:1',
        tokenFile: file('t', 'the-token-of-the-ledger-1'),
      }),
    ).toThrow(/in plain text/)
  })
})

/** grpc.health.v1.HealthCheckResponse: the field 1 is 1. */
const SERVING = [8, 1]

function healthOf(address: string): Promise<number[] | string> {
  const client = new Client(address, new Access(address, {}).channelCredentials)
  onTestFinished(() => client.close())
  const bytes = (buffer: Buffer): Buffer => buffer
  return new Promise((resolve) => {
    client.makeUnaryRequest('/grpc.health.v1.Health/Check', bytes, bytes, Buffer.alloc(0), (error, value) =>
      resolve(error === null ? [...(value ?? [])] : error.details),
    )
  })
}

describe('a participant that listens', () => {
  async function listening(options: Partial<ListenOptions>) {
    const events: ListeningEvent[] = []
    const server = await listenParticipant({
      name: 'test',
      participant: participantWith({}),
      listen: '127.0.0.1:0',
      limits,
      onEvent: (event) => events.push(event),
      ...options,
    })
    onTestFinished(() => server.close())
    return { server, events }
  }

  function called(address: string, options: AccessOptions): Promise<string> {
    const access = new Access(address, options)
    const client = new ParticipantServiceClient(address, access.channelCredentials, {
      'grpc.use_local_subchannel_pool': 1,
    })
    onTestFinished(() => client.close())
    return new Promise((resolve) => {
      client.describeParticipant({}, access.authorize(), (error, described) =>
        resolve(error === null ? described.kind : fromServiceError(error, 'HERE', 'the participant').message),
      )
    })
  }

  it('asks its caller for the token, and tells everybody of its health', async () => {
    const tokenFile = file('asked', 'the-token-of-the-daemon-1')
    const { server } = await listening({ tokenFile })
    expect(await called(server.address, { tokenFile })).toBe('test')
    expect(await called(server.address, {})).toMatch(/name the file of its token by token_file/)
    expect(await called(server.address, { tokenFile: file('other', 'the-token-of-somebody-1') })).toMatch(
      /was shown none, or another one/,
    )
    await vi.waitFor(async () => expect(await healthOf(server.address)).toEqual(SERVING), WAIT)
  })

  it('asks its caller for a certificate, where its authority is named', async () => {
    const tls = { ...(await authority.issueForLocalhost()), clientCaFile: authority.caFile }
    const { server } = await listening({ tls })
    const caFile = authority.caFile
    const { certFile, keyFile } = await authority.issue({ dns: ['pledged.internal'] })
    expect(await called(server.address, { tls: { caFile, certFile, keyFile } })).toBe('test')
    expect(await called(server.address, { tls: { caFile } })).toMatch(
      /the participant asks for a certificate of this side/,
    )
  })

  it('takes over a token that is replaced, and says so', async () => {
    const tokenFile = file('replaced', 'the-token-of-the-daemon-1')
    const { server, events } = await listening({ tokenFile })
    file('replaced', 'the-token-of-the-daemon-2')
    await vi.waitFor(() => expect(events.at(-1)?.type).toBe('secrets'), WAIT)
    expect(await called(server.address, { tokenFile: file('old', 'the-token-of-the-daemon-1') })).toMatch(
      /another one/,
    )
    expect(await called(server.address, { tokenFile })).toBe('test')
  })

  it('isn’t begun where others could reach what nothing guards', async () => {
    const tls = await authority.issueForLocalhost()
    const tokenFile = file('guard', 'the-token-of-the-daemon-1')
    const open = (options: Partial<ListenOptions>) => listening({ listen: '0.0.0.0:0', ...options })
    await expect(open({})).rejects.toThrow(
      /could commit and abort: add TLS .*, and a token .* or the authority/,
    )
    await expect(open({ tokenFile })).rejects.toThrow(/: add TLS \([^)]*\); or use a loopback/)
    await expect(open({ tls })).rejects.toThrow(/: add a token \(.*clientCaFile/)
    await expect(listening({ tokenFile: join(folder, 'none') })).rejects.toThrow(/none can not be read/)
    await open({ tls, tokenFile })
    await open({ tls: { ...tls, clientCaFile: authority.caFile } })
    await open({ insecure: true })
  })
})
