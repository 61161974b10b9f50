/**
 * Clients that are slow, silent, greedy, or speak something else, one sort after the other, while those who came before are
 * still there: against a daemon that asks nobody who they are, and against one with TLS and tokens. Meanwhile an honest client
 * of each goes on committing; afterwards the others are gone, nothing has grown without bound, and its rows are there.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testAuthority } from '../../src/serving/test-certificates.ts'
import { ATTACKS, EXECUTE } from './attacks.ts'
import { BesiegedDaemon } from './besieged-daemon.ts'
import { Siege } from './siege.ts'

/** Of memory that the runtime doesn't give back at once, more than of what is held. */
const GROWTH_BYTES_MAX = 600 << 20
const UNAUTHENTICATED = '16'
const TOKEN = 'the-token-of-the-honest-client'
const WRONG_TOKEN = 'a-token-that-nobody-knows'
const CALLS = 1_000
/** Fewer than the assailants. */
const CONNECTIONS_MAX = 300
const STARTS_WITHIN_MS = 120_000

const root = mkdtempSync(join(tmpdir(), 'pledged-hostile-'))
const caFile = join(root, 'ca.pem')
let guarded: BesiegedDaemon
let sieges: readonly Siege[] = []

beforeAll(async () => {
  const authority = await testAuthority(root)
  writeFileSync(caFile, authority.ca)
  const { certFile, keyFile } = await authority.issueForLocalhost()
  const tokenFile = join(root, 'token')
  writeFileSync(tokenFile, TOKEN)
  guarded = new BesiegedDaemon({
    directory: join(root, 'guarded'),
    sections: [
      `tls: { cert_file: ${certFile}, key_file: ${keyFile} }`,
      `limits: { connections: ${CONNECTIONS_MAX} }`,
      `auth: { tokens: [ { name: shop, role: application, token_file: ${tokenFile} } ] }`,
    ].join('\n'),
    access: { tokenFile, tls: { caFile } },
  })
  const open = new BesiegedDaemon({ directory: join(root, 'open') })
  await Promise.all([open.start(), guarded.start()])
  sieges = [new Siege(open), new Siege(guarded, { caFile, connectionsMax: CONNECTIONS_MAX })]
}, STARTS_WITHIN_MS)

afterAll(async () => {
  await Promise.all(sieges.map((siege) => siege.end()))
  rmSync(root, { recursive: true, force: true })
})

describe('honest clients', () => {
  it.each(ATTACKS)('go on under $what', async (attack) => {
    const growths = await Promise.all(sieges.map((siege) => siege.withstand(attack)))
    expect(Math.max(...growths)).toBeLessThan(GROWTH_BYTES_MAX)
  })

  it('go on under calls with a wrong token: refused unread, and the connection is cut', async () => {
    const session = connectHttp2(`https://localhost:${guarded.port}`, { ca: readFileSync(caFile) })
    session.on('error', () => {})
    const closed = new Promise<void>((resolve) => session.once('close', () => resolve()))
    const statuses: unknown[] = []
    for (let count = 0; count < CALLS; count += 1) {
      const stream = session.request({
        ':method': 'POST',
        ':path': EXECUTE,
        'content-type': 'application/grpc',
        authorization: `Bearer ${WRONG_TOKEN}`,
      })
      // Nothing is written on it: what is refused are its headers.
      stream.on('error', () => {})
      stream.on('response', (fields) => statuses.push(fields['grpc-status']))
    }
    await closed
    expect(statuses.length).toBeGreaterThan(0)
    expect(statuses.filter((status) => status !== UNAUTHENTICATED)).toEqual([])
    await guarded.progress()
  })

  it('go on, and probes are answered, under connections to the probes that ask nothing', async () => {
    const [host = '', port] = guarded.probesAddress.split(':')
    const silent = await Promise.all(Array.from({ length: 200 }, () => connected(Number(port), host)))
    const answer = await fetch(`http://${guarded.probesAddress}/readyz`)
    expect(await answer.text()).toBe('ok\n')
    await guarded.progress()
    for (const socket of silent) socket.destroy()
  })

  it('are alone in the end, and have what they were told', async () => {
    await Promise.all(sieges.map((siege) => siege.outlast()))
    expect(guarded.output).toContain(`limits.connections (${CONNECTIONS_MAX}) is reached`)
    for (const secret of [TOKEN, WRONG_TOKEN]) expect(guarded.output).not.toContain(secret)
  })
})

function connected(port: number, host: string): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => resolve(socket))
    socket.on('error', () => {})
  })
}
