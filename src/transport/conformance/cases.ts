/**
 * The link port's conformance suite: what transport/link.ts promises, as cases that each link runs against its
 * own harness, with ./peer.ts at the other end.
 */
import { deepEqual, equal, match, ok } from 'node:assert/strict'
import type { Epoch, LogId, Xid } from '../../base/ids.ts'
import type { CoordinatorMessage, ParticipantIdentity } from '../../protocol/messages.ts'
import type { Dialer, Welcome } from '../link.ts'
import { DIE, peerIdentity } from './peer.ts'
import { Recorder } from './recorder.ts'

export interface LinkHarness {
  /** A dialer to a Peer; or to a participant that can't describe itself and says "no disk". */
  dialer(peer: 'answers' | 'fails'): Dialer
  /** Where a carrier has no place for all that the peer says of itself: what arrives instead. */
  readonly identity?: ParticipantIdentity | undefined
}

export interface LinkCase {
  readonly name: string
  /** Not for links whose messages are calls of their own. */
  readonly ordersAll?: boolean | undefined
  run(harness: LinkHarness): Promise<void>
}

const welcome: Welcome = {
  logId: 'k3f9qa7m2xw4' as LogId,
  epoch: '7-q3f9' as Epoch,
  workBytesMax: 1 << 20,
}

export const linkCases: readonly LinkCase[] = [
  { name: 'a dial ends in opened, later, with what the participant said of itself', run: opens },
  { name: 'a dial to a participant that is not well ends in failed, with its sentence', run: fails },
  { name: 'every kind of message arrives whole, and its answer too', run: carriesEveryKind },
  {
    name: 'messages arrive in the order in which they were sent, and so do the answers',
    ordersAll: true,
    run: keepsOrder,
  },
  { name: 'messages about one xid arrive in the order in which they were sent', run: keepsOrderOfOne },
  { name: 'work is the bytes of the view, not of the buffer behind it', run: cutsWork },
  { name: 'send never calls back', run: sendIsQuiet },
  { name: 'after close nothing is heard, and what is sent is dropped', run: closes },
  {
    name: 'a participant that goes away closes the link once, with a reason; a new dial works',
    run: survives,
  },
  { name: 'a dialer that closes gives up its link in silence', run: dialerCloses },
]

async function opens(harness: LinkHarness): Promise<void> {
  const dialer = harness.dialer('answers')
  const recorder = new Recorder()
  dialer.dial(recorder, recorder.failed)
  equal(recorder.callbacks, 0)
  await recorder.until(() => recorder.callbacks > 0)
  deepEqual(recorder.failures, [])
  deepEqual(recorder.opens[0]?.identity, harness.identity ?? peerIdentity)
  await dialer.close()
}

async function fails(harness: LinkHarness): Promise<void> {
  const dialer = harness.dialer('fails')
  const recorder = new Recorder()
  for (const dials of [1, 2]) {
    dialer.dial(recorder, recorder.failed)
    equal(recorder.callbacks, dials - 1)
    await recorder.until(() => recorder.callbacks === dials)
    match(recorder.failures[dials - 1] ?? '', /no disk/)
  }
  await dialer.close()
  equal(recorder.callbacks, 2)
}

async function carriesEveryKind(harness: LinkHarness): Promise<void> {
  const dialer = harness.dialer('answers')
  const recorder = new Recorder()
  const link = await recorder.open(dialer, welcome)
  link.send([
    { type: 'commit', xid: xid(2) },
    { type: 'abort', xid: xid(3) },
    { type: 'prepare', xid: xid(1), work: new Uint8Array(0), timeoutMs: 60_000 },
    { type: 'prepare', xid: xid(5), work: text('schön'), timeoutMs: 60_000 },
    { type: 'evidence_question', xid: xid(4) },
    { type: 'forget', xid: xid(6) },
  ])
  await recorder.until(() => recorder.messages.length === 5)
  const kept = { result: 'done', message: '', evidence: 'witness_committed' } as const
  const expected = [
    { type: 'result', xid: xid(2), verb: 'commit', ...kept },
    { type: 'result', xid: xid(3), verb: 'abort', ...kept },
    { type: 'vote', xid: xid(5), vote: { vote: 'no', message: 'schön', retryable: true } },
    { type: 'evidence_answer', xid: xid(4), evidence: 'no_witness', message: 'looked' },
  ]
  // Those of different xids may be grouped by kind on their way.
  for (const message of expected) {
    deepEqual(
      recorder.messages.find((other) => 'xid' in other && other.xid === message.xid),
      message,
    )
  }
  // The peer's pledge holds for the prepare's timeout, of which the way may have taken some.
  const yes = recorder.messages.find((message) => 'xid' in message && message.xid === xid(1))
  ok(yes?.type === 'vote' && yes.vote.vote === 'yes')
  ok((yes.vote.pledgeTtlMs ?? 0) > 0 && (yes.vote.pledgeTtlMs ?? 0) <= 60_000)
  // What is never answered is seen by the scan, sooner or later.
  for (let arrived = 0; arrived < 6; ) {
    const before = recorder.messages.length
    link.send([{ type: 'list_prepared', pageSize: 10, pageToken: 'next' }])
    await recorder.until(() => recorder.messages.length > before)
    const held = recorder.messages.at(-1)
    ok(held?.type === 'held')
    equal(held.nextPageToken, 'next')
    arrived = held.branches.length
  }
  await dialer.close()
}

