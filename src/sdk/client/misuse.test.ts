/** What must not compile doesn't (tsc reads this file), and where JavaScript does it all the same, it is refused. */
import { describe, expect, expectTypeOf, it } from 'vitest'
import { PledgedError } from '../../base/errors.ts'
import { DEFAULT_ADDRESS, resolveAddress } from '../dialling.ts'
import { type Branches, type Committed, connect, type Executed } from './index.ts'
import { encodeWork } from './work.ts'

const coordinator = connect({ address: '127.0.0.1:1' })

/** Each way of getting it wrong, with what it has to be refused with. */
const misuses: readonly [string, () => Promise<unknown>, RegExp][] = [
  [
    'a branch without work',
    // @ts-expect-error work is required
    () => coordinator.execute([{ participant: 'sink' }]),
    /work for participant "sink" is undefined/,
  ],
  [
    'a branch without a participant',
    // @ts-expect-error participant is required
    () => coordinator.execute([{ work: 'x' }]),
    /a branch is \{ participant, work \}/,
  ],
  [
    'work that is a number',
    // @ts-expect-error work is bytes, text or an object
    () => coordinator.execute([{ participant: 'sink', work: 7 }]),
    /work for participant "sink" is 7/,
  ],
  [
    'work with a bigint',
    // @ts-expect-error JSON has no bigint
    () => coordinator.execute([{ participant: 'sink', work: { id: 1n } }]),
    /has no JSON/,
  ],
  [
    'work with a Map',
    // @ts-expect-error JSON has no Map
    () => coordinator.execute([{ participant: 'sink', work: { ids: new Map() } }]),
    /"ids" is Map/,
  ],
  [
    'a wait for something else',
    // @ts-expect-error there is decision and completion
    () => coordinator.execute([{ participant: 'sink', work: 'x' }], { waitFor: 'ever', timeoutMs: 0 }),
    /timeoutMs is 0/,
  ],
]

describe('misuse', () => {
  it.each(misuses)('is refused: %s', async (_name, misuse, message) => {
    const error: unknown = await misuse().catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(PledgedError)
    expect(error).toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringMatching(message) as string,
    })
  })

  it('does not compile with an empty list of branches', () => {
    // @ts-expect-error a transaction has at least one branch
    const none: Branches = []
    expect(none).toHaveLength(0)
  })

  it('does not compile where an outcome is not looked at', () => {
    expectTypeOf<Executed>().not.toHaveProperty('cause')
    expectTypeOf<Executed>().not.toHaveProperty('complete')
    expectTypeOf<Extract<Executed, { outcome: 'committed' }>>().toEqualTypeOf<Committed>()
    expectTypeOf<Executed['outcome']>().toEqualTypeOf<'committed' | 'aborted'>()
    // @ts-expect-error the cause is there only once the outcome was seen to be aborted
    const causeOf = (executed: Executed): unknown => executed.cause
    expect(causeOf({ outcome: 'committed' } as Executed)).toBeUndefined()
  })

  it('refuses transactions on the own connections of an application that has no session', async () => {
    await using unary = connect({ address: '127.0.0.1:1', transport: 'unary' })
    const refusal = { code: 'INVALID_REQUEST', message: expect.stringMatching(/needs a session/) as string }
    await expect(unary.transaction(() => Promise.resolve())).rejects.toMatchObject(refusal)
    await expect(unary.begin()).rejects.toMatchObject(refusal)
  })

  it('refuses options that are out of range', async () => {
    const branches: Branches = [{ participant: 'sink', work: 'x' }]
    for (const options of [
      { attempt: 0 },
      { retries: -1 },
      { timeoutMs: Number.NaN },
      { prepareTimeoutMs: -5 },
    ]) {
      await expect(coordinator.execute(branches, options)).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    }
    const large = new Uint8Array(3 << 20)
    await expect(
      coordinator.execute([
        { participant: 'a', work: large },
        { participant: 'b', work: large },
      ]),
    ).rejects.toMatchObject({ code: 'WORK_TOO_LARGE' })
  })
})

describe('encodeWork', () => {
  it.each([
    ['NaN', { value: Number.NaN }],
    ['Infinity', { deep: [{ value: Number.POSITIVE_INFINITY }] }],
    ['a hole in a list', { list: [undefined] }],
    ['bytes inside an object', { bytes: new Uint8Array(1) }],
  ])('refuses what JSON would change in silence: %s', (_name, work) => {
    expect(() => encodeWork({ participant: 'sink', work: work as never })).toThrow(/"sink" has no JSON/)
  })

  it('leaves out a property that is undefined', () => {
    const bytes = encodeWork({ participant: 'sink', work: { a: 1, b: undefined } })
    expect(new TextDecoder().decode(bytes)).toBe('{"a":1}')
  })
})

describe('resolveAddress', () => {
  it('takes the option, then PLEDGED_ADDRESS, then the default', () => {
    expect(resolveAddress('unix:/run/pledged.sock', { PLEDGED_ADDRESS: 'b:2' })).toBe(
      'unix:/run/pledged.sock',
    )
    expect(resolveAddress(undefined, { PLEDGED_ADDRESS: 'b:2' })).toBe('b:2')
    expect(resolveAddress(undefined, {})).toBe(DEFAULT_ADDRESS)
    expect(resolveAddress('[::1]:7420', {})).toBe('[::1]:7420')
  })

  it.each(['', 'nowhere', 'http://a:1', 'a:70000', 'a:b', 'unix:'])('refuses %j', (address) => {
    expect(() => resolveAddress(address, {})).toThrow(/expected HOST:PORT/)
  })
})
