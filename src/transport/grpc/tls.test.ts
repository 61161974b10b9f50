import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type PeerCertificate } from 'node:tls'
import { type ChannelCredentials, credentials, Metadata } from '@grpc/grpc-js'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../base/limits.ts'
import {
  authenticator,
  BearerTokens,
  CertificateIdentities,
  type Rotation,
  serverCredentials,
} from '../../serving/index.ts'
import { type TestCertificate, testAuthority } from '../../serving/test-certificates.ts'
import {
  GetTransactionRequest,
  type GetTransactionResponse,
  TransactionServiceClient,
} from '../../wire/generated/pledged/v1/transaction_service.ts'
import { clientOptions } from '../../wire/index.ts'
import { called, refusalOf, type Served, type ServeOptions, serve, until, XID } from './harness.ts'

const root = mkdtempSync(join(tmpdir(), 'pledged-tls-'))
const authority = await testAuthority(root)
const stranger = await testAuthority(root, 'Another authority')
const own = await authority.issueForLocalhost()
const shop = await authority.issue({ dns: ['shop.internal'] })
afterAll(() => rmSync(root, { recursive: true, force: true }))

let told: Rotation[]
beforeEach(() => {
  told = []
})

interface TlsOptions extends ServeOptions {
  readonly certificate?: TestCertificate
  readonly clientCaFile?: string
}

function serveTls({ certificate = own, clientCaFile, ...options }: TlsOptions = {}): Promise<Served> {
  const { certFile, keyFile } = certificate
  const rotation = { everyMs: 5, tell: (each: Rotation) => told.push(each) }
  return serve({ credentials: serverCredentials({ certFile, keyFile, clientCaFile }, rotation), ...options })
}

function trusting(ca: string, certificate?: TestCertificate): ChannelCredentials {
  const { key, cert } = certificate ?? {}
  return credentials.createSsl(
    Buffer.from(ca),
    key === undefined ? null : Buffer.from(key),
    cert === undefined ? null : Buffer.from(cert),
  )
}

/** Over a connection of its own: `answered`, or why not. */
async function ask(address: string, channel: ChannelCredentials, token?: string): Promise<string> {
  const metadata = new Metadata()
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
  const client = new TransactionServiceClient(
    address,
    channel,
    clientOptions(defaultLimits, { reconnectMaxMs: 50 }),
  )
  const request = GetTransactionRequest.fromPartial({ key: { $case: 'xid', value: XID } })
  try {
    const refusal = await refusalOf(
      called<GetTransactionResponse>((callback) => client.getTransaction(request, metadata, callback)),
    )
    return refusal.startsWith('not refused') ? 'answered' : refusal
  } finally {
    client.close()
  }
}

function portOf({ server }: Served): number {
  return Number(server.address.split(':').at(-1))
}

describe('a server with TLS', () => {
  it('answers who trusts its authority, by any name that is in its certificate', async () => {
    await using served = await serveTls()
    expect(await ask(served.server.address, trusting(authority.ca))).toBe('answered')
    expect(await ask(`localhost:${portOf(served)}`, trusting(authority.ca))).toBe('answered')
  })

  it('is answered itself by nobody who does not', async () => {
    await using served = await serveTls()
    expect(await ask(served.server.address, trusting(stranger.ca))).toMatch(/^UNAVAILABLE/)
  })

  it('is not taken for another host, nor with a certificate that has expired', async () => {
    const elsewhere = await authority.issueForLocalhost({ dns: ['elsewhere.internal'], ip: ['127.0.0.2'] })
    await using wrongName = await serveTls({ certificate: elsewhere })
    expect(await ask(wrongName.server.address, trusting(authority.ca))).toMatch(/^UNAVAILABLE/)
    await using expired = await serveTls({
      certificate: await authority.issueForLocalhost({ expired: true }),
    })
    expect(await ask(expired.server.address, trusting(authority.ca))).toMatch(/^UNAVAILABLE/)
  })

  it('has nothing to say to plain text, and a plain one nothing to TLS', async () => {
    await using served = await serveTls()
    expect(await ask(served.server.address, credentials.createInsecure())).toMatch(
      /^(UNAVAILABLE|OUTCOME_UNKNOWN)/,
    )
    await using plain = await serve()
    expect(await ask(plain.server.address, trusting(authority.ca))).toMatch(/^(UNAVAILABLE|OUTCOME_UNKNOWN)/)
    expect(await ask(served.server.address, trusting(authority.ca))).toBe('answered')
  })

  it('lives on through bytes that are no TLS', async () => {
    await using served = await serveTls()
    const socket = connectPlain(portOf(served), '127.0.0.1')
    await new Promise((resolve) => {
      socket.on('close', resolve).on('error', () => {})
      socket.end('GET / HTTP/1.1\r\n\r\n')
      socket.resume()
    })
    expect(await ask(served.server.address, trusting(authority.ca))).toBe('answered')
  })
})