async function keepsOrder(harness: LinkHarness): Promise<void> {
  const dialer = harness.dialer('answers')
  const recorder = new Recorder()
  const link = await recorder.open(dialer, welcome)
  const sequences = Array.from({ length: 500 }, (_, index) => index + 1)
  for (const sequence of sequences) {
    link.send([{ type: 'prepare', xid: xid(sequence), work: new Uint8Array(0), timeoutMs: 1 }])
    if (sequence % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
    link.send([{ type: 'abort', xid: xid(sequence) }])
  }
  await recorder.until(() => recorder.messages.length === 1_000)
  for (const type of ['vote', 'result']) {
    const answered = recorder.messages.filter((message) => message.type === type)
    deepEqual(
      answered.map((message) => ('xid' in message ? message.xid : '')),
      sequences.map(xid),
    )
  }
  link.send([{ type: 'list_prepared', pageSize: 2_000, pageToken: '' }])
  await recorder.until(() => recorder.messages.length === 1_001)
  const held = recorder.messages.at(-1)
  ok(held?.type === 'held')
  const arrived = held.branches.map((branch) => branch.xid)
  for (const sequence of sequences) {
    const prepared = arrived.indexOf(`prepare ${xid(sequence)}`)
    const aborted = arrived.indexOf(`abort ${xid(sequence)}`)
    ok(prepared >= 0 && prepared < aborted, `prepare before abort of ${sequence}`)
  }
  await dialer.close()
}

async function keepsOrderOfOne(harness: LinkHarness): Promise<void> {
  const dialer = harness.dialer('answers')
  const recorder = new Recorder()
  const link = await recorder.open(dialer, welcome)
  const sequences = Array.from({ length: 100 }, (_, index) => index + 1)
  for (const sequence of sequences) {
    link.send([{ type: 'prepare', xid: xid(sequence), work: new Uint8Array(0), timeoutMs: 60_000 }])
    if (sequence % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
    link.send([commit(sequence), { type: 'evidence_question', xid: xid(sequence) }])
  }
  await recorder.until(() => recorder.messages.length === 3 * sequences.length)
  for (const sequence of sequences) {
    const answers = recorder.messages.filter((message) => 'xid' in message && message.xid === xid(sequence))
    deepEqual(
      answers.map((answer) => answer.type),
      ['vote', 'result', 'evidence_answer'],
    )
  }
  link.send([{ type: 'list_prepared', pageSize: 2_000, pageToken: '' }])
  await recorder.until(() => recorder.messages.length === 3 * sequences.length + 1)
  const held = recorder.messages.at(-1)
  ok(held?.type === 'held')
  const arrived = held.branches.map((branch) => branch.xid)
  for (const sequence of sequences) {
    deepEqual(
      arrived.filter((line) => line.endsWith(` ${xid(sequence)}`)),
      ['prepare', 'commit', 'evidence_question'].map((type) => `${type} ${xid(sequence)}`),
    )
  }
  await dialer.close()
}

async function cutsWork(harness: LinkHarness): Promise<void> {
  const dialer = harness.dialer('answers')
  const recorder = new Recorder()
  const link = await recorder.open(dialer, welcome)
  const buffer = text('........work........')
  const view = buffer.subarray(8, 12)
  link.send([{ type: 'prepare', xid: xid(1), work: view, timeoutMs: 60_000 }])
  await recorder.until(() => recorder.messages.length === 1)
  const vote = recorder.messages[0]
  ok(vote?.type === 'vote' && vote.vote.vote === 'no')
  equal(vote.vote.message, 'work')
  equal(view.byteLength, 4)
  await dialer.close()
}

async function sendIsQuiet(harness: LinkHarness): Promise<void> {
  const dialer = harness.dialer('answers')
  const recorder = new Recorder()
  const link = await recorder.open(dialer, welcome)
  const before = recorder.callbacks
  link.send([commit(1), commit(2)])
  equal(recorder.callbacks, before)
  await recorder.until(() => recorder.messages.length === 2)
  await dialer.close()
}

async function closes(harness: LinkHarness): Promise<void> {
  const dialer = harness.dialer('answers')
  const recorder = new Recorder()
  const link = await recorder.open(dialer, welcome)
  link.send([commit(1)])
  await recorder.until(() => recorder.messages.length === 1)
  link.send([commit(2)])
  link.close('enough')
  link.send([commit(3)])
  link.close('twice')
  await recorder.open(dialer, welcome)
  await dialer.close()
  deepEqual(recorder.closings, [])
  equal(recorder.messages.length, 1)
}

async function survives(harness: LinkHarness): Promise<void> {
  const dialer = harness.dialer('answers')
  const recorder = new Recorder()
  const first = await recorder.open(dialer, welcome)
  first.send([{ type: 'prepare', xid: xid(1), work: text(DIE), timeoutMs: 60_000 }])
  await recorder.until(() => recorder.closings.length > 0)
  match(recorder.closings[0] ?? '', /\w+/)
  first.send([commit(2)])
  first.close('after the fact')
  const second = await recorder.open(dialer, welcome)
  second.send([commit(3)])
  await recorder.until(() => recorder.messages.length > 0)
  await dialer.close()
  equal(recorder.closings.length, 1)
  deepEqual(
    recorder.messages.map((message) => ('xid' in message ? message.xid : '')),
    [xid(3)],
  )
}

async function dialerCloses(harness: LinkHarness): Promise<void> {
  const dialer = harness.dialer('answers')
  const recorder = new Recorder()
  const link = await recorder.open(dialer, welcome)
  await dialer.close()
  const before = recorder.callbacks
  link.send([commit(1)])
  link.close('late')
  await new Promise((resolve) => setImmediate(resolve))
  equal(recorder.callbacks, before)
  deepEqual(recorder.closings, [])
}

function xid(sequence: number): Xid {
  return `${welcome.logId}.${welcome.epoch}.${sequence}` as Xid
}

function commit(sequence: number): CoordinatorMessage {
  return { type: 'commit', xid: xid(sequence) }
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content)
}
