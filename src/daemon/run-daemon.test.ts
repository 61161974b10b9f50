import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Coordinator, connect } from '../sdk/client/index.ts'

const INDEX = new URL('./index.ts', import.meta.url).href

let folder: string
let children: Child[]
let clients: Coordinator[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pledged-process-'))
  children = []
  clients = []
  const sink = new DatabaseSync(join(folder, 'sink.db'))
  sink.exec('CREATE TABLE event (id INTEGER PRIMARY KEY)')
  sink.close()
})

afterEach(async () => {
  for (const client of clients) await client.close()
  for (const child of children) await child.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})

/** A process, with the lines that it has written to standard error. */
class Child {
  readonly lines: string[] = []
  readonly #process: ChildProcess
  readonly #ended: Promise<unknown[]>
  readonly #wakes = new Set<() => void>()

  /** `shell`: a line of bash that ends in `exec "$0" "$@"`. */
  constructor(program: string, env: Readonly<Record<string, string>>, shell = 'exec "$0" "$@"') {
    this.#process = spawn('bash', ['-c', shell, process.execPath, program], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'pipe'],
    })
    this.#ended = once(this.#process, 'close')
    if (this.#process.stderr === null) throw new Error('standard error is a pipe')
    createInterface(this.#process.stderr).on('line', (line) => {
      this.lines.push(line)
      for (const wake of this.#wakes) wake()
    })
    void this.#ended.then(() => this.#wakes.forEach((wake) => wake()))
  }

  /** The first line that matches, which may be there already. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => pattern.test(line))
      if (found !== undefined) return found
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) {
        throw new Error(`it ended without a line like ${pattern}:\n${this.lines.join('\n')}`)
      }
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wakes.add(resolve)
      await promise
      this.#wakes.delete(resolve)
    }
  }

  /** Its exit code, or the signal that ended it. */
  async ended(): Promise<unknown> {
    const [code, signal] = await this.#ended
    return code ?? signal
  }

  async kill(signal: NodeJS.Signals): Promise<unknown> {
    this.#process.kill(signal)
    return await this.ended()
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }
}

function run(call: string, env: Readonly<Record<string, string>> = {}, shell?: string): Child {
  const program = join(folder, `program-${children.length}.mjs`)
  writeFileSync(
    program,
    `import { runDaemon, runParticipant } from ${JSON.stringify(INDEX)}
    try {
      process.exitCode = await ${call}
    } catch (error) {
      process.stderr.write(\`refused: \${error.code} \${error.message}\\n\`)
      process.exitCode = 78
    }`,
  )
  const child = new Child(program, env, shell)
  children.push(child)
  return child
}

const SINK = '[ { name: sink, kind: sqlite, file: sink.db } ]'

function daemon(
  env: Readonly<Record<string, string>> = {},
  more = '',
  shell?: string,
  participants = SINK,
): Child {
  const file = join(folder, 'pledged.yaml')
  writeFileSync(
    file,
    `listen: 127.0.0.1:0
http_listen: 127.0.0.1:0
data_dir: data
timeouts: { drain: 2s }
participants: ${participants}
${more}`,
  )
  return run(`runDaemon({ configFile: ${JSON.stringify(file)} }, process.env)`, env, shell)
}

function participant(address: string, env: Readonly<Record<string, string>> = {}): Child {
  return serveOffsets({ address }, env)
}

function serveOffsets(
  where: { readonly address: string } | { readonly listen: string },
  env: Readonly<Record<string, string>> = {},
): Child {
  const options = { kind: 'offsets', name: 'offsets', file: join(folder, 'offsets.db'), ...where }
  return run(`runParticipant(${JSON.stringify(options)}, process.env)`, env)
}

async function addressOf(child: Child): Promise<string> {
  const started = JSON.parse(await child.line(/"message":"started"/)) as { address: string }
  return started.address
}

function client(address: string): Coordinator {
  const coordinator = connect({ address, timeoutMs: 20_000 })
  clients.push(coordinator)
  return coordinator
}

const insert = (id: number) =>
  ({
    participant: 'sink',
    work: { statements: [{ sql: 'INSERT INTO event VALUES (?)', params: [id] }] },
  }) as const
const advance = (from: number, to: number) =>
  ({
    participant: 'offsets',
    work: { group: 'g', owner_epoch: 1, advance: [{ topic: 't', partition: 0, from, to }] },
  }) as const

