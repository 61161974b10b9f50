/** The participant in Python, which knows nothing of the SDK: asked by the command, restarted by a stranger's script. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findFreePort } from '../../src/demo/servers/free-port.ts'
import { connect } from '../../src/sdk/client/index.ts'
import { CLI_FILE, pledged } from '../harness/pledged.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const EXAMPLE = join(ROOT, 'examples/python-participant')
const directory = mkdtempSync(join(tmpdir(), 'pledged-python-'))
const pidFile = join(directory, 'pid')
const restart = join(directory, 'restart')

interface Report {
  readonly failed: number
  readonly warnings: number
  readonly participant: { readonly kind: string }
  readonly cases: readonly { readonly name: string; readonly result: string }[]
  readonly to_fix: readonly string[]
  readonly left: readonly string[]
}

let address: string

beforeAll(async () => {
  address = `127.0.0.1:${await findFreePort()}`
  const prepared = shell('source scripts/databases --python && examples/python-participant/generate')
  expect(prepared, prepared.stderr).toMatchObject({ status: 0 })
  const python = shell('source scripts/databases --python && echo "$PLEDGED_PYTHON"').stdout.trim()
  writeFileSync(
    restart,
    [
      '#!/bin/sh',
      `[ ! -e ${pidFile} ] || kill -9 "$(cat ${pidFile})"`,
      `${python} ${EXAMPLE}/participant.py --listen ${address} --file ${directory}/ledger.db &`,
      `echo $! >${pidFile}`,
      '',
    ].join('\n'),
    { mode: 0o755 },
  )
  const started = shell(restart)
  expect(started, started.stderr).toMatchObject({ status: 0 })
})

afterAll(() => {
  if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

function shell(command: string) {
  // What the script leaves running must not keep this from returning: it inherits no pipe.
  const output = join(directory, 'output')
  const ended = spawnSync('bash', ['-c', `{ ${command}; } >${output} 2>${output}.errors </dev/null`], {
    cwd: ROOT,
  })
  return {
    status: ended.status,
    stdout: readFileSync(output, 'utf8'),
    stderr: readFileSync(`${output}.errors`, 'utf8'),
  }
}

const WORK = [
  ['--work', '{"add": {"account-{n}": 5}}'],
  ['--conflicting-work', '{"add": {"account-{n}": 5}}'],
  ['--conflicting-work', '{"add": {"other-{n}": 1, "account-{n}": 6}}'],
  ['--refused-work', '{"add": {"account-{n}": -5}}'],
  ['--refused-work', '{"add": {"account-{n}": 1.5}}'],
  ['--hostile-work', '{"add": {"account-{n}": 1e400}}'],
  ['--hostile-work', `{"add": {"'; DROP TABLE accounts; --": 1}}`],
].flat()

describe('the participant in Python', () => {
  it('keeps every rule of the conformance suite', async () => {
    const ended = await pledged(
      ['conformance', address, ...WORK, '--restart-command', restart, '--timeout', '30s', '--json'],
      { withinMs: 600_000 },
    )
    const report = JSON.parse(ended.stdout) as Report
    expect(report.to_fix).toEqual([])
    expect(ended.code).toBe(0)
    expect(report).toMatchObject({ failed: 0, warnings: 0, left: [], participant: { kind: 'python-ledger' } })
    const skipped = report.cases.filter(({ result }) => result === 'skipped').map(({ name }) => name)
    expect(skipped).toEqual(['one-phase'])
  })

  it('is told on the command line what its kind of work is, case by case', async () => {
    const ended = await pledged(['conformance', address, '--case', 'vote-yes'])
    expect(ended.code).toBe(1)
    expect(ended.stdout).toMatch(/^FAILED +2 +vote-yes +see below$/m)
    expect(ended.stdout).toMatch(/^seen +it answered VOTE_NO \("malformed work: expected /m)
    expect(ended.stdout).toMatch(/^do +Give work that this participant can do/m)
    expect(ended.stderr).toContain('without --restart-command nothing is killed')
  })

  it('takes part in transactions of a daemon, through a kill of its own', async () => {
    const daemon = await startDaemon()
    await using coordinator = connect({ address: daemon.address })
    try {
      const give = async (changes: Record<string, number>) =>
        await coordinator.execute([{ participant: 'points', work: { add: changes } }])
      expect(await give({ alice: 20 })).toMatchObject({ outcome: 'committed' })
      const refused = await give({ alice: -21, bob: 21 })
      expect(refused).toMatchObject({ outcome: 'aborted' })
      expect(JSON.stringify(refused)).toContain("account 'alice' has 20")
      const killed = shell(restart)
      expect(killed, killed.stderr).toMatchObject({ status: 0 })
      await expect
        .poll(async () => (await give({ alice: -1, bob: 1 })).outcome, { timeout: 60_000 })
        .toBe('committed')
      // The client is told at the decision; the branch a moment later.
      await expect.poll(balances, { timeout: 60_000 }).toMatchObject({ alice: 19, bob: 1 })
    } finally {
      await daemon.end()
    }
  })
})

async function startDaemon() {
  const listen = `unix:${join(directory, 'pledged.sock')}`
  const config = join(directory, 'pledged.yaml')
  const participants = [{ name: 'points', kind: 'grpc', address }]
  const settings = { listen, http_listen: '127.0.0.1:0', data_dir: join(directory, 'log'), participants }
  // YAML takes JSON.
  writeFileSync(config, JSON.stringify(settings))
  const child = spawn(process.execPath, [CLI_FILE, 'serve', '--config', config], { stdio: 'ignore' })
  await expect
    .poll(async () => (await pledged(['status', '--json', '--address', listen])).stdout, { timeout: 60_000 })
    .toMatch(/"up": ?true/)
  return {
    address: listen,
    end: async () => {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    },
  }
}

function balances(): Record<string, unknown> {
  const database = new DatabaseSync(join(directory, 'ledger.db'), { readOnly: true, timeout: 10_000 })
  try {
    const rows = database.prepare('SELECT name, balance FROM accounts').all()
    return Object.fromEntries(rows.map(({ name, balance }) => [String(name), balance]))
  } finally {
    database.close()
  }
}
