/** A participant that listens, made of what a test says; spoken to by nothing but the contract. Not part of the program. */
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type StatusObject,
  status,
} from '@grpc/grpc-js'
import { onTestFinished } from 'vitest'
import { PledgedError } from '../../base/errors.ts'
import type { Epoch, LogId, Xid } from '../../base/ids.ts'
import { defaultLimits } from '../../base/limits.ts'
import type { CoordinatorMessage, ParticipantIdentity, ParticipantMessage } from '../../protocol/messages.ts'
import {
  AbortBranchResponse,
  CommitBranchResponse,
  DescribeParticipantResponse,
  ForgetBranchesResponse,
  GetBranchEvidenceResponse,
  ListPreparedBranchesResponse,
  ParticipantServiceService,
  PrepareBranchResponse,
} from '../../wire/generated/pledged/v1/participant_service.ts'
import {
  branchResults,
  evidence,
  fromOptionalDuration,
  heldToProto,
  toStatus,
  voteToProto,
} from '../../wire/index.ts'
import { peerIdentity } from '../conformance/index.ts'
import { Recorder } from '../conformance/recorder.ts'
import type { Link, Welcome } from '../link.ts'
import { UnaryDialer, type UnaryLimits } from './index.ts'

const WELCOME: Welcome = {
  logId: 'k3f9qa7m2xw4' as LogId,
  epoch: '7-q3f9' as Epoch,
  workBytesMax: 1 << 20,
}

export const limits: UnaryLimits = { ...defaultLimits, linkCloseTimeoutMs: 500 }

export type Method = 'prepare' | 'commit' | 'abort' | 'list' | 'describe' | 'evidence' | 'forget'

/** A request as any of the methods has it; the fields that it doesn't have are undefined. */
export interface AnyRequest {
  readonly xid: Xid
  readonly xids: readonly string[]
  readonly branch: string
  readonly work: Uint8Array
  readonly timeout: Parameters<typeof fromOptionalDuration>[1]
  readonly onePhase: boolean
  readonly pageSize: number
  readonly pageToken: string
}

export interface AnyCall {
  readonly request: AnyRequest
  readonly metadata: Metadata
  readonly cancelled: Promise<void>
}

/** Resolves with the response, rejects with PledgedError or a bare status. */
export type Behaviour = Partial<Readonly<Record<Method, (call: AnyCall) => Promise<object>>>>

const METHODS = {
  prepareBranch: 'prepare',
  commitBranch: 'commit',
  abortBranch: 'abort',
  listPreparedBranches: 'list',
  describeParticipant: 'describe',
  getBranchEvidence: 'evidence',
  forgetBranches: 'forget',
} as const satisfies Record<keyof typeof ParticipantServiceService, Method>

/** So that a test needs to say no more of a response than it is about. */
const RESPONSES: Readonly<Record<Method, { fromPartial(fields: object): object }>> = {
  prepare: PrepareBranchResponse,
  commit: CommitBranchResponse,
  abort: AbortBranchResponse,
  list: ListPreparedBranchesResponse,
  describe: DescribeParticipantResponse,
  evidence: GetBranchEvidenceResponse,
  forget: ForgetBranchesResponse,
}

export class FakeParticipant {
  readonly calls: { readonly method: Method; readonly call: AnyCall }[] = []
  readonly #behaviour: Behaviour
  #server: Server | undefined
  #port = 0

