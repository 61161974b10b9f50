/** A served gRPC server over fakes, and what talks to it. Of the tests of this folder; not part of the program. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { credentials, type ServiceError } from '@grpc/grpc-js'
import { PledgedError } from '../../base/errors.ts'
import type { Epoch, LogId, Xid } from '../../base/ids.ts'
import { defaultLimits, type Limits } from '../../base/limits.ts'
import type {
  Answer,
  ApplicationEnding,
  Session,
  SessionApi,
  SessionOptions,
  TransactionApi,
  TransactionView,
} from '../../protocol/requests.ts'
import type { SessionReply } from '../../protocol/session-messages.ts'
import {
  AdminServiceClient,
  GetStatusResponse,
  ListTransactionsResponse,
  PauseParticipantResponse,
} from '../../wire/generated/pledged/v1/admin_service.ts'
import {
  type AttachParticipantRequest,
  type AttachParticipantResponse,
  ParticipantGatewayServiceClient,
} from '../../wire/generated/pledged/v1/participant_gateway_service.ts'
import {
  type OpenSessionRequest,
  type OpenSessionResponse,
  SessionRequestBatch,
  TransactionServiceClient,
} from '../../wire/generated/pledged/v1/transaction_service.ts'
import {
  type AdminHandlers,
  clientOptions,
  fromServiceError,
  greetingToProto,
  helloToProto,
  sessionReplies,
} from '../../wire/index.ts'
import { peerIdentity } from '../conformance/index.ts'
import { Recorder } from '../conformance/recorder.ts'
import type { Welcome } from '../link.ts'
import { type EntranceOptions, type GrpcServer, type GrpcServerOptions, serveGrpc } from './index.ts'

export const XID = 'k3f9qa7m2xw4.7-q3f9.1042' as Xid

export const WELCOME: Welcome = {
  logId: 'k3f9qa7m2xw4' as LogId,
  epoch: '7-q3f9' as Epoch,
  workBytesMax: 1 << 20,
}

export const committed: TransactionView = {
  xid: XID,
  state: 'committing',
  outcome: 'committed',
  abortMessage: '',
  retryable: false,
  branches: [
    { participant: 'sink', state: 'committing', vote: { vote: 'yes' }, attempts: 1, evidence: 'none' },
  ],
  heuristic: false,
  requestId: 'r-1',
  attempt: 1,
  createTimeMs: 1_000,
  decideTimeMs: 2_000,
  timeline: [],
  traceparent: '',
}

/** Writes down what it is asked, and answers what the test says. */
export class FakeTransactions implements TransactionApi {
  readonly asked: { readonly verb: keyof TransactionApi; readonly request: unknown }[] = []
  answer: () => Promise<Answer> = async () => ({ transaction: committed, replayed: true })

  readonly execute = (request: unknown) => this.#take('execute', request)
  readonly begin = (request: unknown) => this.#take('begin', request)
  readonly commit = (request: unknown) => this.#take('commit', request)
  readonly abort = (request: unknown) => this.#take('abort', request)
  readonly get = (request: unknown) => this.#take('get', request)

  #take(verb: keyof TransactionApi, request: unknown): Promise<Answer> {
    this.asked.push({ verb, request })
    return this.answer()
  }
}

type SessionVerb = 'enlist' | 'execute' | 'commit' | 'abort' | 'get' | 'lease' | 'acknowledge'

/** Writes down what it is asked, and answers what the test says. */
export class FakeSession implements Session {
  readonly logId = WELCOME.logId
  readonly epoch = WELCOME.epoch
  readonly options: SessionOptions
  readonly asked: { readonly verb: SessionVerb; readonly request: unknown }[] = []
  readonly closings: string[] = []
  readonly #answer: (verb: SessionVerb, request: unknown) => Promise<Answer>

  constructor(options: SessionOptions, answer: (verb: SessionVerb, request: unknown) => Promise<Answer>) {
    this.options = options
    this.#answer = answer
  }

  readonly execute = (request: unknown) => this.#take('execute', request)
  readonly commit = (request: unknown) => this.#take('commit', request)
  readonly abort = (request: unknown) => this.#take('abort', request)
  readonly get = (request: unknown) => this.#take('get', request)

  async enlist(request: unknown): Promise<void> {
    await this.#take('enlist', request)
  }

