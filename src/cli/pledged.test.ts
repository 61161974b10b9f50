/** The program as a process, beside a real daemon: from another folder, with nobody at its standard input. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const PLEDGED = join(import.meta.dirname, 'pledged.ts')

interface Ended {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

let directory: string
let daemon: ChildProcess
let address: string
const children: ChildProcess[] = []

function start(args: readonly string[], environment: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, [PLEDGED, ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...environment },
  })
  children.push(child)
  return child
}

async function run(args: readonly string[], environment: Record<string, string> = {}): Promise<Ended> {
  return await ended(start(args, environment))
}

async function ended(child: ChildProcess): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (data) => (stdout += data))
  child.stderr?.on('data', (data) => (stderr += data))
  await once(child, 'close')
  return { exitCode: child.exitCode, stdout, stderr }
}

/** The first line on standard error in which `find` finds something. The rest is read, and dropped. */
function lineOf<Found>(child: ChildProcess, find: (line: string) => Found | undefined): Promise<Found> {
  return new Promise((resolve, reject) => {
    if (child.stderr === null) throw new Error('standard error is piped')
    const seen: string[] = []
    createInterface({ input: child.stderr }).on('line', (line) => {
      seen.push(line)
      const found = find(line)
      if (found !== undefined) resolve(found)
    })
    child.once('exit', () => reject(new Error(`it ended before: ${seen.join('\n')}`)))
  })
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'pledged-cli-'))
  writeFileSync(
    join(directory, 'pledged.yaml'),
    'listen: 127.0.0.1:0\nhttp_listen: 127.0.0.1:0\ndata_dir: ./data\nparticipants:\n  - { name: sink, kind: sqlite, file: ./sink.db }\n',
  )
  daemon = start(['serve', '--config', 'pledged.yaml'])
  address = await lineOf(daemon, (line) => /"address":"([^"]+)".*"message":"started"/.exec(line)?.[1])
})

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

describe('beside a daemon', () => {
  it('asks it, wherever it is started', async () => {
    const [status, check, list] = await Promise.all([
      run(['status', '--json'], { PLEDGED_ADDRESS: address }),
      run(['check', '--address', address]),
      run(['tx', 'list', '--all', '--address', address]),
    ])
    expect(status).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(status.stdout)).toMatchObject({
      in_doubt: 0,
      participants: [{ name: 'sink', up: true }],
    })
    expect(check).toEqual({ exitCode: 0, stdout: 'OK 0 in doubt\n', stderr: '' })
    expect(list).toMatchObject({ exitCode: 0, stdout: 'XID\tSTATE\tAGE\tWAITING FOR\tLAST ERROR\n' })
  })

  it('serves a participant that the daemon then lists, and ends at a signal', async () => {
    const participant = start([
      'participant',
      'serve',
      'offsets',
      '--name',
      'offsets',
      '--file',
      'o.db',
      '--address',
      address,
    ])
    await lineOf(participant, (line) => (line.includes('offsets attached') ? true : undefined))
    const { stdout } = await run(['participant', 'list', '--address', address])
    expect(stdout).toMatch(/^offsets\toffsets\tattached, up\t/m)
    participant.kill('SIGTERM')
    await once(participant, 'exit')
    expect(participant.exitCode).toBe(0)
  })

  it('knows no xid that was not issued', async () => {
    const { exitCode, stdout, stderr } = await run(['tx', 'show', '1.4711', '--address', address])
    expect({ exitCode, stdout }).toEqual({ exitCode: 66, stdout: '' })
    expect(stderr).toMatch(/^pledged: [^\n]*\.1-[^\n]*\.4711 has not been issued[^\n]*\n$/)
  })

  it('leaves the log of a running daemon alone', async () => {
    const { exitCode, stderr } = await run(['log', 'verify', 'data'])
    expect(exitCode).toBe(74)
    expect(stderr).toContain('is in use')
  })

  it('does not mind a reader that has gone', async () => {
    const child = start(['status', '--address', address])
    child.stdout?.destroy()
    const { stderr } = await ended(child)
    expect({ exitCode: child.exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  })
})

describe('without one', () => {
  it('says that nobody is there', async () => {
    const { exitCode, stdout, stderr } = await run(['tx', 'list', '--address', 'unix:nobody.sock'])
    expect({ exitCode, stdout }).toEqual({ exitCode: 69, stdout: '' })
    expect(stderr).toMatch(
      /^pledged: can't reach the daemon at unix:nobody\.sock \(there is no such socket\)[^\n]*\n$/,
    )
  })

  it('checks a configuration, and starts nothing', async () => {
    writeFileSync(join(directory, 'wrong.yaml'), 'listen: nowhere\nretention: -1\nlimits: { work: 1 }\n')
    const [right, wrong] = await Promise.all([
      run(['serve', '--config', 'pledged.yaml', '--check-config', '--json']),
      run(['serve', '--config', 'wrong.yaml', '--check-config']),
    ])
    expect(right).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(right.stdout)).toMatchObject({
      data_dir: join(directory, 'data'),
      participants: [{ name: 'sink', kind: 'sqlite' }],
    })
    expect(wrong).toMatchObject({ exitCode: 78, stdout: '' })
    for (const mistake of ['listen', 'retention', 'limits']) expect(wrong.stderr).toContain(mistake)
    expect(wrong.stderr).not.toMatch(/^ +at /m)
  })

  it('says so when its output can not be written', async () => {
    const full = openSync('/dev/full', 'w')
    const child = spawn(process.execPath, [PLEDGED, '--help'], { stdio: ['ignore', full, 'pipe'] })
    const { exitCode, stderr } = await ended(child)
    closeSync(full)
    expect(exitCode).toBe(74)
    expect(stderr).toMatch(/^pledged: standard output could not be written: ENOSPC[^\n]*\n$/)
  })

  it('is one sentence under an older Node', async () => {
    const older = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2', napi: '9' } })`
    const child = spawn(
      process.execPath,
      ['--import', `data:text/javascript,${encodeURIComponent(older)}`, PLEDGED, 'status'],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    const { exitCode, stdout, stderr } = await ended(child)
    expect({ exitCode, stdout }).toEqual({ exitCode: 78, stdout: '' })
    expect(stderr).toMatch(/^pledged: this is Node 20\.20\.2, and Pledged needs Node 22\.14[^\n]*\n$/)
  })
})

/** Last: it ends the daemon. */
describe('the log that a daemon has left', () => {
  beforeAll(async () => {
    daemon.kill('SIGTERM')
    await once(daemon, 'exit')
  })

  it('was left in good order', () => {
    expect(daemon.exitCode).toBe(0)
  })

  it('is verified', async () => {
    const { exitCode, stdout } = await run(['log', 'verify', 'data'])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^whole: /m)
    const json = await run(['log', 'verify', 'data', '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ whole: true, openings: 1, problems: [] })
  })

  it('is dumped, a record a line', async () => {
    const { exitCode, stdout } = await run(['log', 'dump', 'data', '--json'])
    expect(exitCode).toBe(0)
    const records = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(records[0]).toMatchObject({ position: 1, type: 'epochs' })
    expect(records).toContainEqual(
      expect.objectContaining({ type: 'participant', name: 'sink', kind: 'sqlite' }),
    )
  })
})
