/** The participant that the conformance suite talks to, whatever carries the link: a pure answering machine. */
import type { CoordinatorMessage, ParticipantIdentity, ParticipantMessage } from '../../protocol/messages.ts'

/** Work that makes the peer's end of the link go away, without a word, instead of an answer. */
export const DIE = 'die'

export const peerIdentity: ParticipantIdentity = {
  name: 'peer',
  kind: 'conformance',
  instanceId: 'instance-1',
  resourceId: 'resource-1',
  keepsWitnesses: true,
}

export class Peer {
  /** What arrived, oldest first, as `type xid`. */
  readonly #arrived: string[] = []
  readonly #die: () => void

  constructor(die: () => void) {
    this.#die = die
  }

  /** Every message but `forget` is answered; a scan tells what has arrived. */
  answer(messages: readonly CoordinatorMessage[]): ParticipantMessage[] {
    return messages.flatMap((message) => this.#answerOne(message))
  }

  #answerOne(message: CoordinatorMessage): ParticipantMessage[] {
    if (message.type === 'list_prepared') {
      const branches = this.#arrived.map((xid, index) => ({ xid, prepareTimeMs: index }))
      return [{ type: 'held', branches, nextPageToken: message.pageToken }]
    }
    const { type, xid } = message
    this.#arrived.push(`${type} ${xid}`)
    switch (type) {
      case 'prepare':
        return this.#vote(message)
      case 'commit':
      case 'abort':
        return [
          { type: 'result', xid, verb: type, result: 'done', message: '', evidence: 'witness_committed' },
        ]
      case 'evidence_question':
        return [{ type: 'evidence_answer', xid, evidence: 'no_witness', message: 'looked' }]
      case 'forget':
        return []
      default:
        return message satisfies never
    }
  }

  #vote({ xid, work, timeoutMs }: CoordinatorMessage & { type: 'prepare' }): ParticipantMessage[] {
    const text = new TextDecoder().decode(work)
    if (text === DIE) {
      this.#die()
      return []
    }
    if (text === '') return [{ type: 'vote', xid, vote: { vote: 'yes', pledgeTtlMs: timeoutMs } }]
    return [{ type: 'vote', xid, vote: { vote: 'no', message: text, retryable: true } }]
  }
}
