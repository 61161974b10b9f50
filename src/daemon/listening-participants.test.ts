/** The two ends of a participant that listens, together: the daemon's dialer, and the SDK's `listenParticipant`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Epoch, LogId, Xid } from '../base/ids.ts'
import { defaultLimits } from '../base/limits.ts'
import type { AccessOptions } from '../dialling/index.ts'
import type { CoordinatorMessage, ParticipantMessage } from '../protocol/messages.ts'
import { type Listening, listenParticipant, type Participant } from '../sdk/participant/index.ts'
import { testAuthority } from '../serving/test-certificates.ts'
import { linkCases, Peer, peerIdentity } from '../transport/conformance/index.ts'
import { Recorder } from '../transport/conformance/recorder.ts'
import { UnaryDialer } from '../transport/unary/index.ts'

const limits = { ...defaultLimits, linkCloseTimeoutMs: 500, serverCloseTimeoutMs: 200 }
const WELCOME = { logId: 'k3f9qa7m2xw4' as LogId, epoch: '7-q3f9' as Epoch, workBytesMax: 1 << 20 }

function xid(sequence: number): Xid {
  return `k3f9qa7m2xw4.7-q3f9.${sequence}` as Xid
}

/** The conformance suite's peer as a participant. */
function participantOf(peer: Peer): Participant {
  const ask = <Type extends ParticipantMessage['type']>(type: Type, message: CoordinatorMessage) => {
    const [reply] = peer.answer([message])
    if (reply?.type === type) return Promise.resolve(reply as ParticipantMessage & { type: Type })
    return new Promise<never>(() => {})
  }
  return {
    describe: () => Promise.resolve(peerIdentity),
    prepare: async ({ xid: id, work, timeoutMs }) =>
      (await ask('vote', { type: 'prepare', xid: id, work, timeoutMs })).vote,
    commit: (id) => ask('result', { type: 'commit', xid: id }),
    abort: (id) => ask('result', { type: 'abort', xid: id }),
    evidence: async (id) => (await ask('evidence_answer', { type: 'evidence_question', xid: id })).evidence,
    forget: async (id) => void peer.answer([{ type: 'forget', xid: id }]),
    listPrepared: (pageSize, pageToken) => ask('held', { type: 'list_prepared', pageSize, pageToken }),
    close: () => Promise.resolve(),
  }
}

async function listening(participant: Participant): Promise<Listening> {
  const server = await listenParticipant({ name: 'peer', participant, listen: '127.0.0.1:0', limits })
  onTestFinished(() => server.close())
  return server
}

/** A way to the address that can be cut. */
async function cuttable(address: string): Promise<{ readonly address: string; cut(): void }> {
  const sockets = new Set<Socket>()
  const port = Number(address.split(':')[1])
  const proxy = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => other.destroy())
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(() => {
    cut()
    proxy.close()
  })
  const bound = proxy.address()
  return { address: `127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`, cut }
}

