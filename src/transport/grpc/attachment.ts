/** One AttachParticipant stream's events, turned into the life of one link. */
import { PledgedError } from '../../base/errors.ts'
import { systemTimers } from '../../base/ports.ts'
import { requireMessage } from '../../serving/index.ts'
import type { AttachParticipantRequest } from '../../wire/generated/pledged/v1/participant_gateway_service.ts'
import { toStatus } from '../../wire/index.ts'
import type { AttachStream, StreamLink } from './stream-link.ts'

export interface AttachmentOptions {
  readonly stream: AttachStream
  readonly helloTimeoutMs: number
  /** Makes the link of the first message. Throws where that isn't a hello that can be taken. */
  readonly introduce: (message: AttachParticipantRequest) => StreamLink
  readonly opened: (link: StreamLink) => void
}

/** The stream is served until it ends; what it does wrong ends it with a status. */
export function serveAttachment(options: AttachmentOptions): void {
  const { stream, helloTimeoutMs } = options
  let link: StreamLink | undefined
  let over = false

  const fail = (error: unknown) => {
    cancelTimer()
    over = true
    if (link === undefined) refuse(stream, error)
    else link.sendAway(error)
  }
  const gone = (reason: string) => {
    cancelTimer()
    over = true
    if (link === undefined) stream.end()
    else link.lost(reason)
  }
  const cancelTimer = systemTimers.after(helloTimeoutMs, () => fail(noHello(helloTimeoutMs)))

  stream.on('data', (received: AttachParticipantRequest) => {
    if (over) return
    try {
      const message = requireMessage(received)
      if (link !== undefined) {
        link.receive(message)
        return
      }
      link = options.introduce(message)
      cancelTimer()
      options.opened(link)
    } catch (error) {
      fail(error)
    }
  })
  // A stream that is reset, or whose connection is lost, may show as ended first: the two can't be told apart.
  stream.on('end', () => gone('the participant went away'))
  stream.on('cancelled', () => gone('the participant went away'))
  stream.on('error', (error: Error) => gone(`the connection failed: ${error.message}`))
}

export function refuse(stream: AttachStream, error: unknown): void {
  stream.emit('error', toStatus(error))
}

function noHello(helloTimeoutMs: number): PledgedError {
  return new PledgedError(
    'INVALID_REQUEST',
    `no hello came within ${helloTimeoutMs} ms of AttachParticipant: it has to be the first message`,
  )
}
