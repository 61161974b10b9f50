/** What may be done with a stream of the daemon's, in any order, and what must come of it: an end, in time, with a sentence. */
import type { ClientHttp2Stream } from 'node:http2'
import fc from 'fast-check'
import { expect } from 'vitest'
import { requireAnswer, requireEnd } from './answers.ts'
import { brokenFrames } from './frames.ts'
import { answerOf, framed, RawConnection } from './raw-calls.ts'

export const END_WITHIN_MS = 15_000

export type Step =
  | { readonly type: 'message'; readonly bytes: Uint8Array }
  | { readonly type: 'broken'; readonly bytes: Uint8Array }
  | { readonly type: 'pause' | 'reset' | 'drop' }

export interface StreamMessages {
  /** Good openings. */
  readonly hellos: readonly Uint8Array[]
  readonly batch: fc.Arbitrary<Uint8Array>
  readonly any: fc.Arbitrary<Uint8Array>
}

export function scripts({ hellos, batch, any }: StreamMessages): fc.Arbitrary<Step[]> {
  const message = (bytes: fc.Arbitrary<Uint8Array>) =>
    fc.record({ type: fc.constant('message' as const), bytes })
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: message(fc.constantFrom(...hellos)) },
    { weight: 6, arbitrary: message(batch) },
    { weight: 3, arbitrary: message(any) },
    {
      weight: 1,
      arbitrary: brokenFrames(any).map(({ bytes }) => ({ type: 'broken' as const, bytes })),
    },
    { weight: 2, arbitrary: fc.constant({ type: 'pause' as const }) },
    { weight: 1, arbitrary: fc.constantFrom({ type: 'reset' as const }, { type: 'drop' as const }) },
  )
  return fc.array(step, { minLength: 1, maxLength: 12 })
}

export async function play(address: string, path: string, steps: readonly Step[]): Promise<void> {
  const connection = new RawConnection(address)
  const stream = connection.open({ path })
  const end = answerOf(stream, END_WITHIN_MS)
  for (const step of steps) await take(step, stream, connection)
  stream.end()
  const answer = await end
  connection.close()
  const left = steps.some(({ type }) => type === 'reset' || type === 'drop')
  const what = `a stream of ${steps.map(({ type }) => type).join(', ')}`
  expect(answer.hung, what).toBe(false)
  if (left) return
  if (steps.some(({ type }) => type === 'broken')) requireEnd({ ...answer, body: Buffer.from('any') }, what)
  else requireAnswer(answer, what)
}

async function take(step: Step, stream: ClientHttp2Stream, connection: RawConnection): Promise<void> {
  if (stream.destroyed || stream.closed) return
  switch (step.type) {
    case 'message':
      stream.write(framed(step.bytes))
      return
    case 'broken':
      stream.write(step.bytes)
      return
    case 'reset':
      stream.close(2)
      return
    case 'drop':
      connection.drop()
      return
    case 'pause':
      await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/**
 * A stream that was opened with the hello and has been welcomed; what else comes on it is read, unless `reads` is false.
 * Rejects where it ends unwelcomed.
 */
export async function opened(
  address: string,
  path: string,
  hello: Uint8Array,
  { reads = true }: { readonly reads?: boolean } = {},
): Promise<{ stream: ClientHttp2Stream; connection: RawConnection }> {
  const connection = new RawConnection(address)
  const stream = connection.open({ path })
  const welcome = new Promise((resolve, reject) => {
    stream.once('data', resolve)
    stream.once('close', () => reject(new Error(`the stream of ${path} ended before it was welcomed`)))
  })
  stream.write(framed(hello))
  await welcome
  if (reads) stream.resume()
  else stream.pause()
  return { stream, connection }
}
