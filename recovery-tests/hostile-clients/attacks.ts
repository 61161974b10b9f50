/** What a client may do to a server that doesn't know it. */
import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { Assailant, type Target } from './assailant.ts'
import { callFields, FLAGS, type Frame, fields, frame, greeting, opening, PREFACE } from './frames.ts'

export interface Attack {
  readonly what: string
  readonly assailants: number
  /** On the bare socket, where TLS is spoken too. */
  readonly bare?: boolean
  readonly begin: (assailant: Assailant) => void
  /** It asks what is answered, and so may stay where nobody is asked who they are. */
  readonly isServed?: boolean
}

export const EXECUTE = '/pledged.v1.TransactionService/ExecuteTransaction'
const LIST = '/pledged.v1.AdminService/ListTransactions'
const WATCH = '/grpc.health.v1.Health/Watch'
const FRAME_BYTES_MAX = 16_384
const BYTE_EVERY_MS = 1_000
const EMPTY_MESSAGE = Buffer.alloc(5)

export async function launch(attack: Attack, target: Target): Promise<Assailant[]> {
  const at = attack.bare === true ? { port: target.port } : target
  const assailants = await Promise.all(Array.from({ length: attack.assailants }, () => Assailant.connect(at)))
  for (const assailant of assailants) attack.begin(assailant)
  return assailants
}

function times(count: number, frames: (index: number) => readonly Buffer[]): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => frames(index)).flat())
}

/** Those of a client; the even ones are the server's. */
const stream = (index: number): number => 2 * index + 1

function inFrames(whole: Uint8Array, first: Frame, next: Frame, lastFlag: number): Buffer[] {
  const frames: Buffer[] = []
  for (let at = 0; at < whole.length; at += FRAME_BYTES_MAX) {
    const { flags = FLAGS.none, ...rest } = at === 0 ? first : next
    const isLast = at + FRAME_BYTES_MAX >= whole.length
    const payload = whole.subarray(at, at + FRAME_BYTES_MAX)
    frames.push(frame({ ...rest, flags: isLast ? flags | lastFlag : flags, payload }))
  }
  return frames
}

function headers(index: number, more: Uint8Array): Buffer[] {
  const first: Frame = { type: 'headers', stream: stream(index) }
  const next: Frame = { type: 'continuation', stream: stream(index) }
  return inFrames(Buffer.concat([callFields(EXECUTE), more]), first, next, FLAGS.endHeaders)
}

/** A call with its message, whole. */
function asking(index: number, path: string): Buffer[] {
  const message = {
    type: 'data',
    flags: FLAGS.endStream,
    stream: stream(index),
    payload: EMPTY_MESSAGE,
  } as const
  return [opening(stream(index), path), frame(message)]
}

function beginning(index: number, message: Uint8Array): Buffer[] {
  return [opening(stream(index), EXECUTE), frame({ type: 'data', stream: stream(index), payload: message })]
}

/** Unpacked, sixteen times what a message may have. */
const BOMB = gzipSync(Buffer.alloc(64 << 20))

function bomb(index: number): Buffer[] {
  const head = Buffer.alloc(5)
  head.writeUInt8(1, 0)
  head.writeUInt32BE(BOMB.length, 1)
  const data: Frame = { type: 'data', stream: stream(index) }
  const body = inFrames(Buffer.concat([head, BOMB]), data, data, FLAGS.endStream)
  return [...headers(index, fields([['grpc-encoding', 'gzip']])), ...body]
}

/** 4 MiB less one, of which the beginning is here. */
const GREAT = Buffer.concat([Buffer.from([0, 0, 0x3f, 0xff, 0xff]), Buffer.alloc(FRAME_BYTES_MAX - 5)])

