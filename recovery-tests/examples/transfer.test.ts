/** The example examples/transfer, as its README says to run it, on a PostgreSQL and a MariaDB of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import mysql, { type RowDataPacket } from 'mysql2/promise'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type DatabaseServer, startMariadb, startPostgres } from '../../src/demo/servers/index.ts'
import { CLI_FILE, type Ended, pledged } from '../harness/pledged.ts'

const EXAMPLE = resolve(import.meta.dirname, '../../examples/transfer')
const directory = mkdtempSync(join(tmpdir(), 'pledged-transfer-'))
const STARTS_WITHIN_MS = 120_000
const address = `unix:${join(directory, 'pledged.sock')}`

let servers: DatabaseServer[] = []
let giro: pg.Client
let savings: mysql.Connection
let urls: { readonly GIRO_URL: string; readonly SAVINGS_URL: string }
let daemon: ChildProcess | undefined

beforeAll(async () => {
  const postgres = await startPostgres()
  servers = [postgres]
  const mariadb = await startMariadb()
  servers = [postgres, mariadb]
  urls = {
    GIRO_URL: await postgres.createDatabase('giro'),
    SAVINGS_URL: await mariadb.createDatabase('savings'),
  }
  giro = new pg.Client({ connectionString: urls.GIRO_URL })
  await giro.connect()
  await giro.query(readFileSync(join(EXAMPLE, 'giro.sql'), 'utf8'))
  savings = await mysql.createConnection({ uri: urls.SAVINGS_URL, multipleStatements: true })
  await savings.query(readFileSync(join(EXAMPLE, 'savings.sql'), 'utf8'))
  await startDaemon()
}, STARTS_WITHIN_MS)

afterAll(async () => {
  daemon?.kill('SIGKILL')
  await giro?.end()
  await savings?.end()
  for (const server of servers) await server.stop()
  rmSync(directory, { recursive: true, force: true })
})

/** With the example's own configuration; where it listens and keeps its log is the test's. */
async function startDaemon(env: Readonly<Record<string, string>> = {}): Promise<ChildProcess> {
  const own = ['--data-dir', join(directory, 'log'), '--listen', address, '--http-listen', '127.0.0.1:0']
  const started = spawn(
    process.execPath,
    [CLI_FILE, 'serve', '--config', join(EXAMPLE, 'pledged.yaml'), ...own],
    { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...urls, ...env } },
  )
  daemon = started
  await vi.waitFor(async () => expect(await participantsUp()).toEqual(['giro', 'savings']), STARTS_WITHIN_MS)
  return started
}

async function participantsUp(): Promise<string[]> {
  const { code, stdout } = await command('status', '--json')
  if (code !== 0) return []
  const { participants } = JSON.parse(stdout) as { participants: { name: string; up: boolean }[] }
  return participants
    .filter(({ up }) => up)
    .map(({ name }) => name)
    .toSorted()
}

function command(...args: string[]): Promise<Ended> {
  return pledged([...args, '--address', address])
}

function transfer(...args: string[]): { readonly status: number | null; readonly stdout: string } {
  const { status, stdout } = spawnSync(process.execPath, [join(EXAMPLE, 'transfer.ts'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, PLEDGED_ADDRESS: address },
  })
  return { status, stdout }
}

interface Balances {
  readonly giro: Readonly<Record<string, number>>
  readonly savings: Readonly<Record<string, number>>
}

async function balances(): Promise<Balances> {
  const sql = 'SELECT owner, cents FROM account'
  const { rows } = await giro.query<{ owner: string; cents: string }>(sql)
  const [others] = await savings.query<RowDataPacket[]>(sql)
  const byOwner = (accounts: readonly { owner: string; cents: string }[]): Record<string, number> =>
    Object.fromEntries(accounts.map(({ owner, cents }) => [owner, Number(cents)]))
  return { giro: byOwner(rows), savings: byOwner(others as { owner: string; cents: string }[]) }
}

/** From Alice's account to Bob's savings. */
function moved(before: Balances, cents: number): Balances {
  return {
    giro: { ...before.giro, alice: (before.giro['alice'] ?? 0) - cents },
    savings: { ...before.savings, bob: (before.savings['bob'] ?? 0) + cents },
  }
}

/** Money is neither made nor lost. */
function sum({ giro, savings }: Balances): number {
  return [...Object.values(giro), ...Object.values(savings)].reduce((total, cents) => total + cents, 0)
}

describe('the transfer between two databases', () => {
  it('happens, on both sides', async () => {
    const before = await balances()
    expect(transfer('alice', 'bob', '2500')).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^moved 2500 cents from alice to bob: \S+\n$/),
    })
    await expect.poll(balances, { timeout: 30_000 }).toEqual(moved(before, 2_500))
  })

  it('is refused, with the reason, where the account has not enough, or is not there', async () => {
    const before = await balances()
    const overdraft = transfer('bob', 'alice', '501')
    expect(overdraft.status).toBe(1)
    expect(overdraft.stdout).toMatch(/^nothing was moved: participant "giro" voted no: statements\[0\] /)
    const nobody = transfer('alice', 'nobody', '1')
    expect(nobody.status).toBe(1)
    expect(nobody.stdout).toMatch(/^nothing was moved: participant "savings" voted no: statements\[0\] /)
    expect(await balances()).toEqual(before)
  })

  it('is whole after kill -9 of the daemon between the decision and its delivery', async () => {
    const before = await balances()
    daemon?.kill('SIGTERM')
    if (daemon?.exitCode === null) await once(daemon, 'exit')
    const dying = await startDaemon({ PLEDGED_CRASH_POINT: 'coordinator.delivery.before-send' })
    const died = once(dying, 'exit')
    const asked = spawn(process.execPath, [join(EXAMPLE, 'transfer.ts'), 'alice', 'bob', '100'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, PLEDGED_ADDRESS: address },
    })
    const told = once(asked, 'exit')
    expect(await died).toEqual([null, 'SIGKILL'])
    // Both databases have pledged and wait; neither shows anything of it yet.
    expect(await balances()).toEqual(before)
    await startDaemon()
    expect(await told).toEqual([0, null])
    await expect.poll(balances, { timeout: 30_000 }).toEqual(moved(before, 100))
    expect(sum(await balances())).toBe(sum(before))
  })

  it('leaves nothing in doubt', async () => {
    await expect
      .poll(async () => (await command('check')).stdout, { timeout: 60_000 })
      .toMatch(/^OK 0 in doubt/)
    expect((await giro.query('SELECT gid FROM pg_prepared_xacts')).rows).toEqual([])
    const mariadb = await mysql.createConnection(servers[1]?.url ?? '')
    const [prepared] = await mariadb.query<RowDataPacket[]>('XA RECOVER')
    await mariadb.end()
    expect(prepared).toEqual([])
  })
})
