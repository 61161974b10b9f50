/** Values that somebody once forgot to think of, already encoded as protobuf would have them on the wire. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import type { Scalar } from './contract.ts'

const UTF8 = new TextEncoder()

export const HOSTILE_TEXTS: readonly string[] = [
  '\0',
  'sink\0',
  '../../../../etc/passwd',
  "'; DROP TABLE t; --",
  '%s%n%x ${PATH} {{7*7}}',
  '__proto__',
  'constructor',
  '\u202eknis\u202d',
  '\ufeffsink',
  'ｓｉｎｋ',
  'ѕink',
  'e\u0301'.repeat(40),
  '👩‍👩‍👧‍👦'.repeat(9),
  '\ud7ff\ue000\uffff',
  '\r\n\t\u001b[2J\u0007',
  '-1',
  'NaN',
  '1e309',
  ' ',
  'k3f9qa7m2xw4.7-q3f9.0',
  'k3f9qa7m2xw4.7-q3f9.999999999999999',
  'k3f9qa7m2xw4.999999999-q3f9.1042',
  'k3f9qa7m2xw4.7-q3f9.1042 ',
  'k3f9qa7m2xw4.7-q3f9.1042\n',
  'u999999999.9999999999999999',
  'e0.0',
]

/** Not UTF-8: a lone continuation, an overlong slash, a surrogate, a cut character, beyond the last plane. */
const BROKEN_UTF8: readonly number[][] = [
  [0x80],
  [0xc0, 0xaf],
  [0xed, 0xa0, 0x80],
  [0x73, 0xf0, 0x9f, 0x98],
  [0xf4, 0x90, 0x80, 0x80],
  [0xff, 0xfe, 0x00],
]

/** Long enough to be over each limit of a text, short enough to send many. */
const LENGTHS = [128, 129, 256, 257, 1_023, 1_025, 16_384, 70_000] as const

const hostileTextBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.constantFrom(...HOSTILE_TEXTS).map((text) => UTF8.encode(text)),
  fc.string({ unit: 'binary', maxLength: 40 }).map((text) => UTF8.encode(text)),
  fc.constantFrom(...BROKEN_UTF8).map((bytes) => Uint8Array.from(bytes)),
  fc.uint8Array({ maxLength: 64 }),
  fc
    .tuple(fc.constantFrom('a', '\0', '€', '"', '['), fc.constantFrom(...LENGTHS))
    .map(([unit, length]) => UTF8.encode(unit.repeat(length))),
)

const hostileIntegers: fc.Arbitrary<bigint> = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    -1n,
    2n ** 31n - 1n,
    -(2n ** 31n),
    2n ** 32n - 1n,
    2n ** 53n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    999_999_999n,
    1_000_000_000n,
    315_576_000_001n,
    253_402_300_800n,
    8_640_000_000_001n,
  ),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
)

/** One field with one value. */
export function lengthDelimited(number: number, value: Uint8Array): Uint8Array {
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(value).finish()
}

export function varint(number: number, value: bigint): Uint8Array {
  return new BinaryWriter().tag(number, WireType.Varint).int64(value).finish()
}

/** A field of that type, with a value that its type allows and its reader may not expect. */
export function hostileField(number: number, scalar: Scalar): fc.Arbitrary<Uint8Array> {
  switch (scalar) {
    case 'string':
      return hostileTextBytes.map((value) => lengthDelimited(number, value))
    case 'bytes':
      return hostileTextBytes.map((value) => lengthDelimited(number, value))
    case 'bool':
      return fc.constantFrom(0n, 1n, 2n, -1n).map((value) => varint(number, value))
    case 'enum':
      return fc.oneof(fc.bigInt({ min: 0n, max: 12n }), hostileIntegers).map((value) => varint(number, value))
    default:
      return hostileIntegers.map((value) => varint(number, value))
  }
}

/** Bytes between the fields that no reader of this contract knows, or that lie about themselves. */
export const strayBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  // Field 0, wire types 6 and 7: forbidden.
  fc.constantFrom([0x00], [0x0e], [0x0f, 0x01]).map((bytes) => Uint8Array.from(bytes)),
  // A length that goes beyond the message, or is negative.
  fc.constant(Uint8Array.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07])),
  fc.constant(Uint8Array.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])),
  // A varint without an end.
  fc.constant(new Uint8Array(12).fill(0x80)),
  // A known field with another wire type.
  fc.integer({ min: 1, max: 12 }).map((number) => Uint8Array.from([(number << 3) | 5, 1, 2, 3, 4])),
  fc
    .integer({ min: 1, max: 12 })
    .map((number) => Uint8Array.from([(number << 3) | 1, 1, 2, 3, 4, 5, 6, 7, 8])),
  // Groups in groups: readers that recurse have an end.
  fc.constantFrom(10, 100_000).map((depth) => new Uint8Array(depth).fill((15 << 3) | 3)),
  fc.uint8Array({ maxLength: 32 }),
)
