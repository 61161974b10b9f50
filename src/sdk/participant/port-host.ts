/**
 * Serves a participant over a MessagePort: the worker thread's end of the daemon's transport/worker. The thread
 * ends by itself once `servePort` has resolved and nothing else keeps it.
 */
import type { MessagePort } from 'node:worker_threads'
import { messageOf } from '../../base/errors.ts'
import type { CoordinatorPortMessage, ParticipantPortMessage } from '../../protocol/port-messages.ts'
import { type HostOptions, ParticipantHost } from './host.ts'
import type { HostSession } from './session.ts'

export interface ServePortOptions extends HostOptions {
  /** Of a worker thread: `parentPort`. */
  readonly port: MessagePort
}

/** Resolves when the other end has closed, or isn't admitted (R11), and the participant is put away. */
export async function servePort(options: ServePortOptions): Promise<void> {
  const { port } = options
  const host = new ParticipantHost(options)
  const closed = Promise.withResolvers<void>()
  let session: HostSession | undefined
  // The port queues what arrives faster than this thread reads; the host lets prepares wait for their turn.
  port.on('message', (message: CoordinatorPortMessage) => {
    switch (message.type) {
      case 'welcome':
        session = host.attach(
          {
            replied: (messages) => post(port, { type: 'batch', messages }),
            refused: () => closed.resolve(),
          },
          message.welcome,
        )
        return
      case 'batch':
        session?.receive(message.messages)
        return
      case 'close':
        closed.resolve()
        return
      default:
        message satisfies never
    }
  })
  port.on('close', () => closed.resolve())
  try {
    post(port, { type: 'hello', identity: await host.describe() })
  } catch (error) {
    post(port, { type: 'failed', reason: messageOf(error) })
    closed.resolve()
  }
  await closed.promise
  await host.close()
  port.close()
}

function post(port: MessagePort, message: ParticipantPortMessage): void {
  port.postMessage(message)
}