  lease(count: number): void {
    this.asked.push({ verb: 'lease', request: count })
    this.options.listener.leased({ firstSequence: 1_000, count })
  }

  acknowledge(ending: ApplicationEnding): void {
    this.asked.push({ verb: 'acknowledge', request: ending })
  }

  close(reason: string): void {
    this.closings.push(reason)
  }

  #take(verb: SessionVerb, request: unknown): Promise<Answer> {
    this.asked.push({ verb, request })
    return this.#answer(verb, request)
  }
}

export const FIRST_LEASE = { firstSequence: 10, count: 5 } as const

export class FakeSessions implements SessionApi {
  readonly opened: FakeSession[] = []
  answer: (verb: SessionVerb, request: unknown) => Promise<Answer> = async () => ({
    transaction: committed,
    replayed: false,
  })
  /** Gives the first lease, in whichever turn. */
  admit: (session: FakeSession) => void = (session) => {
    setImmediate(() => session.options.listener.leased(FIRST_LEASE))
  }

  openSession(options: SessionOptions): FakeSession {
    const session = new FakeSession(options, (verb, request) => this.answer(verb, request))
    this.opened.push(session)
    this.admit(session)
    return session
  }
}

const notAsked = () => Promise.reject(new PledgedError('INTERNAL', 'no test asks for it'))

const admin: AdminHandlers = {
  getStatus: async () => GetStatusResponse.fromPartial({ logId: WELCOME.logId, inFlight: 3 }),
  listTransactions: async (request) =>
    ListTransactionsResponse.fromPartial({ nextPageToken: `after ${request.pageToken}` }),
  listParticipants: async () => {
    throw new PledgedError('INVALID_REQUEST', 'page_token is not one of ours')
  },
  pauseParticipant: async ({ participant }, { caller }) =>
    PauseParticipantResponse.fromPartial({ participant: { name: participant, pause: { who: caller } } }),
  resolveTransaction: notAsked,
  retryTransaction: notAsked,
  acknowledgeTransaction: notAsked,
  forgetBranch: notAsked,
  compareBranches: notAsked,
  resumeParticipant: notAsked,
  listAuditEvents: notAsked,
}

export interface Served extends AsyncDisposable {
  readonly server: GrpcServer
  readonly transactions: FakeTransactions
  readonly sessions: FakeSessions
  readonly links: Recorder
  readonly client: TransactionServiceClient
  readonly adminClient: AdminServiceClient
  readonly gatewayClient: ParticipantGatewayServiceClient
  /** What `ready` says from now on. */
  setReady(refusal: PledgedError | undefined): void
  close(): Promise<void>
}

export interface ServeOptions
  extends Partial<Pick<GrpcServerOptions, 'listen' | 'authentication' | 'credentials'>> {
  readonly limits?: Partial<Limits>
  /** In the place of the fake ones. */
  readonly sessions?: SessionApi
}

/** Everyone is this application. */
export function everyoneIs(name: string): EntranceOptions {
  return { authenticate: () => ({ name, role: 'application' }), refused: () => {} }
}