describe('a dialled participant that listens', () => {
  // What a peer says beside its evidence is for people, and this port has no place for it.
  const cases = linkCases.filter(({ ordersAll, name }) => ordersAll !== true && !/every kind/.test(name))

  it.each(cases)('$name', async (linkCase) => {
    const peer: Peer = new Peer(() => way.cut())
    const server = await listening(participantOf(peer))
    const way = await cuttable(server.address)
    const unwell = await listening({
      ...participantOf(peer),
      describe: () => Promise.reject(new Error('no disk')),
    })
    const harness = {
      identity: { ...peerIdentity, instanceId: way.address },
      dialer: (kind: 'answers' | 'fails') =>
        new UnaryDialer({ name: 'peer', address: (kind === 'answers' ? way : unwell).address, limits }),
    }
    await expect(linkCase.run(harness)).resolves.toBeUndefined()
  })

  it('may be told of the abort before the prepare, and holds no pledge afterwards', async () => {
    const barred = new Set<string>()
    const pledged = new Set<string>()
    const server = await listening({
      ...participantOf(new Peer(() => {})),
      prepare: async ({ xid: id, signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        if (barred.has(id)) return { vote: 'no', message: 'barred', retryable: false }
        pledged.add(id)
        return { vote: 'yes' }
      },
      abort: (id) => {
        barred.add(id)
        pledged.delete(id)
        return Promise.resolve({ result: 'done', message: '', evidence: 'witness_aborted' })
      },
    })
    const dialer = new UnaryDialer({ name: 'peer', address: server.address, limits })
    onTestFinished(() => dialer.close())
    const recorder = new Recorder()
    const link = await recorder.open(dialer, WELCOME)
    for (let sequence = 1; sequence <= 50; sequence += 1) {
      link.send([{ type: 'prepare', xid: xid(sequence), work: new Uint8Array(0), timeoutMs: 60_000 }])
      if (sequence % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
      if (sequence % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
      link.send([{ type: 'abort', xid: xid(sequence) }])
    }
    await recorder.until(() => recorder.messages.filter(({ type }) => type === 'result').length === 50)
    await server.close()
    expect(barred.size).toBe(50)
    expect([...pledged]).toEqual([])
    const yes = recorder.messages.filter((message) => message.type === 'vote' && message.vote.vote === 'yes')
    expect(yes).toEqual([])
  })
})

describe('a participant that asks who calls', () => {
  it('is dialled with the token and the certificates of its entry, and another dial is refused with a sentence', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pledged-listening-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const authority = await testAuthority(folder)
    const tokenFile = join(folder, 'token')
    writeFileSync(tokenFile, 'the-token-of-the-daemon-1', { mode: 0o600 })
    const tls = { ...(await authority.issueForLocalhost()), clientCaFile: authority.caFile }
    const server = await listenParticipant({
      name: 'peer',
      participant: participantOf(new Peer(() => {})),
      listen: '127.0.0.1:0',
      limits,
      tokenFile,
      tls,
    })
    onTestFinished(() => server.close())
    const { certFile, keyFile } = await authority.issue({ dns: ['pledged.internal'] })
    const own = { caFile: authority.caFile, certFile, keyFile }
    const dialled = async (access: AccessOptions): Promise<Recorder> => {
      const dialer = new UnaryDialer({ name: 'peer', address: server.address, access, limits })
      onTestFinished(() => dialer.close())
      const recorder = new Recorder()
      dialer.dial(recorder, recorder.failed)
      await recorder.until(() => recorder.callbacks > 0)
      return recorder
    }
    const admitted = await dialled({ tokenFile, tls: own })
    expect(admitted.failures).toEqual([])
    admitted.opens[0]?.welcome(WELCOME)
    admitted.opens[0]?.send([{ type: 'prepare', xid: xid(1), work: new Uint8Array(0), timeoutMs: 60_000 }])
    await admitted.until(() => admitted.messages.length === 1)
    expect(admitted.messages[0]).toMatchObject({ type: 'vote', vote: { vote: 'yes' } })
    expect((await dialled({ tls: own })).failures).toEqual([
      expect.stringMatching(/name the file of its token/),
    ])
    expect((await dialled({ tokenFile })).failures).toEqual([expect.stringMatching(/if it speaks TLS/)])
    expect((await dialled({ tls: { caFile: authority.caFile } })).failures).toEqual([
      expect.stringMatching(/the participant asks for a certificate of this side/),
    ])
    rmSync(tokenFile)
    expect((await dialled({ tokenFile, tls: own })).failures).toEqual([
      expect.stringMatching(/token can not be read/),
    ])
  })
})

describe('kill -9 of a process that listens', () => {
  const MODULES = [
    join(import.meta.dirname, '../sdk/participant/index.ts'),
    join(import.meta.dirname, '../../participants/offsets/index.ts'),
  ].map((path) => JSON.stringify(pathToFileURL(path).href))
  const SCRIPT = `
    const [sdk, offsets] = await Promise.all([import(${MODULES[0]}), import(${MODULES[1]})])
    await sdk.listenParticipant({
      name: 'peer',
      listen: process.argv[2],
      participant: offsets.createOffsetsParticipant({ file: process.argv[1] }),
      onEvent: (event) => event.type === 'listening' && console.log(event.address),
    })
  `

  async function serve(file: string, listen: string): Promise<{ child: ChildProcess; address: string }> {
    const args = ['--input-type=module', '-e', SCRIPT, file, listen]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    const address = await new Promise<string>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the process ended with ${code}`)))
      child.stdout?.once('data', (line: Buffer) => resolve(line.toString().trim()))
    })
    return { child, address }
  }

  it('closes the link, once; what it had pledged is found by the next, and commits', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pledged-listening-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'offsets.db')
    const first = await serve(file, '127.0.0.1:0')
    const dialer = new UnaryDialer({ name: 'peer', address: first.address, limits })
    onTestFinished(() => dialer.close())
    const recorder = new Recorder()
    const link = await recorder.open(dialer, WELCOME)
    const advance = [{ topic: 't', partition: 0, from: 0, to: 5 }]
    const work = new TextEncoder().encode(JSON.stringify({ group: 'g', owner_epoch: 1, advance }))
    link.send([{ type: 'prepare', xid: xid(1), work, timeoutMs: 60_000 }])
    await recorder.until(() => recorder.messages.length === 1)
    expect(recorder.messages[0]).toMatchObject({ type: 'vote', vote: { vote: 'yes' } })
    const exited = new Promise((resolve) => first.child.once('exit', resolve))
    first.child.kill('SIGKILL')
    await recorder.until(() => recorder.closings.length === 1)
    await exited
    await serve(file, first.address)
    const second = await recorder.open(dialer, WELCOME)
    expect(second.identity).toEqual(link.identity)
    second.send([{ type: 'list_prepared', pageSize: 10, pageToken: '' }])
    await recorder.until(() => recorder.messages.length === 2)
    expect(recorder.messages[1]).toMatchObject({ type: 'held', branches: [{ xid: xid(1) }] })
    second.send([{ type: 'commit', xid: xid(1) }])
    await recorder.until(() => recorder.messages.length === 3)
    expect(recorder.messages[2]).toMatchObject({ result: 'done', evidence: 'witness_committed' })
    expect(recorder.closings).toHaveLength(1)
  })

  it('under an old copy of the log is refused, and the link ends with it (R11)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pledged-listening-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const { address } = await serve(join(folder, 'offsets.db'), '127.0.0.1:0')
    const dialer = new UnaryDialer({ name: 'peer', address, limits })
    onTestFinished(() => dialer.close())
    const scan: CoordinatorMessage = { type: 'list_prepared', pageSize: 10, pageToken: '' }
    const recorder = new Recorder()
    const newer = await recorder.open(dialer, { ...WELCOME, epoch: '9-aaaa' as Epoch })
    newer.send([scan])
    await recorder.until(() => recorder.messages.length === 1)
    const older = await recorder.open(dialer, WELCOME)
    older.send([scan])
    await recorder.until(() => recorder.closings.length === 1)
    expect(recorder.messages[1]).toMatchObject({
      type: 'admission_refused',
      superseded: true,
      message: expect.stringContaining('opened in epoch 9-aaaa') as string,
    })
  })
})
