/** The conformance suite's peer in a worker thread, speaking the port's messages itself. Started by a test. */
import { parentPort, workerData } from 'node:worker_threads'
import { present } from '../../base/assert.ts'
import type { CoordinatorPortMessage, ParticipantPortMessage } from '../../protocol/port-messages.ts'
import { Peer, peerIdentity } from '../conformance/index.ts'

const port = present(parentPort, 'this file runs in a worker thread')
const peer = new Peer(() => process.exit(3))

function post(message: ParticipantPortMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  port.postMessage(message)
}

let welcomed = false
port.on('message', (message: CoordinatorPortMessage) => {
  if (message.type === 'welcome') welcomed = true
  if (message.type === 'batch' && welcomed) post({ type: 'batch', messages: peer.answer(message.messages) })
  if (message.type === 'close') port.close()
})

switch (workerData) {
  case 'answers':
    post({ type: 'hello', identity: peerIdentity })
    break
  case 'fails':
    post({ type: 'failed', reason: 'no disk' })
    break
  case 'throws':
    throw new Error('no such module')
  case 'hangs':
    // Deaf to `close`: only its termination ends it.
    port.removeAllListeners('message')
    setInterval(() => {}, 1_000)
    post({ type: 'hello', identity: peerIdentity })
    break
  default:
    throw new Error(`no such peer: ${String(workerData)}`)
}
