/**
 * Protobuf's wire format, read by hand (https://protobuf.dev/programming-guides/encoding/). It takes what the generated code takes,
 * and means the same by it, down to bytes that no encoder writes: see `tag`. What isn't protobuf throws.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'

/** Up to here it is worth a look whether a text is ASCII. */
const SHORT_TEXT_BYTES_MAX = 64

/** The generated code's: what isn't UTF-8 becomes U+FFFD, a byte-order mark stays. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** By number. There are no more. */
const WIRE_TYPES = [
  WireType.Varint,
  WireType.Bit64,
  WireType.LengthDelimited,
  WireType.StartGroup,
  WireType.EndGroup,
  WireType.Bit32,
] as const
const END_GROUP: number = WireType.EndGroup
const VARINT_32_BYTES_MAX = 5
const VARINT_64_BYTES_MAX = 10

export class ByteReader {
  readonly #bytes: Buffer
  #at = 0
  /** Over the same bytes; made only once something is rare. */
  #generated: BinaryReader | undefined

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Where the whole ends. */
  get end(): number {
    return this.#bytes.length
  }

  /** Begins a message within this one, and says where it ends, which may be after the whole: that throws once it is read. */
  open(): number {
    const length = this.uint32()
    return this.#at + length
  }

  /**
   * The next field's, or 0 where the message has ended: at `end`, at a tag 0, or at the end of a group that nobody began.
   * The generated code goes on after these last two as if the message were over, in the one around it.
   */
  tag(end: number): number {
    if (this.#at >= end) return 0
    const tag = this.uint32()
    return (tag & 7) === END_GROUP ? 0 : tag
  }

  /** Of a field that isn't known, or isn't of the type that it should have. */
  skip(tag: number): void {
    const type = WIRE_TYPES[tag & 7]
    if (type === undefined) throw new RangeError(`there is no wire type ${tag & 7}`)
    this.#leave((reader) => reader.skip(type))
  }

  /** A message that is read by its generated code, being rare. */
  message<Message>(type: Decoder<Message>): Message {
    return this.#leave((reader) => type.decode(reader, reader.uint32()))
  }

  /** A window on the whole message, see `ownBytes`. */
  bytes(): Uint8Array {
    const start = this.#pass(this.uint32())
    return this.#bytes.subarray(start, this.#at)
  }

  text(): string {
    const length = this.uint32()
    const start = this.#pass(length)
    if (length <= SHORT_TEXT_BYTES_MAX && this.#isAscii(start)) {
      return this.#bytes.toString('latin1', start, this.#at)
    }
    return utf8.decode(this.#bytes.subarray(start, this.#at))
  }

  bool(): boolean {
    const byte = this.#bytes[this.#at]
    if (byte === undefined || byte >= 0x80) return this.#leave((reader) => reader.bool())
    this.#at += 1
    return byte !== 0
  }

  /** Enums, too. */
  int32(): number {
    return this.uint32() | 0
  }

  /** Of more than 32 bits the lower ones, as of a negative int32, which has all ten bytes. */
  uint32(): number {
    // Most are of one byte: that much is inlined where it is called.
    const byte = this.#bytes[this.#at]
    if (byte === undefined || byte >= 0x80) return this.#longUint32()
    this.#at += 1
    return byte
  }

  int64(): bigint {
    return BigInt(this.#int64())
  }

  /** Above 2 ** 53 it is the nearest number. */
  int64AsNumber(): number {
    return Number(this.#int64())
  }

  #longUint32(): number {
    let value = 0
    for (let read = 0; read < VARINT_64_BYTES_MAX; read += 1) {
      const byte = this.#byte()
      if (read < VARINT_32_BYTES_MAX) value |= (byte & 0x7f) << (read * 7)
      if (byte < 0x80) return value >>> 0
    }
    throw new RangeError('a varint has ten bytes at most')
  }

  /** A number where it takes no more than five bytes, as all times do that matter. */
  #int64(): number | bigint {
    const start = this.#at
    let value = 0
    for (let index = 0, unit = 1; index < VARINT_32_BYTES_MAX; index += 1, unit *= 0x80) {
      const byte = this.#byte()
      value += (byte & 0x7f) * unit
      if (byte < 0x80) return value
    }
    this.#at = start
    return this.#leave((reader) => BigInt(reader.int64()))
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw endedEarly()
    this.#at += 1
    return byte
  }

  /** Where the bytes start that are passed over. */
  #pass(count: number): number {
    const start = this.#at
    if (start + count > this.#bytes.length) throw endedEarly()
    this.#at = start + count
    return start
  }

  /** What was just passed over. */
  #isAscii(start: number): boolean {
    const bytes = this.#bytes
    let all = 0
    for (let index = start; index < this.#at; index += 1) all |= bytes[index] ?? 0
    return all < 0x80
  }

  /** Leaves it to the generated code's reader, which goes on from here. */
  #leave<Value>(read: (reader: BinaryReader) => Value): Value {
    this.#generated ??= new BinaryReader(this.#bytes)
    this.#generated.pos = this.#at
    const value = read(this.#generated)
    this.#at = this.#generated.pos
    return value
  }
}

/** Of a generated message. */
export interface Decoder<Message> {
  decode(reader: BinaryReader, length: number): Message
}

function endedEarly(): RangeError {
  return new RangeError('the message ends before what it holds does')
}