export const ATTACKS: readonly Attack[] = [
  { what: '1,000 connections that say nothing', assailants: 1_000, bare: true, begin: () => {} },
  {
    what: 'connections that answer pings and ask nothing',
    assailants: 200,
    begin: (one) => one.say(greeting()),
  },
  {
    what: 'one byte a second, of a preface',
    assailants: 20,
    begin: (one) => one.trickle(PREFACE, BYTE_EVERY_MS),
  },
  {
    what: 'one byte a second, of a handshake',
    assailants: 20,
    bare: true,
    begin: (one) => one.trickle(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), BYTE_EVERY_MS),
  },
  {
    what: 'one byte a second, of a message',
    assailants: 20,
    begin: (one) => {
      one.say(greeting(), ...beginning(0, Buffer.from([0, 0, 0, 0x10, 0])))
      one.trickle(frame({ type: 'data', stream: 1, payload: Buffer.alloc(1) }), BYTE_EVERY_MS / 10)
    },
  },
  {
    what: 'streams that are half open',
    assailants: 10,
    begin: (one) =>
      one.say(
        greeting(),
        times(500, (index) => beginning(index, Buffer.from([0, 0, 0]))),
      ),
  },
  {
    what: 'great messages that never end',
    assailants: 2,
    begin: (one) =>
      one.say(
        greeting(),
        times(50, (index) => beginning(index, GREAT)),
      ),
  },
  {
    what: 'many headers',
    assailants: 10,
    begin: (one) =>
      one.say(
        greeting(),
        times(10, (call) =>
          headers(call, fields(Array.from({ length: 500 }, (_, index) => [`x-${index}`, 'v'] as const))),
        ),
      ),
  },
  {
    what: 'a header of a megabyte',
    assailants: 5,
    begin: (one) => one.say(greeting(), ...headers(0, fields([['x-great', 'v'.repeat(1_000_000)]]))),
  },
  {
    what: 'headers without an end',
    assailants: 5,
    begin: (one) => {
      const more = frame({ type: 'continuation', stream: 1, payload: fields([['x', 'y']]) })
      one.say(greeting(), frame({ type: 'headers', stream: 1, payload: callFields(EXECUTE) }))
      one.say(times(5_000, () => [more]))
    },
  },
  {
    what: 'calls that are reset at once',
    assailants: 5,
    begin: (one) => {
      const reset = (index: number) =>
        frame({ type: 'reset', stream: stream(index), payload: Buffer.from([0, 0, 0, 8]) })
      one.say(
        greeting(),
        times(3_000, (index) => [opening(stream(index), EXECUTE), reset(index)]),
      )
    },
  },
  {
    what: 'pings and settings whose answers nobody reads',
    assailants: 5,
    begin: (one) => {
      one.stopReading()
      const ping = frame({ type: 'ping', payload: Buffer.alloc(8) })
      one.say(
        greeting(),
        times(50_000, () => [ping, frame({ type: 'settings' })]),
      )
    },
  },
  {
    what: 'questions whose answers nobody reads',
    assailants: 5,
    begin: (one) => {
      one.stopReading()
      one.say(
        greeting(),
        times(300, (index) => asking(index, LIST)),
      )
    },
  },
  {
    what: 'questions whose answers nobody lets come',
    assailants: 5,
    isServed: true,
    begin: (one) =>
      one.say(
        greeting({ window: 0 }),
        times(300, (index) => asking(index, LIST)),
      ),
  },
  {
    what: 'a watch of the health, which anybody may have',
    assailants: 20,
    begin: (one) => one.say(greeting(), ...asking(0, WATCH)),
  },
  { what: 'bytes that are nothing', assailants: 50, begin: (one) => one.say(randomBytes(5_000)) },
  {
    what: 'bytes that are nothing, instead of TLS',
    assailants: 50,
    bare: true,
    begin: (one) => one.say(randomBytes(5_000)),
  },
  {
    what: 'plain text, where TLS may be spoken',
    assailants: 20,
    bare: true,
    begin: (one) => one.say(greeting(), opening(1, EXECUTE)),
  },
  {
    what: 'messages that unpack to more than there may be',
    assailants: 4,
    isServed: true,
    begin: (one) => one.say(greeting(), times(4, bomb)),
  },
]
