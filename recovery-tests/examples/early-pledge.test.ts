/**
 * The examples with branches on the application's own connections, as their READMEs say to run them, on a PostgreSQL and a
 * MariaDB of their own: plain drivers, Kysely, Drizzle; one order for all of them.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { CLI_FILE, pledged } from '../harness/pledged.ts'
import { only, TestDatabase } from '../harness/test-database.ts'

const EXAMPLES = resolve(import.meta.dirname, '../../examples')
const EXAMPLE = join(EXAMPLES, 'early-pledge')
const STARTS_WITHIN_MS = 120_000
const WITHIN = { timeout: 30_000 }

const directory = mkdtempSync(join(tmpdir(), 'pledged-orders-'))
const address = `unix:${join(directory, 'pledged.sock')}`
let ledger: TestDatabase
let stock: TestDatabase
let daemon: ChildProcess | undefined
let environment: NodeJS.ProcessEnv

beforeAll(async () => {
  ledger = await TestDatabase.start('postgres', 'ledger')
  stock = await TestDatabase.start('mariadb', 'stock')
  environment = {
    ...process.env,
    LEDGER_URL: ledger.url,
    STOCK_URL: stock.url,
    PLEDGED_ADDRESS: address,
  }
  await ledger.query(readFileSync(join(EXAMPLE, 'ledger.sql'), 'utf8'))
  await ledger.query('GRANT ALL ON ALL TABLES IN SCHEMA public TO ledger')
  await stock.query(readFileSync(join(EXAMPLE, 'stock.sql'), 'utf8'))
  await startDaemon()
}, STARTS_WITHIN_MS)

afterAll(async () => {
  daemon?.kill('SIGKILL')
  await ledger?.stop()
  await stock?.stop()
  rmSync(directory, { recursive: true, force: true })
}, STARTS_WITHIN_MS)

/** With the examples' own configuration; where it listens and keeps its log is the test's. */
async function startDaemon(env: Readonly<Record<string, string>> = {}): Promise<ChildProcess> {
  const own = ['--data-dir', join(directory, 'log'), '--listen', address, '--http-listen', '127.0.0.1:0']
  const args = [CLI_FILE, 'serve', '--config', join(EXAMPLE, 'pledged.yaml'), ...own]
  const started = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...environment, ...env },
  })
  daemon = started
  const participantsUp = async (): Promise<number> => {
    const { stdout } = await pledged(['status', '--json', '--address', address])
    return (stdout.match(/"up": ?true/g) ?? []).length
  }
  await vi.waitFor(async () => expect(await participantsUp()).toBe(2), STARTS_WITHIN_MS)
  return started
}

interface Sale {
  readonly code: number | null
  readonly stdout: string
}

async function order(example: string, ...args: string[]): Promise<Sale> {
  const child = spawn(process.execPath, [join(EXAMPLES, example, 'order.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment,
  })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout }
}

interface Books {
  readonly cents: number
  readonly pieces: number
}

/** Of Alice, and of teapots. */
async function books(): Promise<Books> {
  const account = only(await ledger.query("SELECT cents FROM account WHERE owner = 'alice'"))
  const teapots = only(await stock.query("SELECT pieces FROM stock WHERE item = 'teapot'"))
  return { cents: Number(account['cents']), pieces: Number(teapots['pieces']) }
}

function sold({ cents, pieces }: Books): Books {
  return { cents: cents - 1_800, pieces: pieces - 1 }
}

describe.each(['early-pledge', 'kysely', 'drizzle'])('the order of examples/%s', (example) => {
  it('happens, on both sides', async () => {
    const before = await books()
    expect(await order(example, 'alice', 'teapot', '1')).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^sold 1 teapot to alice for 1800 cents: \S+\n$/),
    })
    // A branch whose connection was lost would be ended by the daemon, a moment later.
    await expect.poll(books, WITHIN).toEqual(sold(before))
  })

  it('does not happen where money or pieces are missing, and the error is the callback’s own', async () => {
    const before = await books()
    expect(await order(example, 'bob', 'teapot', '1')).toEqual({
      code: 1,
      stdout: "not sold: bob can't pay 1800 cents\n",
    })
    expect(await order(example, 'alice', 'teapot', '100')).toEqual({
      code: 1,
      stdout: 'not sold: not enough of "teapot"\n',
    })
    expect(await books()).toEqual(before)
  })
})

describe('the order', () => {
  it('is whole after kill -9 of the daemon when the decision is on disk, and nobody knows', async () => {
    const before = await books()
    daemon?.kill('SIGTERM')
    if (daemon?.exitCode === null) await once(daemon, 'exit')
    const dying = await startDaemon({ PLEDGED_CRASH_POINT: 'coordinator.append.durable' })
    const died = once(dying, 'exit')
    const asked = order('early-pledge', 'alice', 'teapot', '1')
    expect(await died).toEqual([null, 'SIGKILL'])
    expect(await books()).toEqual(before)
    await startDaemon()
    expect(await asked).toEqual({ code: 0, stdout: expect.stringMatching(/^sold 1 teapot to alice /) })
    await expect.poll(books, WITHIN).toEqual(sold(before))
  })

  it('leaves nothing in doubt', async () => {
    const check = async (): Promise<string> => (await pledged(['check', '--address', address])).stdout
    await expect.poll(check, WITHIN).toMatch(/^OK 0 in doubt/)
    expect([...(await ledger.prepared()), ...(await stock.prepared())]).toEqual([])
  })
})
