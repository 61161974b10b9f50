/** gRPC's length-prefixed frames, and what only looks like them. */
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { framed } from './raw-calls.ts'

/** What is written on a stream, and how it is left. */
export interface Piece {
  readonly bytes: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

const NO_HEADERS = {}
const GZIP = { 'grpc-encoding': 'gzip' }
/** Unpacked, more than a server may take. */
const BOMB = gzipSync(Buffer.alloc(64 << 20))

/** Around a message that is as good or bad as it is. */
export function brokenFrames(message: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Piece> {
  const plain = (bytes: fc.Arbitrary<Uint8Array>) =>
    bytes.map((value) => ({ bytes: value, headers: NO_HEADERS }))
  return fc.oneof(
    plain(message.map((value) => lying(value, value.length + 1))),
    plain(message.map((value) => lying(value, Math.max(0, value.length - 1)))),
    plain(message.map((value) => lying(value, 2 ** 32 - 1))),
    plain(message.map((value) => lying(value, 5_000_000))),
    plain(message.map((value) => lying(value, 0))),
    plain(fc.tuple(message, message).map(([one, other]) => Buffer.concat([framed(one), framed(other)]))),
    plain(fc.tuple(message, fc.nat({ max: 4 })).map(([value, length]) => framed(value).subarray(0, length))),
    plain(message.map((value) => framed(value, 1))),
    plain(message.map((value) => framed(value, 255))),
    plain(fc.uint8Array({ maxLength: 200 })),
    plain(fc.constant(new Uint8Array())),
    message.map((value) => ({ bytes: framed(value, 1), headers: GZIP })),
    message.map((value) => ({ bytes: framed(gzipSync(value).subarray(0, -4), 1), headers: GZIP })),
    message.map((value) => ({ bytes: framed(value, 1), headers: { 'grpc-encoding': 'snake-oil' } })),
    fc
      .tuple(message, fc.constantFrom('-1S', '5', 'S', '1e3S', '999999999S', ''))
      .map(([value, timeout]) => ({ bytes: framed(value), headers: { 'grpc-timeout': timeout } })),
    fc.constant({ bytes: framed(BOMB, 1), headers: GZIP }),
  )
}

/** A frame that says another length than it has. */
function lying(message: Uint8Array, length: number): Buffer {
  const frame = framed(message)
  frame.writeUInt32BE(length, 1)
  return frame
}

/** What a call carries besides its message. A timeout is always among them, so that what is under way ends. */
export const hostileHeaders: fc.Arbitrary<Readonly<Record<string, string>>> = fc
  .tuple(
    fc.constantFrom('1S', '2S', '900m', '0n', '1n', '1000000u'),
    fc.dictionary(
      fc.constantFrom(
        'traceparent',
        'x-fuzz',
        'x-fuzz-bin',
        'user-agent',
        'grpc-accept-encoding',
        'authorization',
      ),
      fc.constantFrom(
        '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        '00-00000000000000000000000000000000-0000000000000000-00',
        '%00%ff',
        '!!!not base64!!!',
        'x'.repeat(4_000),
        'Bearer hunter2-secret',
      ),
      { maxKeys: 3 },
    ),
  )
  .map(([timeout, others]) => ({ ...others, 'grpc-timeout': timeout }))
