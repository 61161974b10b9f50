/** Listens where the daemon expects a participant, and answers its calls with anything, or with nothing. */
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import fc from 'fast-check'
import {
  CommitBranchResponse,
  DescribeParticipantResponse,
  PrepareBranchResponse,
} from '../../src/wire/generated/pledged/v1/participant_service.ts'
import type { Contract } from './contract.ts'
import { brokenFrames } from './frames.ts'
import { type Dictionary, messages } from './hostile-messages.ts'
import { draw, evidences, results, votes } from './lies.ts'
import { framed } from './raw-calls.ts'

const STATUSES = ['0', '2', '5', '8', '9', '12', '13', '14', '16', '17', '999', '-1', 'abc', ''] as const
const MESSAGES = ['', 'no', '%zz%', '%00%0aone line more', 'x'.repeat(9_000)] as const
const DETAILS = ['', '!!!', 'AAAA', Buffer.alloc(3_000, 0xff).toString('base64')] as const

/** What is said to one call. */
type Reply =
  | { readonly type: 'right' | 'cut' | 'silent' | 'page' }
  | { readonly type: 'bytes'; readonly bytes: Uint8Array; readonly headers: Readonly<Record<string, string>> }
  | { readonly type: 'status'; readonly status: string; readonly message: string; readonly details: string }

export class LyingServer {
  readonly #contract: Contract
  readonly #dictionary: Dictionary
  readonly #server: Http2Server
  /** Of calls by their methods' names. */
  readonly answered = new Map<string, number>()
  /** While set, this is what follows a frame's head, without end. */
  flood: Uint8Array | undefined

  constructor(contract: Contract, dictionary: Dictionary) {
    this.#contract = contract
    this.#dictionary = dictionary
    this.#server = createServer()
    this.#server.on('stream', (stream, headers) => {
      stream.on('error', () => {})
      stream.resume()
      stream.on('end', () => this.#answer(stream, String(headers[':path'])))
    })
    this.#server.on('sessionError', () => {})
  }

  async listen(socketPath: string): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(socketPath, resolve))
  }

  close(): void {
    this.#server.close()
  }

  #answer(stream: ServerHttp2Stream, path: string): void {
    const method = path.slice(path.lastIndexOf('/') + 1)
    this.answered.set(method, (this.answered.get(method) ?? 0) + 1)
    if (stream.destroyed) return
    if (this.flood !== undefined && method !== 'DescribeParticipant') {
      this.#pour(stream, this.flood)
      return
    }
    const reply = draw(this.#replies(path, method))
    switch (reply.type) {
      case 'right':
        respond(stream, framed(rightAnswer(method)))
        return
      case 'bytes':
        respond(stream, reply.bytes, reply.headers)
        return
      case 'status':
        trailersOnly(stream, reply)
        return
      case 'page':
        stream.respond({ ':status': draw(fc.constantFrom(200, 404, 500, 503)), 'content-type': 'text/html' })
        stream.end('<html>not here</html>')
        return
      case 'cut':
        stream.close(2)
        return
      case 'silent':
        setTimeout(() => stream.close(8), 400)
    }
  }

  /** Mostly the same identity: another one would be quarantined at once, and lie no more. */
  #replies(path: string, method: string): fc.Arbitrary<Reply> {
    const right = fc.constant<Reply>({ type: 'right' })
    const response = this.#contract.methods.find((other) => other.path === path)?.response
    if (response === undefined) return right
    const any = messages(response, { contract: this.#contract, dictionary: this.#dictionary })
    const bytes = (value: Uint8Array): Reply => ({ type: 'bytes', bytes: framed(value), headers: {} })
    return fc.oneof(
      { weight: method === 'DescribeParticipant' ? 100 : 12, arbitrary: right },
      { weight: 6, arbitrary: method === 'DescribeParticipant' ? right : any.map(bytes) },
      {
        weight: 2,
        arbitrary: brokenFrames(any).map((piece) => ({ type: 'bytes' as const, ...piece })),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          type: fc.constant('status' as const),
          status: fc.constantFrom(...STATUSES),
          message: fc.constantFrom(...MESSAGES),
          details: fc.constantFrom(...DETAILS),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom<Reply[]>({ type: 'cut' }, { type: 'silent' }, { type: 'page' }),
      },
    )
  }

  /** A message that is longer than any may be. */
  #pour(stream: ServerHttp2Stream, chunk: Uint8Array): void {
    const head = Buffer.alloc(5)
    head.writeUInt32BE(2 ** 32 - 1, 1)
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    stream.write(head)
    const more = (): void => {
      while (!stream.destroyed) if (!stream.write(chunk)) return void stream.once('drain', more)
    }
    more()
  }
}

function respond(
  stream: ServerHttp2Stream,
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): void {
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', ...headers },
    { waitForTrailers: true },
  )
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  stream.end(bytes)
}

function trailersOnly(stream: ServerHttp2Stream, reply: Extract<Reply, { type: 'status' }>): void {
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': reply.status,
      'grpc-message': reply.message,
      'grpc-status-details-bin': reply.details,
    },
    { endStream: true },
  )
}

/** Right in its form; whether it is true is another matter. */
function rightAnswer(method: string): Uint8Array {
  switch (method) {
    case 'DescribeParticipant':
      return DescribeParticipantResponse.encode({
        resourceId: 'lies',
        kind: 'lies',
        keepsWitnesses: true,
        onePhase: true,
      }).finish()
    case 'PrepareBranch':
      return PrepareBranchResponse.encode(PrepareBranchResponse.fromPartial({ vote: draw(votes) })).finish()
    case 'CommitBranch':
    case 'AbortBranch':
      return CommitBranchResponse.encode({
        result: draw(results),
        message: '',
        evidence: draw(evidences),
      }).finish()
    default:
      return new Uint8Array()
  }
}
