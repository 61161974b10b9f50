/** The model behind `pledged.v1.ParticipantService`, on a port of its own, and how it is killed. */
import {
  type handleUnaryCall,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  status as STATUS,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { type TestDoor, testDoor } from '../../../dialling/test-door.ts'
import {
  type ParticipantServiceServer,
  ParticipantServiceService,
} from '../../../wire/generated/pledged/v1/participant_service.ts'
import type { Break } from './model-breaks.ts'
import { Crash, Durable, ModelVerbs, Refusal } from './model-verbs.ts'

export interface ModelOptions {
  readonly breaks?: readonly Break[]
  /** Without it, only the four calls that have to be there are served. */
  readonly evidence?: boolean
  /** Default: plain text. */
  readonly credentials?: ServerCredentials | undefined
  /** A file of the token that whoever calls has to show. */
  readonly tokenFile?: string | undefined
}

export class ModelParticipant implements AsyncDisposable {
  readonly #disk = new Durable()
  readonly #breaks: ReadonlySet<Break>
  readonly #options: ModelOptions
  readonly #door: TestDoor
  #server = new Server()
  #verbs: ModelVerbs
  #port = 0

  constructor(options: ModelOptions = {}) {
    this.#options = options
    this.#door = testDoor(options.tokenFile)
    this.#breaks = new Set(options.breaks)
    this.#verbs = new ModelVerbs(this.#disk, this.#breaks)
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** What is prepared at the end. */
  get held(): readonly string[] {
    return [...this.#disk.pledges.keys()]
  }

  async start(): Promise<void> {
    this.#verbs = new ModelVerbs(this.#disk, this.#breaks)
    const { interceptors } = this.#door
    this.#server = new Server({ 'grpc.max_receive_message_length': 4 << 20, interceptors })
    const credentials = this.#options.credentials ?? ServerCredentials.createInsecure()
    this.#server.addService(this.#definition(), this.#handlers(this.#verbs, this.#server))
    this.#port = await new Promise((resolve, reject) => {
      this.#server.bindAsync(this.address, credentials, (error, port) => {
        if (error === null) resolve(port)
        else reject(error)
      })
    })
  }

  readonly restart = async (): Promise<void> => {
    this.#verbs.die()
    this.#server.forceShutdown()
    await this.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown()
    this.#door.close()
    await Promise.resolve()
  }

  /** grpc-js answers what it can't read by itself; a broken model reads it as nothing at all. */
  #definition(): ServiceDefinition {
    if (!this.#breaks.has('garbage is answered')) return ParticipantServiceService
    const lenient = Object.entries(ParticipantServiceService).map(([name, method]) => [
      name,
      {
        ...method,
        requestDeserialize: (bytes: Buffer) => {
          try {
            return method.requestDeserialize(bytes)
          } catch {
            return method.requestDeserialize(Buffer.alloc(0))
          }
        },
      },
    ])
    return Object.fromEntries(lenient) as ServiceDefinition
  }

  #handlers(verbs: ModelVerbs, server: Server): UntypedServiceImplementation {
    const all: ParticipantServiceServer = {
      prepareBranch: serve(verbs, server, ({ request }) => verbs.prepare(request)),
      commitBranch: serve(verbs, server, (call) => verbs.commit(call.request.xid, () => call.cancelled)),
      abortBranch: serve(verbs, server, ({ request }) => verbs.abort(request.xid, request.branch)),
      listPreparedBranches: serve(verbs, server, ({ request }) =>
        verbs.list(request.pageSize, request.pageToken),
      ),
      describeParticipant: serve(verbs, server, () => ({
        resourceId: verbs.resourceId,
        kind: 'model',
        keepsWitnesses: true,
        onePhase: true,
      })),
      getBranchEvidence: serve(verbs, server, ({ request }) => ({
        evidence: verbs.evidence(request.xid),
        message: '',
      })),
      forgetBranches: serve(verbs, server, ({ request }) => {
        verbs.forget(request.xids)
        return {}
      }),
    }
    if (this.#options.evidence !== false) return all
    const { prepareBranch, commitBranch, abortBranch, listPreparedBranches } = all
    return { prepareBranch, commitBranch, abortBranch, listPreparedBranches }
  }
}

function serve<Request, Response>(
  verbs: ModelVerbs,
  server: Server,
  run: (call: ServerUnaryCall<Request, Response>) => Response | Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const answer = async (): Promise<Response> => {
      verbs.admit(text(call.metadata, 'pledged-log-id'), text(call.metadata, 'pledged-epoch'))
      const response = await run(call)
      if (!verbs.alive) throw new Refusal('UNAVAILABLE', 'dead')
      return response
    }
    answer().then(
      (response) => callback(null, response),
      (error: unknown) => {
        const code = error instanceof Refusal ? STATUS[error.status] : STATUS.INTERNAL
        callback({ code, details: error instanceof Error ? error.message : 'a mistake' })
        // A process that died of it answers nobody any more.
        if (error instanceof Crash) server.forceShutdown()
      },
    )
  }
}

function text(metadata: Metadata, key: string): string {
  return String(metadata.get(key)[0] ?? '')
}