  /** A method that the test says nothing of is UNIMPLEMENTED. */
  constructor(behaviour: Behaviour) {
    this.#behaviour = behaviour
    onTestFinished(() => this.kill())
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  async start(): Promise<void> {
    const server = new Server()
    const handlers = Object.entries(METHODS).map(([name, method]) => [name, this.#handler(method)])
    server.addService(ParticipantServiceService, Object.fromEntries(handlers))
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(this.address, ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      )
    })
    this.#server = server
  }

  kill(): void {
    this.#server?.forceShutdown()
    this.#server = undefined
  }

  /** Its connections are cut; it listens on. */
  cut(): void {
    this.#server?.drain(this.address, 0)
  }

  /** The methods that were called, by xid where there is one. */
  log(): string[] {
    return this.calls.map(({ method, call }) => `${method} ${call.request.xid ?? ''}`.trim())
  }

  #handler(method: Method) {
    return (
      call: ServerUnaryCall<AnyRequest, object>,
      callback: (error: Partial<StatusObject> | null, response?: object) => void,
    ): void => {
      const behave = this.#behaviour[method]
      const cancelled = new Promise<void>((resolve) => call.on('cancelled', () => resolve()))
      const seen: AnyCall = { request: call.request, metadata: call.metadata, cancelled }
      this.calls.push({ method, call: seen })
      if (behave === undefined) {
        callback({ code: status.UNIMPLEMENTED, details: `no ${method} here` })
        return
      }
      behave(seen).then(
        (fields) => callback(null, RESPONSES[method].fromPartial(fields)),
        (error: unknown) =>
          callback(error instanceof PledgedError ? toStatus(error) : (error as StatusObject)),
      )
    }
  }
}

export async function started(behaviour: Behaviour): Promise<FakeParticipant> {
  const participant = new FakeParticipant(behaviour)
  await participant.start()
  return participant
}

/** One that speaks for an answering machine in the coordinator's own words. */
export function speakingFor(
  answer: (message: CoordinatorMessage) => readonly ParticipantMessage[],
  identity: ParticipantIdentity = peerIdentity,
): Behaviour {
  const ask = <Type extends ParticipantMessage['type']>(type: Type, message: CoordinatorMessage) => {
    const [reply] = answer(message)
    if (reply?.type === type) return Promise.resolve(reply as ParticipantMessage & { type: Type })
    // No answer, ever.
    return new Promise<ParticipantMessage & { type: Type }>(() => {})
  }
  const end = async (verb: 'commit' | 'abort', { request: { xid } }: AnyCall) => {
    const reply = await ask('result', { type: verb, xid })
    const fields = {
      ...reply,
      result: branchResults.toProto(reply.result),
      evidence: evidence.toProto(reply.evidence),
    }
    return fields
  }
  return {
    describe: async () => identity,
    prepare: async ({ request: { xid, work, timeout } }) => {
      const timeoutMs = Math.round(fromOptionalDuration('timeout', timeout) ?? 0)
      const reply = await ask('vote', { type: 'prepare', xid, work, timeoutMs })
      return voteToProto(reply.vote)
    },
    commit: (call) => end('commit', call),
    abort: (call) => end('abort', call),
    evidence: async ({ request: { xid } }) => {
      const reply = await ask('evidence_answer', { type: 'evidence_question', xid })
      return { ...reply, evidence: evidence.toProto(reply.evidence) }
    },
    forget: async ({ request: { xids } }) => {
      for (const xid of xids) answer({ type: 'forget', xid: xid as Xid })
      return {}
    },
    list: async ({ request: { pageSize, pageToken } }) => {
      const reply = await ask('held', { type: 'list_prepared', pageSize, pageToken })
      return {
        branches: reply.branches.map((branch) => heldToProto(branch, identity.name)),
        nextPageToken: reply.nextPageToken,
      }
    },
  }
}

/** An open, welcomed link to it, closed when the test ends. */
export async function linked(
  participant: FakeParticipant,
  options: Partial<UnaryLimits> = {},
): Promise<{ readonly link: Link; readonly recorder: Recorder; readonly dialer: UnaryDialer }> {
  const dialer = new UnaryDialer({
    name: 'peer',
    address: participant.address,
    limits: { ...limits, ...options },
  })
  onTestFinished(() => dialer.close())
  const recorder = new Recorder()
  const link = await recorder.open(dialer, WELCOME)
  return { link, recorder, dialer }
}

export function xid(sequence: number): Xid {
  return `k3f9qa7m2xw4.7-q3f9.${sequence}` as Xid
}

export function prepare(sequence: number, timeoutMs = 60_000): CoordinatorMessage {
  return { type: 'prepare', xid: xid(sequence), work: new Uint8Array([sequence]), timeoutMs }
}

/** Until the condition holds, looked at again and again. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1))
}
