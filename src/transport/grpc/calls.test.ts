import { Metadata, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import type { CallFacts } from '../../wire/index.ts'
import { identifyAsAnonymous, unary } from './calls.ts'

/** Runs one call through `unary`; what its handler was told, or what the call was refused with. */
function run(call: { deadline?: Date | number; cancelled?: boolean; traceparent?: string }) {
  const metadata = new Metadata()
  if (call.traceparent !== undefined) metadata.set('traceparent', call.traceparent)
  const told: CallFacts[] = []
  const handler = unary<string, string>({
    refusal: () => undefined,
    identify: identifyAsAnonymous,
    handle: async (request, facts) => {
      told.push(facts)
      return request
    },
  })
  return new Promise<{ told: CallFacts[]; details: string | undefined }>((resolve) => {
    const callback: sendUnaryData<string> = (error) => resolve({ told, details: error?.details })
    handler(
      {
        request: 'request',
        metadata,
        cancelled: call.cancelled ?? false,
        getDeadline: () => call.deadline ?? Number.POSITIVE_INFINITY,
      } as ServerUnaryCall<string, string>,
      callback,
    )
  })
}

describe('a unary call', () => {
  it('has no deadline unless it says one', async () => {
    expect(await run({})).toEqual({
      told: [{ caller: 'anonymous', deadlineInMs: undefined, traceparent: undefined }],
      details: undefined,
    })
  })

  it('is refused when its deadline has passed, or its caller is gone', async () => {
    for (const call of [{ deadline: Date.now() - 1 }, { deadline: new Date(0) }, { cancelled: true }]) {
      const { told, details } = await run(call)
      expect(told).toEqual([])
      expect(details).toMatch(/the deadline had passed when the request arrived; nothing was run/)
    }
  })

  it('ignores a traceparent that is none', async () => {
    expect((await run({ traceparent: '00-abc-def-01' })).told[0]?.traceparent).toBeUndefined()
  })
})
