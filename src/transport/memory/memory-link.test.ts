import { describe, expect, it } from 'vitest'
import type { ParticipantMessage } from '../../protocol/messages.ts'
import { linkCases, Peer, peerIdentity } from '../conformance/index.ts'
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
})
