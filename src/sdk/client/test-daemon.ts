/** A real gRPC server whose answers a test writes down, one per call; the last one is repeated. It serves both transports. */
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from '@grpc/grpc-js'
import { PledgedError } from '../../base/errors.ts'
import type { Epoch, LogId, Xid } from '../../base/ids.ts'
import { type TestDoor, testDoor } from '../../dialling/test-door.ts'
import type { Outcome, TransactionState, TransactionView } from '../../protocol/requests.ts'
import type { SessionAdmission, SessionReply } from '../../protocol/session-messages.ts'
import {
  type ExecuteTransactionRequest,
  type ExecuteTransactionResponse,
  type GetTransactionRequest,
  type GetTransactionResponse,
  type OpenSessionRequest,
  type OpenSessionResponse,
  type SessionRequestBatch,
  TransactionServiceService,
} from '../../wire/generated/pledged/v1/transaction_service.ts'
import {
  admissionToProto,
  answerFromProto,
  executeFromProto,
  fromServiceError,
  getFromProto,
  goodbyeToProto,
  sessionAnswerOf,
  sessionReplyBatches,
  toStatus,
  transactionToProto,
} from '../../wire/index.ts'

export type ExecuteStep = (
  request: ExecuteTransactionRequest,
  reply: sendUnaryData<ExecuteTransactionResponse>,
) => void | Promise<void>
export type GetStep = (request: GetTransactionRequest, reply: sendUnaryData<GetTransactionResponse>) => void
type SessionStream = ServerDuplexStream<OpenSessionRequest, OpenSessionResponse>

export interface ScriptedDaemonOptions {
  readonly steps: ExecuteStep[]
  readonly getStep?: GetStep | undefined
  /** False: a daemon from before there were sessions. */
  readonly servesSessions?: boolean
  /** Default: plain text. */
  readonly credentials?: ServerCredentials | undefined
  /** A file of the token that whoever calls has to show. */
  readonly tokenFile?: string | undefined
}

export class ScriptedDaemon {
  readonly executes: ExecuteTransactionRequest[] = []
  readonly gets: GetTransactionRequest[] = []
  /** Of every session, in order. */
  readonly batches: SessionRequestBatch[] = []
  readonly sessions: SessionStream[] = []
  readonly #options: ScriptedDaemonOptions
  #server: Server | undefined
  #door: TestDoor | undefined
  #port = 0

  constructor(options: ScriptedDaemonOptions) {
    this.#options = options
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  async start(): Promise<void> {
    const { credentials = ServerCredentials.createInsecure(), tokenFile } = this.#options
    this.#door = testDoor(tokenFile)
    const server = new Server({ interceptors: this.#door.interceptors })
    const { executeTransaction, getTransaction, openSession } = TransactionServiceService
    server.addService(
      { executeTransaction, getTransaction },
      {
        executeTransaction: (
          call: ServerUnaryCall<ExecuteTransactionRequest, ExecuteTransactionResponse>,
          reply: sendUnaryData<ExecuteTransactionResponse>,
        ) => this.#execute(call.request, reply),
        getTransaction: (
          call: ServerUnaryCall<GetTransactionRequest, GetTransactionResponse>,
          reply: sendUnaryData<GetTransactionResponse>,
        ) => this.#get(call.request, reply),
      },
    )
    if (this.#options.servesSessions !== false) {
      server.addService({ openSession }, { openSession: (stream: SessionStream) => this.#serve(stream) })
    }
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${this.#port}`, credentials, (error, port) =>
        error === null ? resolve(port) : reject(error),
      )
    })
    this.#server = server
  }

  /** As kill -9 does: every connection is gone at once, nothing is said. */
  kill(): void {
    this.#server?.forceShutdown()
    this.#server = undefined
    this.#door?.close()
  }

  /** Ends every session on purpose. */
  sayGoodbye(retryAfterMs?: number): void {
    for (const stream of this.sessions.splice(0)) {
      stream.write({
        body: { $case: 'goodbye', value: goodbyeToProto({ reason: 'draining', retryAfterMs }) },
      })
      stream.end()
    }
  }

  #execute(request: ExecuteTransactionRequest, reply: sendUnaryData<ExecuteTransactionResponse>): void {
    const { steps } = this.#options
    const step = steps[Math.min(this.executes.length, steps.length - 1)]
    this.executes.push(request)
    void step?.(request, reply)
  }

  #get(request: GetTransactionRequest, reply: sendUnaryData<GetTransactionResponse>): void {
    this.gets.push(request)
    const step = this.#options.getStep ?? refuseGet('REQUEST_NOT_FOUND')
    step(request, reply)
  }

  #serve(stream: SessionStream): void {
    this.sessions.push(stream)
    stream.on('error', () => {})
    stream.on('end', () => stream.end())
    stream.on('data', ({ body }: OpenSessionRequest) => {
      if (body?.$case === 'hello') {
        stream.write({ body: { $case: 'welcome', value: admissionToProto(ADMISSION) } })
      } else if (body?.$case === 'batch') this.#serveBatch(stream, body.value)
    })
  }