export async function serve(options: ServeOptions = {}): Promise<Served> {
  const transactions = new FakeTransactions()
  const sessions = new FakeSessions()
  const links = new Recorder()
  const limits = { ...defaultLimits, serverCloseTimeoutMs: 200, ...options.limits }
  let refusal: PledgedError | undefined
  const server = await serveGrpc({
    listen: options.listen ?? '127.0.0.1:0',
    authentication: options.authentication,
    credentials: options.credentials,
    transactions,
    sessions: options.sessions ?? sessions,
    links,
    admin,
    limits,
    ready: () => refusal,
  })
  const connection = [
    server.address,
    credentials.createInsecure(),
    clientOptions(defaultLimits, { reconnectMaxMs: 100 }),
  ] as const
  const client = new TransactionServiceClient(...connection)
  const adminClient = new AdminServiceClient(...connection)
  const gatewayClient = new ParticipantGatewayServiceClient(...connection)
  const close = async () => {
    for (const each of [client, adminClient, gatewayClient]) each.close()
    await server.close()
  }
  return {
    server,
    transactions,
    sessions,
    links,
    client,
    adminClient,
    gatewayClient,
    setReady: (next) => {
      refusal = next
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Of a server that runs anywhere. */
export function transactionClient(address: string): TransactionServiceClient {
  const options = clientOptions(defaultLimits, { reconnectMaxMs: 100 })
  return new TransactionServiceClient(address, credentials.createInsecure(), options)
}

/** The response of a unary call, or its error as clients see it. */
export function called<Response>(
  call: (callback: (error: ServiceError | null, response: Response) => void) => void,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    call((error, response) => {
      if (error === null) resolve(response)
      else reject(fromServiceError(error, 'the test'))
    })
  })
}

/** The error of a call that is refused, as `CODE: sentence`. */
export async function refusalOf(answer: Promise<unknown>): Promise<string> {
  const error = await answer.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return error instanceof PledgedError ? `${error.code}: ${error.message}` : `not refused: ${String(error)}`
}

/** The participant's end of an attachment, written down as it goes. */
export class Attached {
  readonly stream: ReturnType<ParticipantGatewayServiceClient['attachParticipant']>
  readonly messages: AttachParticipantResponse[] = []
  /** How the stream ended: 'OK', or `CODE: sentence`. */
  readonly ended: Promise<string>

  constructor(client: ParticipantGatewayServiceClient, first?: AttachParticipantRequest) {
    this.stream = client.attachParticipant()
    this.stream.on('data', (message: AttachParticipantResponse) => this.messages.push(message))
    this.ended = new Promise((resolve) => {
      this.stream.on('error', (error: Error) =>
        resolve(refusalOf(Promise.reject(fromServiceError(error, 'x')))),
      )
      this.stream.on('end', () => resolve('OK'))
    })
    if (first !== undefined) this.stream.write(first)
  }

  cases(): (string | undefined)[] {
    return this.messages.map((message) => message.body?.$case)
  }
}

export const HELLO: AttachParticipantRequest = { body: { $case: 'hello', value: helloToProto(peerIdentity) } }

export const SESSION_HELLO: OpenSessionRequest = {
  body: { $case: 'hello', value: greetingToProto({ clientId: 'client-1', leaseSize: 5 }) },
}

/** The application's end of a session, written down as it goes. */
export class SessionClient {
  readonly stream: ReturnType<TransactionServiceClient['openSession']>
  readonly messages: OpenSessionResponse[] = []
  /** How the stream ended: 'OK', or `CODE: sentence`. */
  readonly ended: Promise<string>

  constructor(stream: SessionClient['stream'], first: OpenSessionRequest | null = SESSION_HELLO) {
    this.stream = stream
    this.stream.on('data', (message: OpenSessionResponse) => this.messages.push(message))
    this.ended = new Promise((resolve) => {
      this.stream.on('error', (error: Error) =>
        resolve(refusalOf(Promise.reject(fromServiceError(error, 'x')))),
      )
      this.stream.on('end', () => resolve('OK'))
    })
    if (first !== null) this.stream.write(first)
  }

  say(fields: Parameters<typeof SessionRequestBatch.fromPartial>[0]): void {
    this.stream.write({ body: { $case: 'batch', value: SessionRequestBatch.fromPartial(fields) } })
  }

  cases(): (string | undefined)[] {
    return this.messages.map((message) => message.body?.$case)
  }

  replies(): SessionReply[] {
    return this.messages.flatMap(({ body }) => (body?.$case === 'batch' ? sessionReplies(body.value) : []))
  }
}

/** Until the condition holds, looked at in every turn of the event loop. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1))
}

/** Carries bytes between a client and an address, until it doesn't; it closes nothing. */
export class SilentNetwork implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets: Socket[] = []

  private constructor(target: string) {
    const port = Number(target.split(':')[1])
    this.#server = createServer((near) => {
      const far = connect(port, '127.0.0.1')
      near.pipe(far).pipe(near)
      for (const socket of [near, far]) socket.on('error', () => {})
      this.#sockets.push(near, far)
    })
  }

  static async before(target: string): Promise<SilentNetwork> {
    const network = new SilentNetwork(target)
    await new Promise<void>((resolve) => network.#server.listen(0, '127.0.0.1', resolve))
    return network
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  fallSilent(): void {
    for (const socket of this.#sockets) {
      socket.unpipe()
      socket.pause()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