describe('a server that wants certificates of its clients', () => {
  const identified: TlsOptions = {
    clientCaFile: authority.caFile,
    authentication: {
      authenticate: authenticator({
        certificates: new CertificateIdentities([
          { subject: 'shop.internal', identity: { name: 'shop', role: 'application' } },
          {
            subject: 'ledger.internal',
            identity: { name: 'ledger', role: 'participant', participant: 'ledger' },
          },
        ]),
      }),
      refused: () => {},
    },
  }

  it('knows by the certificate who calls', async () => {
    await using served = await serveTls(identified)
    expect(await ask(served.server.address, trusting(authority.ca, shop))).toBe('answered')
    expect(served.transactions.asked).toMatchObject([{ request: { caller: 'shop' } }])
  })

  it('refuses a certificate that is nobody’s, and one of another role', async () => {
    await using served = await serveTls(identified)
    const nobody = await authority.issue({ dns: ['nobody.internal'] })
    expect(await ask(served.server.address, trusting(authority.ca, nobody))).toMatch(
      /^UNAUTHENTICATED: the certificate is nobody that is known here/,
    )
    const ledger = await authority.issue({ dns: ['ledger.internal'] })
    expect(await ask(served.server.address, trusting(authority.ca, ledger))).toMatch(/^PERMISSION_DENIED/)
    expect(served.transactions.asked).toEqual([])
  })

  it('takes who brings a token for its owner, and a wrong one for nobody', async () => {
    const tokenFile = join(root, 'stock.token')
    writeFileSync(tokenFile, 'the-token-of-the-stock', { mode: 0o600 })
    const tokens = new BearerTokens([{ identity: { name: 'stock', role: 'application' }, file: tokenFile }])
    const certificates = new CertificateIdentities([
      { subject: 'shop.internal', identity: { name: 'shop', role: 'application' } },
    ])
    const authentication = { authenticate: authenticator({ tokens, certificates }), refused: () => {} }
    await using served = await serveTls({ clientCaFile: authority.caFile, authentication })
    const as = (token: string): Promise<string> =>
      ask(served.server.address, trusting(authority.ca, shop), token)
    expect(await as('the-token-of-the-stock')).toBe('answered')
    expect(await as('the-token-of-nobody')).toMatch(/^UNAUTHENTICATED: the token is not one/)
    expect(served.transactions.asked).toMatchObject([{ request: { caller: 'stock' } }])
    tokens.close()
  })

  it('lets in none without a certificate, with one that has expired, or of an authority that it does not know', async () => {
    await using served = await serveTls(identified)
    const expired = await authority.issue({ dns: ['shop.internal'], expired: true })
    const forged = await stranger.issue({ dns: ['shop.internal'] })
    for (const certificate of [undefined, expired, forged]) {
      expect(await ask(served.server.address, trusting(authority.ca, certificate))).toMatch(
        /^(UNAVAILABLE|OUTCOME_UNKNOWN)/,
      )
    }
    expect(served.transactions.asked).toEqual([])
    expect(await ask(served.server.address, trusting(authority.ca, shop))).toBe('answered')
  })

  it('goes through the whole handshake each time: nobody comes in on an older one', async () => {
    await using served = await serveTls(identified)
    const options = {
      port: portOf(served),
      host: '127.0.0.1',
      ca: authority.ca,
      cert: shop.cert,
      key: shop.key,
    }
    const sessions: Buffer[] = []
    const socket = connectTls({ ...options, ALPNProtocols: ['h2'] })
    socket.on('session', (session: Buffer) => sessions.push(session))
    await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
    for (const session of sessions) {
      const again = connectTls({ ...options, session, ALPNProtocols: ['h2'] })
      await new Promise((resolve) => again.once('data', resolve))
      expect(again.isSessionReused()).toBe(false)
      again.destroy()
    }
  })
})