  #serveBatch(stream: SessionStream, batch: SessionRequestBatch): void {
    this.batches.push(batch)
    const facts = { caller: '' }
    for (const { callId, request } of batch.executes) {
      if (request === undefined) continue
      const call: Asked = { type: 'execute', callId, request: executeFromProto(request, facts) }
      this.#execute(request, answering(stream, call))
    }
    for (const { callId, request } of batch.gets) {
      if (request === undefined) continue
      const call: Asked = { type: 'get', callId, request: getFromProto(request, facts) }
      this.#get(request, answering(stream, call))
    }
  }
}

const ADMISSION: SessionAdmission = {
  logId: 'k3f9qa7m2xw4' as LogId,
  epoch: '7-q3f9' as Epoch,
  workBytesMax: 1 << 20,
  batchBytesMax: 2 << 20,
  messageBytesMax: 4 << 20,
  callsMax: 100,
  lease: { firstSequence: 1_000, count: 8 },
}

type Asked = Parameters<typeof sessionAnswerOf>[0]
type Answered = Parameters<typeof answerFromProto>[0]

/** The answer to a call of its own, as the answer to one of a session. */
function answering(stream: SessionStream, call: Asked) {
  return (error: unknown, response?: Answered | null): void => {
    const draft = sessionReplyBatches.start()
    draft.add(replyTo(call, error, response))
    stream.write(draft.finish())
  }
}

function replyTo(call: Asked, error: unknown, response: Answered | null | undefined): SessionReply {
  const { callId } = call
  if (response !== null && response !== undefined) {
    return { type: 'answer', callId, answer: sessionAnswerOf(call, answerFromProto(response)) }
  }
  return {
    type: 'refusal',
    callId,
    error: fromServiceError(Object.assign(new Error('refused'), error), 'here'),
  }
}

export interface Told {
  outcome: Outcome
  state?: TransactionState
  sequence?: number
  attempt?: number
  retryable?: boolean
}

function transaction(request: { requestId: string; attempt: number }, told: Told): TransactionView {
  return {
    xid: `k3f9qa7m2xw4.7-q3f9.${told.sequence ?? 1}` as Xid,
    state: told.state ?? (told.outcome === 'aborted' ? 'aborted' : 'committing'),
    outcome: told.outcome,
    ...(told.outcome === 'aborted' && { abortCause: 'vote_no' }),
    abortMessage: told.outcome === 'aborted' ? 'sink: no such table' : '',
    retryable: told.retryable ?? false,
    branches: [],
    heuristic: false,
    requestId: request.requestId,
    attempt: told.attempt ?? request.attempt,
    createTimeMs: 1_000,
    timeline: [],
    traceparent: '',
  }
}

export function answer(told: Told, replayed = false): ExecuteStep {
  return (request, reply) =>
    reply(null, { transaction: transactionToProto(transaction(request, told)), replayed })
}

export function refuse(code: ConstructorParameters<typeof PledgedError>[0]): ExecuteStep {
  return (_request, reply) => reply(toStatus(new PledgedError(code, `refused with ${code}`)))
}

export function refuseGet(code: ConstructorParameters<typeof PledgedError>[0]): GetStep {
  return (_request, reply) => reply(toStatus(new PledgedError(code, `refused with ${code}`)))
}

export function getTold(told: Told): GetStep {
  return (request, reply) => {
    const requestId = request.key?.$case === 'requestId' ? request.key.value : ''
    reply(null, { transaction: transactionToProto(transaction({ requestId, attempt: 1 }, told)) })
  }
}
