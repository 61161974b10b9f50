/** Every start that can't be is refused: with a sentence, with the right exit code, and with nothing lost. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../src/sdk/client/index.ts'
import { DaemonUnderTest, type Ended, pledged } from '../harness/pledged.ts'

const root = mkdtempSync(join(tmpdir(), 'pledged-starts-'))
const killed = join(root, 'killed')

/** A data directory with work in it, as kill -9 leaves it. */
beforeAll(async () => {
  const daemon = new DaemonUnderTest(killed)
  const sink = new DatabaseSync(join(killed, 'sink.db'))
  sink.exec('CREATE TABLE t (id INTEGER PRIMARY KEY)')
  sink.close()
  await daemon.start()
  await using coordinator = connect({ address: daemon.address })
  for (let id = 1; id <= 20; id += 1) {
    const statements = [{ sql: 'INSERT INTO t VALUES (?)', params: [id] }]
    await coordinator.execute([{ participant: 'sink', work: { statements } }])
  }
  await daemon.end('SIGKILL')
})

afterAll(() => rmSync(root, { recursive: true, force: true }))

function expectRefusal(ended: Ended, code: number, says: RegExp): void {
  expect(ended.code, ended.stderr).toBe(code)
  expect(ended.stderr).toMatch(says)
  expect(ended.stderr).not.toMatch(/\n\s+at /)
}

// What is found damaged while the daemon runs ends it after the drain's time.
const serve = (dataDir: string) =>
  pledged(['serve', '--data-dir', dataDir, '--listen', '127.0.0.1:0', '--http-listen', '127.0.0.1:0'], {
    env: { PLEDGED_TIMEOUTS_DRAIN: '500ms' },
  })

/** A copy of the killed log, for a test to spoil. */
function copyOfLog(name: string): string {
  const directory = join(root, name)
  cpSync(join(killed, 'log'), directory, { recursive: true })
  return directory
}

describe('a configuration with three mistakes', () => {
  it('has all three named, with path and line', async () => {
    const file = join(root, 'three.yaml')
    writeFileSync(
      file,
      'listen: 127.0.0.1:99999\nretention: soon\nparticipants:\n  - { name: Sink, kind: sqlite, file: s.db }\n',
    )
    const ended = await pledged(['serve', '--config', file])
    expectRefusal(ended, 78, /listen/)
    for (const line of [/:1\b|line 1\b/, /:2\b|line 2\b/, /:4\b|line 4\b/]) expect(ended.stderr).toMatch(line)
    expect(ended.stderr).toMatch(/retention/)
    expect(ended.stderr).toMatch(/participants\W+0\W+name/)
    expect((await pledged(['serve', '--config', file, '--check-config'])).code).toBe(78)
  })
})

describe('a data directory', () => {
  it('in use is left to its owner', async () => {
    const directory = join(root, 'owned')
    const daemon = new DaemonUnderTest(directory)
    await daemon.start()
    expectRefusal(await serve(daemon.dataDir), 74, /in use|another process/)
    expect(daemon.running).toBe(true)
    await daemon.end('SIGTERM')
  })

  it('that is a file is refused', async () => {
    const file = join(root, 'a-file')
    writeFileSync(file, 'keep me')
    expectRefusal(await serve(file), 74, /a-file/)
    expect(statSync(file).size).toBe(7)
  })

  it('that can not be written is refused', async () => {
    const directory = join(root, 'read-only')
    mkdirSync(directory)
    // Root writes anywhere but into an immutable folder.
    const immutable = spawnSync('chattr', ['+i', directory]).status === 0
    const unwritable = immutable ? directory : '/proc/pledged'
    try {
      expectRefusal(await serve(unwritable), 74, /read-only|proc/)
    } finally {
      if (immutable) spawnSync('chattr', ['-i', directory])
    }
  })
})

describe('a damaged log', () => {
  it('is opened as long as it is whole', async () => {
    const directory = copyOfLog('whole')
    const verified = await pledged(['log', 'verify', directory])
    expect(verified.code, verified.stderr).toBe(0)
  })

  it('with a record changed is refused', async () => {
    const directory = copyOfLog('changed')
    const database = new DatabaseSync(join(directory, 'pledged.db'))
    database.exec(
      `UPDATE records SET body = replace(body, 'sink', 'sunk')
       WHERE position = (SELECT max(position) FROM records WHERE body LIKE '%sink%')`,
    )
    expect(database.prepare('SELECT changes() AS n').get()).toEqual({ n: 1 })
    // Left as a killed process leaves it: the WAL has to be there for the open mark.
    copyOpenFiles(directory, 'changed-open')
    database.close()
    expectRefusal(await serve(join(root, 'changed-open')), 74, /damaged|checksum|chain/i)
    expect((await pledged(['log', 'verify', join(root, 'changed-open')])).code).toBe(1)
  })

  it('with its WAL removed is refused', async () => {
    const directory = copyOfLog('no-wal')
    const wal = join(directory, 'pledged.db-wal')
    expect(existsSync(wal)).toBe(true)
    rmSync(wal)
    expectRefusal(await serve(directory), 74, /wal/i)
  })

  it.each([
    ['to nothing', () => 0],
    ['to half', (size: number) => Math.floor(size / 2)],
  ])('with its main file truncated %s is refused', async (what, to) => {
    const directory = copyOfLog(`truncated-${what.replaceAll(' ', '-')}`)
    const file = join(directory, 'pledged.db')
    rmSync(join(directory, 'pledged.db-wal'))
    truncateSync(file, to(statSync(file).size))
    expectRefusal(await serve(directory), 74, /pledged\.db/)
  })

  it('is not touched by the refusal: the whole one still opens', async () => {
    const directory = join(root, 'still-whole')
    cpSync(killed, directory, { recursive: true })
    const child = new DaemonUnderTest(directory)
    await child.start()
    expect(await child.end('SIGTERM')).toBe(0)
  })
})

describe('the surroundings', () => {
  it('a port in use is named', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const directory = join(root, 'port')
    const ended = await pledged(['serve', '--data-dir', directory, '--listen', `127.0.0.1:${port}`])
    expectRefusal(ended, 78, new RegExp(`${port}`))
    server.close()
  })

  it('an old Node is told so in one sentence', async () => {
    const node = oldNode()
    // Without one at hand the gate is shown by what it looks at: the version that the process says it has.
    const ended =
      node === undefined
        ? await pledged(['--version'], { env: { NODE_OPTIONS: `--import ${pretendOld()}` } })
        : await pledged(['--version'], { node })
    expect(ended.code).toBe(78)
    expect(
      ended.stderr
        .trim()
        .split('\n')
        .filter((line) => !line.includes('Warning')),
    ).toHaveLength(1)
    expect(ended.stderr).toMatch(/Node(\.js)? .*22\.14/)
  })
})

function copyOpenFiles(directory: string, name: string): void {
  mkdirSync(join(root, name))
  for (const file of readdirSync(directory)) {
    if (!file.endsWith('-shm')) copyFileSync(join(directory, file), join(root, name, file))
  }
}

/** A Node on this machine that is too old, if there is one. */
function oldNode(): string | undefined {
  return ['/usr/bin/node', '/usr/local/bin/node', '/opt/node/bin/node'].find((path) => {
    const version = spawnSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout
    return typeof version === 'string' && version !== '' && Number.parseInt(version, 10) < 22
  })
}

function pretendOld(): string {
  const file = join(root, 'pretend-old.mjs')
  writeFileSync(
    file,
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2', napi: '9' } })\n",
  )
  return file
}
