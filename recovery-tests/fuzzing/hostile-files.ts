/** Files as they come to be: cut, overwritten, filled with what was never meant to be in them. */
import fc from 'fast-check'
import { HOSTILE_TEXTS } from './hostile-values.ts'

const UTF8 = new TextEncoder()

/** The file, with one to four things done to it. */
export function spoiled(whole: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc.array(spoiling, { minLength: 1, maxLength: 4 }).map((all) => {
    let bytes = whole
    for (const spoil of all) bytes = spoil(bytes)
    return bytes
  })
}

/** The file, as long as it was, with bytes changed; the last of it is left as it is. */
export function changedBefore(whole: Uint8Array, tailBytes: number): fc.Arbitrary<Uint8Array> {
  const body = whole.subarray(0, Math.max(0, whole.length - tailBytes))
  const tail = whole.subarray(body.length)
  return fc.array(changing, { minLength: 1, maxLength: 4 }).map((all) => {
    let bytes = body
    for (const change of all) bytes = change(bytes)
    return joined(bytes, tail)
  })
}

type Spoil = (bytes: Uint8Array) => Uint8Array

const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })

const changing: fc.Arbitrary<Spoil> = fc.oneof(
  fc.tuple(share, fc.uint8Array({ minLength: 1, maxLength: 64 })).map(overwriting),
  fc.tuple(share, fc.integer({ min: 0, max: 7 })).map(([where, bit]): Spoil => flipping(where, bit)),
  fc
    .tuple(share, fc.constantFrom(512, 4_096))
    .map(([where, length]) => overwriting([where, new Uint8Array(length)])),
)

const spoiling: fc.Arbitrary<Spoil> = fc.oneof(
  { weight: 3, arbitrary: changing },
  {
    weight: 1,
    arbitrary: share.map(
      (where): Spoil =>
        (bytes) =>
          bytes.subarray(0, at(bytes, where)),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(share, share).map(
      ([from, to]): Spoil =>
        (bytes) =>
          joined(bytes.subarray(0, at(bytes, to)), bytes.subarray(at(bytes, from))),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(1, 4_096, 100_000).map(
      (length): Spoil =>
        (bytes) =>
          joined(bytes, new Uint8Array(length)),
    ),
  },
)

/**
 * The same for a text: its lines and words are what is moved about. URLs are moved whole: the half of one can't be told
 * from any other word.
 */
export function spoiledText(whole: string): fc.Arbitrary<Uint8Array> {
  const pieces = whole.match(/"[a-z]+:\/\/[^"]*"|[^\s:,{}[\]"]*(?:[\s:,{}[\]"]|$)/g) ?? []
  const piece = fc.oneof(
    fc.constantFrom(...pieces),
    fc.constantFrom(...HOSTILE_TEXTS),
    fc.constantFrom(...YAML_TRICKS),
    fc.string({ maxLength: 10 }),
  )
  const edited = fc
    .array(fc.tuple(share, piece, fc.nat({ max: 3 })), { minLength: 1, maxLength: 6 })
    .map((edits) => {
      const all = [...pieces]
      for (const [where, text, removed] of edits) all.splice(Math.floor(where * all.length), removed, text)
      return UTF8.encode(all.join(''))
    })
  return fc.oneof(
    { weight: 4, arbitrary: edited },
    ...(whole.includes('://') ? [] : [{ weight: 1, arbitrary: spoiled(UTF8.encode(whole)) }]),
    { weight: 1, arbitrary: fc.constantFrom(...WHOLE_TRICKS).map((text) => UTF8.encode(text)) },
  )
}

const YAML_TRICKS: readonly string[] = [
  '&a [*a]',
  '*nowhere',
  '!!js/function "process.exit()"',
  '!!binary "AA=="',
  '<<: *a\n',
  '? {a: b}\n: c\n',
  '\n---\n',
  '\n...\n',
  '%YAML 9.9\n',
  '${HOME}',
  '${NOT_SET}',
  '$${HOME}',
  '0x7fffffffffffffff',
  '.inf',
  '~',
  '\t',
  '{}',
  '[]',
  '- ',
  'null: null\n',
]

const WHOLE_TRICKS: readonly string[] = [
  '',
  '\ufeff',
  '[]',
  'null',
  '"text"',
  '{'.repeat(2_000),
  '- '.repeat(2_000),
  `${Array.from({ length: 12 }, (_, index) => `a${index}: &a${index} [${Array.from({ length: 10 }, () => (index === 0 ? 'x' : `*a${index - 1}`)).join(', ')}]`).join('\n')}\n`,
  'participants: &p\n  - *p\n',
  `limits: { ${Array.from({ length: 1_000 }, (_, index) => `k${index}: 1`).join(', ')} }`,
  `listen: ${'x'.repeat(100_000)}`,
]

function at(bytes: Uint8Array, where: number): number {
  return Math.floor(where * bytes.length)
}

function overwriting([where, value]: [number, Uint8Array]): Spoil {
  return (bytes) => {
    const copy = bytes.slice()
    const offset = at(bytes, where)
    copy.set(value.subarray(0, Math.max(0, copy.length - offset)), offset)
    return copy
  }
}

function flipping(where: number, bit: number): Spoil {
  return (bytes) => {
    const copy = bytes.slice()
    const offset = at(bytes, where)
    const byte = copy[offset]
    if (byte !== undefined) copy[offset] = byte ^ (1 << bit)
    return copy
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
