/**
 * A stream that opens with a hello (AttachParticipant, OpenSession): its events, turned into the life of whoever
 * introduced itself.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js'
import { PledgedError } from '../../base/errors.ts'
import { systemTimers } from '../../base/ports.ts'
import { requireMessage } from '../../serving/index.ts'
import { toStatus } from '../../wire/index.ts'

/** Who is at the other end, once it is known. */
export interface StreamPeer<Request> {
  /** A message after the hello. Throws where it breaks the protocol. */
  receive(message: Request): void
  /** It says nothing more, and may still listen. */
  left(reason: string): void
  /** It is gone. May come after `left`, and more than once. */
  lost(reason: string): void
  /** It did what it must not. */
  sendAway(error: unknown): void
}

export interface IntroductionOptions<Request, Peer> {
  readonly stream: ServerDuplexStream<Request, unknown>
  readonly method: 'AttachParticipant' | 'OpenSession'
  readonly who: 'participant' | 'client'
  readonly helloTimeoutMs: number
  /** Why none is taken now: asked when the stream is opened, and at its hello, since the daemon may go down in between. */
  readonly refusal: () => PledgedError | undefined
  /** Makes the peer of the first message. Throws where that isn't a hello that can be taken. */
  readonly introduce: (message: Request) => Peer
  readonly opened: (peer: Peer) => void
}

/** The stream is served until it ends; what it does wrong ends it with a status. */
export function serveIntroduced<Request, Peer extends StreamPeer<Request>>(
  options: IntroductionOptions<Request, Peer>,
): void {
  const { stream, who } = options
  const refusal = options.refusal()
  if (refusal !== undefined) {
    refuse(stream, refusal)
    return
  }
  let peer: Peer | undefined
  let over = false

  const fail = (error: unknown) => {
    cancelTimer()
    over = true
    if (peer === undefined) refuse(stream, error)
    else peer.sendAway(error)
  }
  const gone = (tell: (peer: Peer) => void) => {
    cancelTimer()
    over = true
    if (peer === undefined) stream.end()
    else tell(peer)
  }
  const cancelTimer = systemTimers.after(options.helloTimeoutMs, () => fail(noHello(options)))

  stream.on('data', (received: Request) => {
    if (over) return
    try {
      const message = requireMessage(received)
      if (peer !== undefined) {
        peer.receive(message)
        return
      }
      const lateRefusal = options.refusal()
      if (lateRefusal !== undefined) throw lateRefusal
      peer = options.introduce(message)
      cancelTimer()
      options.opened(peer)
    } catch (error) {
      fail(error)
    }
  })
  // A stream that is reset, or whose connection is lost, may show as ended first: the two can't be told apart then.
  const wentAway = `the ${who} went away`
  stream.on('end', () => gone((left) => left.left(wentAway)))
  stream.on('cancelled', () => gone((lost) => lost.lost(wentAway)))
  stream.on('error', (error: Error) => gone((lost) => lost.lost(`the connection failed: ${error.message}`)))
}

/** Before anyone was introduced. */
function refuse(stream: { emit(event: 'error', status: unknown): unknown }, error: unknown): void {
  stream.emit('error', toStatus(error))
}

function noHello(options: { readonly method: string; readonly helloTimeoutMs: number }): PledgedError {
  return new PledgedError(
    'INVALID_REQUEST',
    `no hello came within ${options.helloTimeoutMs} ms of ${options.method}: it has to be the first message`,
  )
}