/** Of the certificate that a new connection is shown. */
function serialNumberOf(served: Served): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      port: portOf(served),
      host: '127.0.0.1',
      ca: [authority.ca, stranger.ca],
      ALPNProtocols: ['h2'],
    })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const { serialNumber }: PeerCertificate = socket.getPeerCertificate()
      socket.destroy()
      resolve(serialNumber)
    })
  })
}

describe('certificates that are replaced', () => {
  it('are shown to who connects from then on; who is connected stays', async () => {
    const certificate = await authority.issueForLocalhost({ fileName: 'rotated' })
    await using served = await serveTls({ certificate })
    const client = new TransactionServiceClient(served.server.address, trusting(authority.ca))
    const request = GetTransactionRequest.fromPartial({ key: { $case: 'xid', value: XID } })
    const get = () => called<GetTransactionResponse>((callback) => client.getTransaction(request, callback))
    await get()
    const before = await serialNumberOf(served)
    await stranger.issueForLocalhost({ fileName: 'rotated' })
    await until(() => told.some(({ type }) => type === 'taken'))
    expect(await serialNumberOf(served)).not.toBe(before)
    expect(await ask(served.server.address, trusting(stranger.ca))).toBe('answered')
    expect(await ask(served.server.address, trusting(authority.ca))).toMatch(/^UNAVAILABLE/)
    await get()
    client.close()
  })

  it('are kept when what replaces them is no good, and taken when it is', async () => {
    const certificate = await authority.issueForLocalhost({ fileName: 'broken' })
    await using served = await serveTls({ certificate })
    const before = await serialNumberOf(served)
    writeFileSync(certificate.keyFile, own.key)
    await until(() => told.length > 0)
    expect(told).toEqual([
      { type: 'refused', text: expect.stringMatching(/stays in use: .*broken.key is not the key of/) },
    ])
    expect(await serialNumberOf(served)).toBe(before)
    writeFileSync(certificate.certFile, own.cert)
    await until(() => told.some(({ type }) => type === 'taken'))
    expect(await serialNumberOf(served)).not.toBe(before)
  })

  it('are those of clients as well: an authority that is replaced lets in its own', async () => {
    const clientCaFile = join(root, 'clients.pem')
    writeFileSync(clientCaFile, authority.ca)
    await using served = await serveTls({ clientCaFile })
    const theirs = await stranger.issue({ dns: ['shop.internal'] })
    expect(await ask(served.server.address, trusting(authority.ca, theirs))).toMatch(
      /^(UNAVAILABLE|OUTCOME_UNKNOWN)/,
    )
    writeFileSync(clientCaFile, stranger.ca)
    await until(() => told.some(({ type }) => type === 'taken'))
    expect(await ask(served.server.address, trusting(authority.ca, theirs))).toBe('answered')
    expect(await ask(served.server.address, trusting(authority.ca, shop))).toMatch(
      /^(UNAVAILABLE|OUTCOME_UNKNOWN)/,
    )
  })
})
