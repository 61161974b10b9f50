import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Client,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { service as healthService } from 'grpc-health-check'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { authenticator, BearerTokens, type Identity } from '../../serving/index.ts'
import { AdminServiceService } from '../../wire/generated/pledged/v1/admin_service.ts'
import { ParticipantGatewayServiceService } from '../../wire/generated/pledged/v1/participant_gateway_service.ts'
import {
  GetTransactionRequest,
  TransactionServiceService,
} from '../../wire/generated/pledged/v1/transaction_service.ts'
import { fromServiceError } from '../../wire/index.ts'
import { peerIdentity } from '../conformance/index.ts'
import {
  Attached,
  HELLO,
  refusalOf,
  SESSION_HELLO,
  type Served,
  type ServeOptions,
  SessionClient,
  serve,
  until,
  XID,
} from './harness.ts'
import type { RefusedCall } from './index.ts'
import { PERMISSIONS } from './permissions.ts'

const root = mkdtempSync(join(tmpdir(), 'pledged-authentication-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const IDENTITIES: readonly Identity[] = [
  { name: 'shop', role: 'application' },
  { name: 'ledger', role: 'participant', participant: peerIdentity.name },
  { name: 'stock', role: 'participant', participant: 'stock' },
  { name: 'ops', role: 'operator' },
]
const tokenOf = (name: string) => `the-token-of-${name}-`.padEnd(40, 'x')
for (const { name } of IDENTITIES) writeFileSync(join(root, name), tokenOf(name), { mode: 0o600 })
const tokens = new BearerTokens(IDENTITIES.map((identity) => ({ identity, file: join(root, identity.name) })))
afterAll(() => tokens.close())

const refused: RefusedCall[] = []
afterEach(() => {
  // Whatever was tried, nothing that was brought is told on.
  expect(JSON.stringify(refused.splice(0))).not.toMatch(/token-of|wrong-token|Bearer [a-z]/)
})

function serveGuarded(options: ServeOptions = {}): Promise<Served> {
  return serve({
    authentication: { authenticate: authenticator({ tokens }), refused: (call) => refused.push(call) },
    ...options,
  })
}

function metadataOf(token: string | undefined): Metadata {
  const metadata = new Metadata()
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
  return metadata
}

type AnyMethod = MethodDefinition<object, object>
const METHODS = [
  ...Object.values(TransactionServiceService),
  ...Object.values(ParticipantGatewayServiceService),
  ...Object.values(AdminServiceService),
] as unknown as AnyMethod[]
const REFLECTION = ['v1', 'v1alpha'].map(
  (version) =>
    ({
      path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      requestStream: true,
      responseStream: true,
      responseDeserialize: (bytes: Buffer) => bytes,
    }) as unknown as AnyMethod,
)

/** `OK`, the code of Pledged's refusal, or the status. Of a stream: nothing is sent, and it is ended at once. */
async function resultOf(client: Client, method: AnyMethod, metadata: Metadata): Promise<string> {
  const error = await new Promise<ServiceError | null>((resolve) => {
    const { path, responseDeserialize } = method
    const requestSerialize = () => Buffer.alloc(0)
    if (!method.responseStream) {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, metadata, resolve)
      return
    }
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata)
    stream.on('data', () => {})
    stream.on('error', (failure: ServiceError) => resolve(failure))
    stream.on('end', () => resolve(null))
    stream.end()
  })
  if (error === null) return 'OK'
  const { code } = fromServiceError(error, 'the test')
  return code === 'INTERNAL' ? (status[error.code] ?? code) : code
}

const DENIED = new Set(['UNAUTHENTICATED', 'PERMISSION_DENIED'])

