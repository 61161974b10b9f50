/** What the coordinator says to a participant, to and from the stream's messages. */
import { unreachable } from '../base/assert.ts'
import { PledgedError } from '../base/errors.ts'
import { xidOf } from '../base/ids.ts'
import type { CoordinatorMessage } from '../protocol/messages.ts'
import { type BatchCodec, type BatchDraft, BatchOrder, ITEM_OVERHEAD_BYTES, textBytesMax } from './batch.ts'
import { ownBytes } from './bytes.ts'
import {
  type AttachParticipantResponse,
  CoordinatorBatch,
} from './generated/pledged/v1/participant_gateway_service.ts'

/** The order in which a receiver handles the groups of a batch: that of their field numbers. */
const RANK = { commit: 1, abort: 2, prepare: 3, evidence_question: 4, forget: 5 } as const
const UINT32_MAX = 2 ** 32 - 1

export const coordinatorBatches: BatchCodec<CoordinatorMessage, AttachParticipantResponse> = {
  start: () => new CoordinatorDraft(),
  bytesOf: (message) => {
    if (message.type === 'list_prepared') return ITEM_OVERHEAD_BYTES + textBytesMax(message.pageToken)
    const workBytes = message.type === 'prepare' ? message.work.byteLength : 0
    return ITEM_OVERHEAD_BYTES + message.xid.length + workBytes
  },
}

class CoordinatorDraft implements BatchDraft<CoordinatorMessage, AttachParticipantResponse> {
  readonly #batch: CoordinatorBatch = CoordinatorBatch.create()
  readonly #order = new BatchOrder()

  add(message: CoordinatorMessage): boolean {
    const admitted =
      message.type === 'list_prepared'
        ? this.#order.admitsLast()
        : this.#order.admits(message.xid, RANK[message.type])
    if (admitted) addItem(this.#batch, message)
    return admitted
  }

  finish(): AttachParticipantResponse {
    return { body: { $case: 'batch', value: this.#batch } }
  }
}

function addItem(batch: CoordinatorBatch, message: CoordinatorMessage): void {
  switch (message.type) {
    case 'commit':
      batch.commits.push({ xid: message.xid })
      return
    case 'abort':
      batch.aborts.push({ xid: message.xid })
      return
    case 'prepare':
      batch.prepares.push({
        xid: message.xid,
        work: message.work,
        timeoutMs: Math.min(Math.max(Math.round(message.timeoutMs), 0), UINT32_MAX),
        onePhase: message.onePhase ?? false,
      })
      return
    case 'evidence_question':
      batch.evidenceQuestions.push({ xid: message.xid })
      return
    case 'forget':
      batch.forgets.push({ xid: message.xid })
      return
    case 'list_prepared':
      batch.listPrepared = { pageSize: message.pageSize, pageToken: message.pageToken }
      return
    default:
      unreachable(message)
  }
}

/** In the order in which they are to be handled. */
export function coordinatorMessages(batch: CoordinatorBatch): CoordinatorMessage[] {
  const messages: CoordinatorMessage[] = []
  for (const { xid } of batch.commits) messages.push({ type: 'commit', xid: xidOf(xid) })
  for (const { xid } of batch.aborts) messages.push({ type: 'abort', xid: xidOf(xid) })
  for (const { xid, work, timeoutMs, onePhase } of batch.prepares) {
    const prepare = { type: 'prepare', xid: xidOf(xid), work: ownBytes(work), timeoutMs } as const
    messages.push(onePhase ? { ...prepare, onePhase } : prepare)
  }
  for (const { xid } of batch.evidenceQuestions) {
    messages.push({ type: 'evidence_question', xid: xidOf(xid) })
  }
  for (const { xid } of batch.forgets) messages.push({ type: 'forget', xid: xidOf(xid) })
  if (batch.listPrepared !== undefined) {
    const { pageSize, pageToken } = batch.listPrepared
    if (pageSize < 0) {
      throw new PledgedError(
        'INVALID_REQUEST',
        `list_prepared.page_size is ${pageSize}: it has to be 0 or more`,
      )
    }
    messages.push({ type: 'list_prepared', pageSize, pageToken })
  }
  return messages
}
