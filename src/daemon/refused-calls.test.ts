import { describe, expect, it } from 'vitest'
import { PledgedError } from '../base/errors.ts'
import { RefusedCalls } from './refused-calls.ts'

const call = {
  peer: '10.0.0.1:4242',
  method: '/pledged.v1.AdminService/GetStatus',
  identity: undefined,
  error: new PledgedError('UNAUTHENTICATED', 'who calls has to be known here'),
}

function refusedCalls() {
  const lines: unknown[] = []
  let fire: (() => void) | undefined
  const calls = new RefusedCalls({
    logger: { warn: (facts: unknown, text: unknown) => lines.push([facts, text]) } as never,
    timers: {
      after: (_delayMs, run) => {
        fire = run
        return () => {
          fire = undefined
        }
      },
      soon: () => {},
    },
  })
  return { calls, lines, secondPasses: () => fire?.() }
}

describe('calls that were not let in', () => {
  it('are told with where they came from, who it was, and why', () => {
    const { calls, lines } = refusedCalls()
    calls.tell(call)
    calls.tell({ ...call, identity: 'shop', error: new PledgedError('PERMISSION_DENIED', 'is for others') })
    const { peer, method } = call
    expect(lines).toEqual([
      [{ peer, method, code: 'UNAUTHENTICATED', reason: call.error.message }, 'a call was not let in'],
      [
        { peer, method, identity: 'shop', code: 'PERMISSION_DENIED', reason: 'is for others' },
        'a call was not let in',
      ],
    ])
  })

  it('are told a few a second, and then counted', () => {
    const { calls, lines, secondPasses } = refusedCalls()
    for (let each = 0; each < 1_000; each += 1) calls.tell(call)
    expect(lines).toHaveLength(5)
    secondPasses()
    expect(lines.slice(5)).toEqual([[{ calls: 995 }, 'more calls were not let in']])
    calls.tell(call)
    expect(lines).toHaveLength(7)
    secondPasses()
    secondPasses()
    expect(lines).toHaveLength(7)
  })

  it('are counted also when the daemon ends meanwhile', () => {
    const { calls, lines } = refusedCalls()
    for (let each = 0; each < 6; each += 1) calls.tell(call)
    calls.close()
    expect(lines.at(-1)).toEqual([{ calls: 1 }, 'more calls were not let in'])
    calls.close()
    expect(lines).toHaveLength(6)
  })
})