describe('whom the methods are for', () => {
  it('is said of every method that is served', () => {
    const served = [...METHODS, ...REFLECTION].map(({ path }) => path).toSorted()
    expect(Object.keys(PERMISSIONS).toSorted()).toEqual(served)
  })

  it('is who gets through: by role, of each method', async () => {
    await using served = await serveGuarded()
    const client = new Client(served.server.address, credentials.createInsecure())
    for (const method of [...METHODS, ...REFLECTION]) {
      expect(await resultOf(client, method, metadataOf(undefined))).toBe('UNAUTHENTICATED')
      for (const { name, role } of IDENTITIES) {
        const result = await resultOf(client, method, metadataOf(tokenOf(name)))
        if (PERMISSIONS[method.path]?.includes(role) === true) expect(DENIED).not.toContain(result)
        else expect([method.path, name, result]).toEqual([method.path, name, 'PERMISSION_DENIED'])
      }
    }
    client.close()
    expect(served.transactions.asked.every(({ request }) => JSON.stringify(request).includes('shop'))).toBe(
      true,
    )
  })

  it('leaves the health to everybody', async () => {
    await using served = await serveGuarded()
    const client = new Client(served.server.address, credentials.createInsecure())
    const check = (Object.values(healthService) as unknown as AnyMethod[]).find(({ path }) =>
      path.endsWith('/Check'),
    )
    if (check === undefined) throw new Error('the health has no Check')
    expect(await resultOf(client, check, metadataOf(undefined))).toBe('OK')
    expect(await resultOf(client, check, metadataOf('wrong-token-wrong-token'))).toBe('OK')
    client.close()
  })

  it('is everybody without authentication', async () => {
    await using served = await serve()
    const client = new Client(served.server.address, credentials.createInsecure())
    for (const method of METHODS)
      expect(DENIED).not.toContain(await resultOf(client, method, metadataOf(tokenOf('shop'))))
    client.close()
  })
})

const getRequest = GetTransactionRequest.fromPartial({ key: { $case: 'xid', value: XID } })

function get(served: Served, metadata: Metadata): Promise<string> {
  return refusalOf(
    new Promise((resolve, reject) => {
      served.client.getTransaction(getRequest, metadata, (error, response) =>
        error === null ? resolve(response) : reject(fromServiceError(error, 'the test')),
      )
    }),
  )
}

describe('a call without a good token', () => {
  it('is refused, with the same sentence whatever the token was', async () => {
    await using served = await serveGuarded()
    const wrong = ['wrong-token-wrong-token', tokenOf('shop').slice(0, -1), `${tokenOf('shop')}x`, 'x']
    const sentences = await Promise.all(wrong.map((token) => get(served, metadataOf(token))))
    expect(new Set(sentences)).toEqual(
      new Set([
        expect.stringMatching(/^UNAUTHENTICATED: the token is not one that is known here: give a token/),
      ]),
    )
    expect(await get(served, metadataOf(undefined))).toMatch(
      /^UNAUTHENTICATED: who calls has to be known here/,
    )
    expect(served.transactions.asked).toEqual([])
  })

  it('is refused where the header isn’t one', async () => {
    await using served = await serveGuarded()
    const good = tokenOf('shop')
    const headers = ['Basic c2hvcDpzaG9w', good, 'Bearer', `Bearer ${good} ${good}`]
    for (const value of headers) {
      const metadata = new Metadata()
      metadata.set('authorization', value)
      expect(await get(served, metadata)).toMatch(/^UNAUTHENTICATED: /)
    }
    const scheme = new Metadata()
    scheme.set('authorization', `bearer ${good}`)
    expect(await get(served, scheme)).toMatch(/^not refused/)
  })

  it('is told of, with where it came from and why', async () => {
    await using served = await serveGuarded()
    await get(served, metadataOf('wrong-token-wrong-token'))
    await get(served, metadataOf(tokenOf('ledger')))
    const method = '/pledged.v1.TransactionService/GetTransaction'
    const peer = expect.stringMatching(/^127\.0\.0\.1:\d+$/)
    expect(refused).toEqual([
      { peer, method, identity: undefined, error: expect.objectContaining({ code: 'UNAUTHENTICATED' }) },
      { peer, method, identity: 'ledger', error: expect.objectContaining({ code: 'PERMISSION_DENIED' }) },
    ])
  })

  it('is refused before a message of it is read', async () => {
    await using served = await serveGuarded()
    const stream = served.client.openSession(metadataOf('wrong-token-wrong-token'))
    const session = new SessionClient(stream, null)
    expect(await session.ended).toMatch(/^UNAUTHENTICATED: /)
    expect(served.sessions.opened).toEqual([])
  })
})

