import { describe, expect, it } from 'vitest'
import type { Epoch, LogId } from '../../base/ids.ts'
import type { ParticipantMessage } from '../../protocol/messages.ts'
import { linkCases, Peer, peerIdentity } from '../conformance/index.ts'
import { Recorder } from '../conformance/recorder.ts'
import { MemoryDialer } from './memory-dialer.ts'
import type { MemoryHost } from './memory-link.ts'

function dialerTo(kind: 'answers' | 'fails'): MemoryDialer {
  const peer = new Peer(() => dialer.sever('the participant went away'))
  const host: MemoryHost = {
    describe: () =>
      kind === 'answers' ? Promise.resolve(peerIdentity) : Promise.reject(new Error('no disk')),
    attach: (listener: { replied(messages: readonly ParticipantMessage[]): void }) => ({
      receive: (messages) => listener.replied(peer.answer(messages)),
      close: () => {},
    }),
    close: () => Promise.resolve(),
  }
  const dialer = new MemoryDialer({ name: 'peer', host: () => host })
  return dialer
}

describe('the memory link', () => {
  it.each(linkCases)('$name', async (linkCase) => {
    await expect(linkCase.run({ dialer: dialerTo })).resolves.toBeUndefined()
  })

  it('hands the coordinator’s name on, and ends after a refusal that was heard', async () => {
    const told: unknown[] = []
    const refusal = { type: 'admission_refused', superseded: true, message: 'an old copy' } as const
    const dialer = new MemoryDialer({
      name: 'peer',
      host: () => ({
        describe: () => Promise.resolve(peerIdentity),
        attach: (listener, coordinator) => {
          told.push(coordinator)
          listener.replied([refusal])
          listener.refused(refusal)
          return { receive: () => {}, close: () => {} }
        },
        close: () => Promise.resolve(),
      }),
    })
    const recorder = new Recorder()
    const welcome = { logId: 'k3f9qa7m2xw4' as LogId, epoch: '7-q3f9' as Epoch, workBytesMax: 1 }
    await recorder.open(dialer, welcome)
    await recorder.until(() => recorder.closings.length > 0)
    expect(told).toEqual([welcome])
    expect(recorder.messages).toEqual([refusal])
    expect(recorder.closings).toEqual(['an old copy'])
  })
})
