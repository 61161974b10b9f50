/** What operators order: each is checked, carried out through the core (R15), and shown as it then stands. */
import { PledgedError } from '../base/errors.ts'
import type { Clock } from '../base/ports.ts'
import type { CoordinatorInspection, OperatorApi } from '../coordinator/views.ts'
import type { OperatorRequest } from '../protocol/operators/index.ts'
import type * as proto from '../wire/generated/pledged/v1/admin_service.ts'
import type { ParticipantStatus } from '../wire/generated/pledged/v1/participant.ts'
import type { Transaction } from '../wire/generated/pledged/v1/transaction.ts'
import { transactionToProto } from '../wire/index.ts'
import {
  forgetBranchRequest,
  optionalReasonOf,
  participantOf,
  reasonOf,
  resolveRequest,
  xidOf,
} from './operator-request.ts'
import { participantToProto } from './participant-status.ts'

export interface OperationsOptions {
  readonly inspection: CoordinatorInspection
  readonly operators: OperatorApi
  readonly clock: Clock
}

interface Order {
  readonly who: string
  readonly why: string
  readonly dryRun?: boolean
}

export class Operations {
  readonly #inspection: CoordinatorInspection
  readonly #operators: OperatorApi
  readonly #clock: Clock

  constructor({ inspection, operators, clock }: OperationsOptions) {
    this.#inspection = inspection
    this.#operators = operators
    this.#clock = clock
  }

  async resolve(
    request: proto.ResolveTransactionRequest,
    who: string,
  ): Promise<proto.ResolveTransactionResponse> {
    const order = { who, why: reasonOf(request.reason), dryRun: request.dryRun }
    const consequences = await this.#operate(order, resolveRequest(request))
    return { transaction: await this.#transaction(request.xid, who), consequences }
  }

  async retry(request: proto.RetryTransactionRequest, who: string): Promise<proto.RetryTransactionResponse> {
    await this.#operate({ who, why: '' }, { action: 'retry_transaction', xid: xidOf(request.xid) })
    return { transaction: await this.#transaction(request.xid, who) }
  }

  async acknowledge(
    request: proto.AcknowledgeTransactionRequest,
    who: string,
  ): Promise<proto.AcknowledgeTransactionResponse> {
    const order = { who, why: reasonOf(request.reason) }
    await this.#operate(order, { action: 'acknowledge_transaction', xid: xidOf(request.xid) })
    return { transaction: await this.#transaction(request.xid, who) }
  }

  async forgetBranch(request: proto.ForgetBranchRequest, who: string): Promise<proto.ForgetBranchResponse> {
    const order = { who, why: reasonOf(request.reason), dryRun: request.dryRun }
    const consequences = await this.#operate(order, forgetBranchRequest(request))
    return { transaction: await this.#transaction(request.xid, who), consequences }
  }

  async pause(request: proto.PauseParticipantRequest, who: string): Promise<proto.PauseParticipantResponse> {
    const participant = participantOf(request.participant)
    await this.#operate({ who, why: reasonOf(request.reason) }, { action: 'pause_participant', participant })
    return { participant: this.#participant(participant) }
  }

  async resume(
    request: proto.ResumeParticipantRequest,
    who: string,
  ): Promise<proto.ResumeParticipantResponse> {
    const participant = participantOf(request.participant)
    const order = { who, why: optionalReasonOf(request.reason) }
    await this.#operate(order, { action: 'resume_participant', participant })
    return { participant: this.#participant(participant) }
  }

  async #operate(order: Order, request: OperatorRequest): Promise<string[]> {
    return [...(await this.#operators.operate({ ...order, request }))]
  }

  /** Undefined for one that this log has not issued, whose branch an operator may end all the same. */
  async #transaction(xid: string, caller: string): Promise<Transaction | undefined> {
    try {
      const { transaction } = await this.#inspection.get({ caller, xid, anyOwner: true })
      return transactionToProto(transaction)
    } catch (error) {
      if (error instanceof PledgedError && error.code === 'FOREIGN_XID') return undefined
      throw error
    }
  }

  #participant(name: string): ParticipantStatus | undefined {
    const view = this.#inspection.status().participants.find((other) => other.name === name)
    return view && participantToProto(view, this.#clock.wallMs())
  }
}
