/**
 * Protobuf's wire format, written by hand (https://protobuf.dev/programming-guides/encoding/). What is written is, byte for byte,
 * what the generated code writes: as proto3 has it, a field with its default value is left out.
 *
 * A tag is that of a field up to number 15, which is one byte: the field's number * 8 + its wire type, as in the generated code.
 */
import type { BinaryWriter } from '@bufbuild/protobuf/wire'
import { assert } from '../base/assert.ts'

/** The scratch holds an ordinary batch without growing, and doesn't keep the size of one that was extraordinary. */
const SCRATCH_BYTES = 64 * 1024
const SCRATCH_BYTES_MAX = 1024 * 1024

/** Up to here a loop is faster than the call that leaves JavaScript. Below 128, so that the length is one byte. */
const SHORT_TEXT_LENGTH_MAX = 40

const VARINT_32_BYTES_MAX = 5
const VARINT_64_BYTES_MAX = 10

export class ByteWriter {
  #bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  #end = 0

  /** Forgets what was written before, by one that threw, too. */
  restart(): void {
    this.#end = 0
    if (this.#bytes.length > SCRATCH_BYTES_MAX) this.#bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  }

  /** A copy that is the caller's: HTTP/2 keeps it until it is sent, while the next message is written here. */
  finish(): Buffer {
    const message = Buffer.allocUnsafe(this.#end)
    message.set(this.#bytes.subarray(0, this.#end))
    return message
  }

  /** Begins a message within this one. What it gives is `close`'s to take. */
  open(tag: number): number {
    this.#reserve(2)
    this.#bytes[this.#end] = tag
    this.#end += 2
    return this.#end
  }

  /** One byte was left for the length: more are made room for where the message turned out longer. */
  close(start: number): void {
    const length = this.#end - start
    if (length < 0x80) {
      this.#bytes[start - 1] = length
      return
    }
    const wider = varintBytes(length) - 1
    this.#reserve(wider)
    this.#bytes.copyWithin(start + wider, start, this.#end)
    this.#end = start - 1
    this.#varint(length)
    this.#end += length
  }

  /** A message that is written by its generated code, being rare. */
  message<Message>(tag: number, type: Encoder<Message>, message: Message): void {
    this.#lengthDelimited(tag, type.encode(message).finish())
  }

  bytes(tag: number, bytes: Uint8Array): void {
    if (bytes.length !== 0) this.#lengthDelimited(tag, bytes)
  }

  text(tag: number, text: string): void {
    if (text === '') return
    if (text.length > SHORT_TEXT_LENGTH_MAX || !this.#shortAscii(tag, text)) this.#utf8(tag, text)
  }

  bool(tag: number, value: boolean): void {
    if (value) this.presentUint32(tag, 1)
  }

  uint32(tag: number, value: number): void {
    if (value !== 0) this.presentUint32(tag, value)
  }

  /** For a field that is `optional`: its 0 is written. */
  presentUint32(tag: number, value: number): void {
    assert(value >>> 0 === value, 'a uint32 is a whole number from 0 to 4,294,967,295')
    this.#reserve(1 + VARINT_32_BYTES_MAX)
    this.#bytes[this.#end++] = tag
    this.#varint(value)
  }

  /** Enums, too. */
  int32(tag: number, value: number): void {
    assert((value | 0) === value, 'an int32 is a whole number from -2,147,483,648 to 2,147,483,647')
    if (value >= 0) this.uint32(tag, value)
    else this.#varint64(tag, BigInt(value))
  }

  int64(tag: number, value: bigint): void {
    assert(BigInt.asIntN(64, value) === value, 'an int64 has 64 bits')
    if (value !== 0n) this.#varint64(tag, value)
  }

  /** A negative one takes all ten bytes. */
  #varint64(tag: number, value: bigint): void {
    this.#reserve(1 + VARINT_64_BYTES_MAX)
    this.#bytes[this.#end++] = tag
    let rest = BigInt.asUintN(64, value)
    for (; rest > 0x7fn; rest >>= 7n) this.#bytes[this.#end++] = Number(rest & 0x7fn) | 0x80
    this.#bytes[this.#end++] = Number(rest)
  }

  /** False where a character isn't ASCII: then nothing is written. */
  #shortAscii(tag: number, text: string): boolean {
    const length = text.length
    this.#reserve(length + 2)
    const bytes = this.#bytes
    let end = this.#end
    bytes[end++] = tag
    bytes[end++] = length
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index)
      if (code >= 0x80) return false
      bytes[end++] = code
    }
    this.#end = end
    return true
  }

  /** The length is left room for as if all were ASCII, and moved where it isn't. Half a surrogate pair becomes U+FFFD. */
  #utf8(tag: number, text: string): void {
    this.#reserve(1 + VARINT_32_BYTES_MAX + text.length * 3)
    this.#bytes[this.#end++] = tag
    const guess = this.#end + varintBytes(text.length)
    const length = this.#bytes.write(text, guess, 'utf8')
    const start = this.#end + varintBytes(length)
    if (start !== guess) this.#bytes.copyWithin(start, guess, guess + length)
    this.#varint(length)
    this.#end += length
  }

  #lengthDelimited(tag: number, bytes: Uint8Array): void {
    const length = bytes.length
    this.#reserve(1 + VARINT_32_BYTES_MAX + length)
    this.#bytes[this.#end++] = tag
    this.#varint(length)
    this.#bytes.set(bytes, this.#end)
    this.#end += length
  }

  /** Into room that is reserved. */
  #varint(value: number): void {
    let rest = value
    for (; rest > 0x7f; rest >>>= 7) this.#bytes[this.#end++] = (rest & 0x7f) | 0x80
    this.#bytes[this.#end++] = rest
  }

  #reserve(count: number): void {
    if (this.#end + count > this.#bytes.length) this.#grow(this.#end + count)
  }

  #grow(bytesMin: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(bytesMin, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#end))
    this.#bytes = grown
  }
}

/** Of a generated message. */
export interface Encoder<Message> {
  encode(message: Message): BinaryWriter
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  return value < 0x1000_0000 ? 4 : 5
}