describe('who calls', () => {
  it('is whose the requests are; an operator is answered about anyone’s', async () => {
    await using served = await serveGuarded()
    for (const name of ['shop', 'ops'])
      expect(await get(served, metadataOf(tokenOf(name)))).toMatch(/^not refused/)
    expect(served.transactions.asked.map(({ request }) => request)).toEqual([
      { caller: 'shop', xid: XID },
      { caller: 'ops', xid: XID, anyOwner: true },
    ])
  })

  it('is whose a session is', async () => {
    await using served = await serveGuarded()
    const stream = served.client.openSession(metadataOf(tokenOf('shop')))
    const session = new SessionClient(stream, SESSION_HELLO)
    await until(() => session.cases().length > 0)
    expect(served.sessions.opened.map(({ options }) => options.caller)).toEqual(['shop'])
    stream.end()
  })

  it('is whom the audit names', async () => {
    await using served = await serveGuarded()
    const paused = await new Promise((resolve, reject) => {
      served.adminClient.pauseParticipant(
        { participant: 'sink', reason: 'x' },
        metadataOf(tokenOf('ops')),
        (error, response) => (error === null ? resolve(response.participant?.pause?.who) : reject(error)),
      )
    })
    expect(paused).toBe('ops')
  })

  it('attaches under its own name alone', async () => {
    await using served = await serveGuarded()
    const attach = (name: string) => {
      const stream = served.gatewayClient.attachParticipant(metadataOf(tokenOf(name)))
      return new Attached({ attachParticipant: () => stream } as never, HELLO)
    }
    const own = attach('ledger')
    await until(() => served.links.opens.length > 0)
    expect(await attach('stock').ended).toBe(
      `PERMISSION_DENIED: the identity "stock" is bound to the participant "stock", and attaches as "${peerIdentity.name}": attach under its own name, or with the identity of the other`,
    )
    expect(served.links.opens).toHaveLength(1)
    expect(refused).toMatchObject([
      { identity: 'stock', method: expect.stringMatching(/AttachParticipant$/) },
    ])
    own.stream.end()
  })
})

describe('a token that is taken back', () => {
  it('ends the streams that it has opened, and no others', async () => {
    const files = [join(root, 'old'), join(root, 'kept')] as const
    const [old, kept] = [tokenOf('old'), tokenOf('kept')]
    for (const [index, token] of [old, kept].entries())
      writeFileSync(files[index] ?? '', token, { mode: 0o600 })
    const rotated = new BearerTokens(
      [
        { identity: { name: 'shop', role: 'application' }, file: files[0] },
        { identity: { name: 'ledger', role: 'participant', participant: peerIdentity.name }, file: files[1] },
      ],
      { everyMs: 5 },
    )
    await using served = await serve({
      authentication: {
        authenticate: authenticator({ tokens: rotated }),
        refused: () => {},
        revocations: rotated,
      },
    })
    const session = new SessionClient(served.client.openSession(metadataOf(old)))
    const stream = served.gatewayClient.attachParticipant(metadataOf(kept))
    const attached = new Attached({ attachParticipant: () => stream } as never, HELLO)
    await until(() => session.cases().length > 0 && served.links.opens.length > 0)
    writeFileSync(files[0], tokenOf('new'))
    expect(await session.ended).toMatch(
      /^UNAVAILABLE: the token of "shop" that opened this stream was taken back/,
    )
    await until(() => served.sessions.opened[0]?.closings.length === 1)
    expect(served.links.closings).toEqual([])
    const again = new SessionClient(served.client.openSession(metadataOf(tokenOf('new'))))
    await until(() => again.cases().length > 0)
    for (const each of [again, attached]) each.stream.end()
    rotated.close()
  })
})
