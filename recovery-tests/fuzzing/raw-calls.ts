/** gRPC without a gRPC library: one that is well-behaved could not send what is to be sent here. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { connect as connectSocket, type Socket } from 'node:net'

export interface RawAnswer {
  /** grpc-status; undefined: the stream ended without one. */
  readonly status: number | undefined
  readonly message: string
  /** The bytes of grpc-status-details-bin, decoded, as text: the reason is in there, readable. */
  readonly details: string
  readonly body: Buffer
  /** The stream was reset, or its connection lost. */
  readonly broken: boolean
  /** No end came within the time given. */
  readonly hung: boolean
}

export interface CallOptions {
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly answerWithinMs: number
}

/** A gRPC frame around the bytes. */
export function framed(message: Uint8Array, compressed = 0): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(compressed, 0)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

export class RawConnection {
  readonly #session: ClientHttp2Session
  #socket: Socket | undefined

  /** `unix:PATH` or HOST:PORT. */
  constructor(address: string) {
    this.#session = connect('http://localhost', {
      // Megabytes: what waits here must not be what breaks.
      maxSessionMemory: 1_000,
      createConnection: () => {
        this.#socket = address.startsWith('unix:')
          ? connectSocket(address.slice('unix:'.length))
          : connectSocket(Number(address.split(':').at(-1)), address.slice(0, address.lastIndexOf(':')))
        return this.#socket
      },
    })
    // What becomes of it is seen at its streams.
    this.#session.on('error', () => {})
  }

  get closed(): boolean {
    return this.#session.closed || this.#session.destroyed
  }

  open({ path, headers = {} }: Pick<CallOptions, 'path' | 'headers'>): ClientHttp2Stream {
    const stream = this.#session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
    stream.on('error', () => {})
    return stream
  }

  /** Sends the pieces, ends the stream, and waits for the answer. */
  async call(pieces: readonly Uint8Array[], options: CallOptions): Promise<RawAnswer> {
    const stream = this.open(options)
    const answer = answerOf(stream, options.answerWithinMs)
    for (const piece of pieces) stream.write(piece)
    stream.end()
    return await answer
  }

  close(): void {
    this.#session.destroy()
  }

  /** As a machine that loses its power. */
  drop(): void {
    this.#socket?.destroy()
    this.#session.destroy()
  }
}

export async function answerOf(stream: ClientHttp2Stream, withinMs: number): Promise<RawAnswer> {
  const chunks: Buffer[] = []
  const fields: Record<string, unknown> = {}
  stream.on('response', (headers) => Object.assign(fields, headers))
  stream.on('trailers', (headers) => Object.assign(fields, headers))
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const hung = await endedOrLate(stream, withinMs)
  if (hung) stream.close(constants.NGHTTP2_CANCEL)
  const status = fields['grpc-status']
  const message = fields['grpc-message']
  const details = fields['grpc-status-details-bin']
  return {
    status: typeof status === 'string' ? Number(status) : undefined,
    message: typeof message === 'string' ? decodeURIComponent(message) : '',
    details: typeof details === 'string' ? Buffer.from(details, 'base64').toString('latin1') : '',
    body: Buffer.concat(chunks),
    broken: stream.rstCode !== constants.NGHTTP2_NO_ERROR,
    hung,
  }
}

function endedOrLate(stream: ClientHttp2Stream, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    if (stream.closed) return resolve(false)
    const timer = setTimeout(() => resolve(true), withinMs)
    stream.once('close', () => {
      clearTimeout(timer)
      resolve(false)
    })
  })
}