describe('runDaemon', () => {
  it('ends with 0 at SIGTERM, and says that the data directory may be deleted', async () => {
    const child = daemon()
    const address = await addressOf(child)
    expect(await client(address).execute([insert(1)])).toMatchObject({ outcome: 'committed' })
    expect(await child.kill('SIGTERM')).toBe(0)
    expect(child.lines.at(-1)).toMatch(
      /^every decision was delivered: nothing waits for .*data, it may be deleted/,
    )
  })

  it('ends with 75 at SIGINT while a participant owes an acknowledgement, and delivers after the next start', async () => {
    const child = daemon()
    const address = await addressOf(child)
    // Dies between the decision and the acknowledgement.
    const first = participant(address, { PLEDGED_CRASH_POINT: 'participant.decision.received' })
    await first.line(/^offsets attached to/)
    const { xid, outcome } = await client(address).execute([insert(1), advance(0, 7)])
    expect(outcome).toBe('committed')
    expect(await first.ended()).toBe('SIGKILL')
    expect(await child.kill('SIGINT')).toBe(75)
    expect(child.lines.at(-1)).toMatch(
      /^1 decision is still undelivered \(offsets\): keep the data directory/,
    )

    const again = daemon()
    const nextAddress = await addressOf(again)
    const second = participant(nextAddress)
    await second.line(/^offsets: 1 prepared$/)
    await second.line(/^offsets: 1 decided: 1 committed, 0 aborted$/)
    // It says so when it has committed; the daemon knows when the acknowledgement has arrived.
    await expect
      .poll(() => client(nextAddress).get({ xid }), { timeout: 20_000 })
      .toMatchObject({ state: 'committed' })
    expect(await second.kill('SIGTERM')).toBe(0)
    expect(second.lines.at(-1)).toMatch(/^offsets stopped/)
    expect(await again.kill('SIGTERM')).toBe(0)
    expect(again.lines.at(-1)).toMatch(/offsets may hold branches that only this log can end: keep/)
  })

  it('ends with 75 at a second signal, at once', async () => {
    const child = daemon({ PLEDGED_TIMEOUTS_DRAIN: '1h' })
    const address = await addressOf(child)
    const first = participant(address, { PLEDGED_CRASH_POINT: 'participant.decision.received' })
    await first.line(/^offsets attached to/)
    await client(address).execute([insert(1), advance(0, 7)])
    await first.ended()
    child.signal('SIGTERM')
    await child.line(/"message":"draining/)
    expect(await child.kill('SIGTERM')).toBe(75)
    expect(child.lines.at(-1)).toMatch(/keep the data directory/)
  })

  it('dies at an armed crash point of its own, and of a participant in its worker thread', async () => {
    for (const point of ['coordinator.append.durable', 'participant.vote.before-send']) {
      const child = daemon({ PLEDGED_CRASH_POINT: point })
      const address = await addressOf(child)
      const lost = client(address)
        .execute([insert(1)], { timeoutMs: 1_000 })
        .catch((error: unknown) => error)
      expect(await child.ended()).toBe('SIGKILL')
      expect(await lost).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    }
    const child = daemon()
    const address = await addressOf(child)
    // The pledge that the crash left holds the sink until it has ended.
    const executed = await client(address).execute([insert(2)], { retries: 1_000 })
    expect(executed).toMatchObject({ outcome: 'committed' })
    expect(await child.kill('SIGTERM')).toBe(0)
  })

  it('ends with 74 when its log can not be written, and goes on from it when it can', async () => {
    // Files of the daemon that grow beyond 256 KiB are refused by the system.
    const child = daemon({}, '', 'trap "" XFSZ; ulimit -f 256; exec "$0" "$@"')
    const address = await addressOf(child)
    const offsets = participant(address)
    await offsets.line(/^offsets attached to/)
    const coordinator = client(address)
    let committed = 0
    for (let isWritable = true; isWritable; ) {
      const executed = await coordinator
        .execute([advance(committed, committed + 1)], { timeoutMs: 10_000, waitFor: 'completion' })
        .catch(() => undefined)
      isWritable = executed?.outcome === 'committed'
      if (isWritable) committed += 1
    }
    expect(committed).toBeGreaterThan(1)
    expect(await child.ended()).toBe(74)
    expect(child.lines.at(-1)).toMatch(
      /^the log failed: .*keep the data directory .* and start the daemon again/,
    )

    const again = daemon()
    await offsets.kill('SIGTERM')
    await participant(await addressOf(again)).line(/^offsets attached to/)
    // The one that was answered unknown may be there or not; those that were answered committed are.
    // Until it has ended its pledge holds the key, and others are told to try again.
    const successor = client(await addressOf(again))
    const patient = { retries: 1_000 }
    const next = await successor.execute([advance(committed, committed + 5)], patient)
    const after = await successor.execute([advance(committed + 1, committed + 5)], patient)
    expect([next.outcome, after.outcome].toSorted()).toEqual(['aborted', 'committed'])
  })

  it('rejects with every mistake in the configuration', async () => {
    const child = daemon({}, 'retention: soon\nlimit: 3\n')
    expect(await child.ended()).toBe(78)
    expect(child.lines.slice(0, 3)).toEqual([
      'refused: CONFIGURATION the configuration has 2 mistakes:',
      expect.stringMatching(/pledged.yaml:6 retention: "soon" is not a duration/),
      expect.stringMatching(/pledged.yaml:7 limit: is not a key that is known here/),
    ])
  })

  it('does not start with a crash point that does not exist', async () => {
    const child = daemon({ PLEDGED_CRASH_POINT: 'coordinator.nap' })
    expect(await child.ended()).toBe(78)
    expect(child.lines.join()).toMatch(/"coordinator.nap" is no crash point; there are: coordinator/)
  })
})

describe('runParticipant', () => {
  it('rejects where its file can not be served', async () => {
    writeFileSync(join(folder, 'offsets.db'), 'this is a letter, not a database'.repeat(100))
    const child = participant('127.0.0.1:1')
    expect(await child.ended()).toBe(78)
    expect(child.lines[0]).toMatch(/^refused: .*offsets.db/)
  })

  it('waits for its daemon, and attaches again to the next one', async () => {
    const socket = `unix:${join(folder, 'd.sock')}`
    const waiting = participant(socket)
    await waiting.line(/^offsets could not attach: .*; trying again in/)
    const first = daemon({ PLEDGED_LISTEN: socket })
    await waiting.line(/^offsets attached to .*epoch 1-/)
    await first.kill('SIGKILL')
    await waiting.line(/^offsets detached: /)
    const second = daemon({ PLEDGED_LISTEN: socket })
    await waiting.line(/^offsets attached to .*epoch 2-/)
    const executed = await client(socket).execute([insert(1), advance(0, 1)], { waitFor: 'completion' })
    expect(executed).toMatchObject({ outcome: 'committed' })
    expect(await waiting.kill('SIGTERM')).toBe(0)
    expect(await second.kill('SIGTERM')).toBe(0)
  })

  it('listens, for a daemon that calls it by its address, and keeps its pledge through kill -9', async () => {
    const listen = `unix:${join(folder, 'offsets.sock')}`
    const first = serveOffsets({ listen }, { PLEDGED_CRASH_POINT: 'participant.decision.received' })
    await first.line(/^offsets listens at unix:/)
    const entries = `[ { name: sink, kind: sqlite, file: sink.db }, { name: offsets, kind: grpc, address: "${listen}" } ]`
    const called = daemon({}, '', undefined, entries)
    const address = await addressOf(called)
    await first.line(/^offsets is called by the log \S+, epoch 1-/)
    const { xid, outcome } = await client(address).execute([insert(1), advance(0, 7)])
    expect(outcome).toBe('committed')
    expect(await first.ended()).toBe('SIGKILL')
    const second = serveOffsets({ listen })
    await second.line(/^offsets: 1 decided: 1 committed, 0 aborted$/)
    await expect
      .poll(() => client(address).get({ xid }), { timeout: 20_000 })
      .toMatchObject({ state: 'committed' })
    expect(await called.kill('SIGTERM')).toBe(0)
    expect(await second.kill('SIGTERM')).toBe(0)
  })

  it('rejects where it would listen for others, or has no resource', async () => {
    const open = serveOffsets({ listen: '0.0.0.0:0' })
    expect(await open.ended()).toBe(78)
    expect(open.lines[0]).toMatch(/^refused: CONFIGURATION .*can be reached from other machines/)
    const missing = run(`runParticipant({ kind: 'mysql', name: 'stock' }, {})`)
    expect(await missing.ended()).toBe(78)
    expect(missing.lines[0]).toMatch(/^refused: USAGE .*--url-file.*PLEDGED_PARTICIPANT_URL/)
  })
})
