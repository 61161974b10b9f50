/** Messages of the contract, as bytes: of valid structure with hostile values, and some that aren't even that. */
import fc from 'fast-check'
import type { Contract, Field } from './contract.ts'
import { hostileField, lengthDelimited, strayBytes, varint } from './hostile-values.ts'

const UTF8 = new TextEncoder()

/**
 * What a field of that name may sensibly hold, so that a message comes further than its first check. A text, bytes or
 * a number; undefined: nothing is known.
 */
export type Dictionary = (
  message: string,
  field: string,
) => fc.Arbitrary<string | Uint8Array | bigint> | undefined

export interface MessageOptions {
  readonly contract: Contract
  readonly dictionary: Dictionary
  /** Fields that are left out, as `Message.field`: they ask for what this test must not get. */
  readonly without?: readonly string[]
}

/** The message by its full name, `pledged.v1.Hello`. */
export function messages(name: string, options: MessageOptions): fc.Arbitrary<Uint8Array> {
  const whole = wellFormed(name, options)
  return fc.oneof(
    { weight: 12, arbitrary: whole },
    { weight: 1, arbitrary: fc.tuple(whole, fc.double({ min: 0, max: 1, noNaN: true })).map(cutAt) },
    { weight: 1, arbitrary: fc.tuple(whole, strayBytes).map(joined) },
    { weight: 1, arbitrary: fc.tuple(strayBytes, whole).map(joined) },
    { weight: 1, arbitrary: fc.constant(new Uint8Array()) },
  )
}

function wellFormed(name: string, options: MessageOptions): fc.Arbitrary<Uint8Array> {
  const fields = options.contract
    .fieldsOf(name)
    .filter((field) => options.without?.includes(`${shortName(name)}.${field.name}`) !== true)
    .map((field) => fieldOf(name, field, options))
  if (fields.length === 0) return fc.constant(new Uint8Array())
  return fc.tuple(...fields).map(joined)
}

function fieldOf(message: string, field: Field, options: MessageOptions): fc.Arbitrary<Uint8Array> {
  const one = oneValue(message, field, options)
  const absent = fc.constant(new Uint8Array())
  if (!field.repeated) {
    return fc.oneof(
      { weight: 6, arbitrary: one },
      { weight: 2, arbitrary: absent },
      // The last one counts, or they are merged.
      { weight: 1, arbitrary: fc.tuple(one, one).map(joined) },
    )
  }
  return fc.oneof(
    { weight: 8, arbitrary: fc.array(one, { maxLength: 3 }).map(joined) },
    {
      weight: 1,
      arbitrary: fc.tuple(one, fc.constantFrom(65, 10_000)).map(([value, times]) => repeated(value, times)),
    },
  )
}

function oneValue(message: string, field: Field, options: MessageOptions): fc.Arbitrary<Uint8Array> {
  if ('message' in field.type) {
    return wellFormed(field.type.message, options).map((value) => lengthDelimited(field.number, value))
  }
  const hostile = hostileField(field.number, field.type.scalar)
  const sensible = options.dictionary(shortName(message), field.name)
  if (sensible === undefined) return hostile
  return fc.oneof(
    { weight: 3, arbitrary: sensible.map((value) => encoded(field.number, value)) },
    { weight: 1, arbitrary: hostile },
  )
}

function encoded(number: number, value: string | Uint8Array | bigint): Uint8Array {
  if (typeof value === 'bigint') return varint(number, value)
  return lengthDelimited(number, typeof value === 'string' ? UTF8.encode(value) : value)
}

/** Many of one, as far as they fit into what a server takes. */
function repeated(value: Uint8Array, times: number): Uint8Array {
  const fitting = Math.min(times, Math.floor(3_000_000 / Math.max(value.length, 1)))
  return joined(Array.from({ length: fitting }, () => value))
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function cutAt([bytes, where]: [Uint8Array, number]): Uint8Array {
  return bytes.subarray(0, Math.floor(bytes.length * where))
}

function shortName(message: string): string {
  return message.slice(message.lastIndexOf('.') + 1)
}
