import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import { type Coordinator, connect } from '../sdk/client/index.ts'
import { testAuthority } from '../serving/test-certificates.ts'
import { checkConfiguration } from './configuration.ts'
import { type Daemon, startDaemon } from './daemon.ts'

const SHOP = 'the-token-of-the-shop'.padEnd(32, '1')
const STOCK = 'the-token-of-the-stock'.padEnd(32, '5')
const OPS = 'the-token-of-operators'.padEnd(32, '2')
const WRONG = 'the-token-of-a-stranger'.padEnd(32, '3')

let folder: string
let caFile: string
let lines: string[]
let daemon: Daemon

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pledged-guard-'))
  const authority = await testAuthority(folder)
  caFile = authority.caFile
  await authority.issueForLocalhost({ fileName: 'server' })
  lines = []
  for (const [name, token] of [
    ['shop', SHOP],
    ['stock', STOCK],
    ['ops', OPS],
  ] as const)
    writeFileSync(join(folder, name), `${token}\n`, { mode: 0o600 })
  const file = join(folder, 'pledged.yaml')
  writeFileSync(
    file,
    `listen: 127.0.0.1:0
http_listen: 127.0.0.1:0
data_dir: data
tls: { cert_file: server.pem, key_file: server.key }
auth:
  tokens:
    - { name: shop, role: application, token_file: shop }
    - { name: stock, role: application, token_file: stock }
    - { name: ops, role: operator, token_file: ops }
participants:
  - { name: offsets, kind: offsets, file: offsets.db }
`,
  )
  const logger = pino({ level: 'trace' }, { write: (line) => void lines.push(line) })
  daemon = await startDaemon(checkConfiguration({ configFile: file }, {}), { logger })
})

afterEach(async () => {
  await daemon.stop()
  // Whatever happened, no token is in the log.
  expect(lines.join('\n')).not.toMatch(/the-token-of|111111|222222|333333|555555/)
  rmSync(folder, { recursive: true })
})

type Verb = (coordinator: Coordinator) => Promise<unknown>

/** What the daemon answers to this token: `answered`, or the code of its refusal. */
async function ask(token: string, verb: Verb): Promise<string> {
  const tokenFile = join(folder, 'token')
  writeFileSync(tokenFile, token, { mode: 0o600 })
  const address = daemon.grpcAddress
  await using coordinator = connect({ address, transport: 'unary', tokenFile, tls: { caFile } })
  try {
    await verb(coordinator)
    return 'answered'
  } catch (error) {
    return PledgedError.from(error).code
  }
}

const work = { group: 'g', owner_epoch: 1, advance: [{ topic: 't', partition: 0, from: 0, to: 1 }] }
const execute: Verb = (coordinator) => coordinator.execute([{ participant: 'offsets', work }])
const get: Verb = (coordinator) => coordinator.get({ requestId: 'never-made' })

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}

describe('a daemon that is guarded', () => {
  it('takes each by the role of its token, and tells in its log whom it did not take', async () => {
    expect([await ask(SHOP, execute), await ask(OPS, get)]).toEqual(['answered', 'REQUEST_NOT_FOUND'])
    expect(await ask(OPS, execute)).toBe('PERMISSION_DENIED')
    expect([await ask(WRONG, execute), await ask(WRONG, get)]).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED'])
    const refusals = lines
      .filter((line) => line.includes('a call was not let in'))
      .map((line) => JSON.parse(line))
    expect(refusals).toMatchObject([
      { identity: 'ops', method: expect.stringMatching(/ExecuteTransaction$/), code: 'PERMISSION_DENIED' },
      { peer: expect.stringMatching(/^127.0.0.1:/), code: 'UNAUTHENTICATED' },
      { method: expect.stringMatching(/GetTransaction$/), code: 'UNAUTHENTICATED' },
    ])
  })

  it('tells of a transaction its owner and operators alone', async () => {
    let xid = ''
    await ask(SHOP, async (coordinator) => {
      const executed = await coordinator.execute([{ participant: 'offsets', work }])
      xid = executed.xid ?? ''
    })
    const getIt: Verb = (coordinator) => coordinator.get({ xid })
    expect([await ask(SHOP, getIt), await ask(OPS, getIt)]).toEqual(['answered', 'answered'])
    expect(await ask(STOCK, getIt)).toBe('NOT_OWNER')
  })

  it('takes over tokens and certificates that are replaced, and says so', async () => {
    const fresh = join(folder, 'fresh')
    const next = SHOP.replace('1', '4')
    writeFileSync(fresh, next, { mode: 0o600 })
    renameSync(fresh, join(folder, 'shop'))
    await until(async () => (await ask(next, get)) === 'REQUEST_NOT_FOUND')
    expect(await ask(SHOP, get)).toBe('UNAUTHENTICATED')

    const other = await testAuthority(folder, 'The next authority')
    await other.issueForLocalhost({ fileName: 'server' })
    await until(() => lines.some((line) => line.includes('server.pem') && line.includes('"rotated"')))
    caFile = other.caFile
    expect(await ask(next, get)).toBe('REQUEST_NOT_FOUND')
  })
})
