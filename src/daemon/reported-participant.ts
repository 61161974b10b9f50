/**
 * A participant that tells what became of the branches that it held prepared when it came back: how many there
 * were, and, once each of them has been decided, how.
 */
import type { Verb } from '../protocol/messages.ts'
import type {
  BranchEnding,
  HeldPage,
  Participant,
  ParticipantDescription,
  PrepareRequest,
  Vote,
  Xid,
} from '../sdk/participant/index.ts'

export class ReportedParticipant implements Participant {
  readonly admit?: NonNullable<Participant['admit']>
  readonly evidence?: NonNullable<Participant['evidence']>
  readonly forget?: NonNullable<Participant['forget']>
  readonly #participant: Participant
  readonly #report: (text: string) => void
  /** The scan that the coordinator makes of a participant that has attached is reported, later ones are not. */
  #isNews = false
  readonly #held = new Set<string>()
  readonly #decided = { commit: 0, abort: 0 }

  constructor(participant: Participant, report: (text: string) => void) {
    this.#participant = participant
    this.#report = report
    if (participant.admit !== undefined) this.admit = participant.admit.bind(participant)
    if (participant.evidence !== undefined) this.evidence = participant.evidence.bind(participant)
    if (participant.forget !== undefined) this.forget = participant.forget.bind(participant)
  }

  attached(): void {
    this.#isNews = true
    this.#held.clear()
    this.#decided.commit = 0
    this.#decided.abort = 0
  }

  describe(): Promise<ParticipantDescription> {
    return this.#participant.describe()
  }

  prepare(request: PrepareRequest): Promise<Vote> {
    return this.#participant.prepare(request)
  }

  async commit(xid: Xid): Promise<BranchEnding> {
    return this.#ended(xid, 'commit', await this.#participant.commit(xid))
  }

  async abort(xid: Xid): Promise<BranchEnding> {
    return this.#ended(xid, 'abort', await this.#participant.abort(xid))
  }

  async listPrepared(pageSize: number, pageToken: string): Promise<HeldPage> {
    const page = await this.#participant.listPrepared(pageSize, pageToken)
    if (!this.#isNews) return page
    for (const { xid } of page.branches) this.#held.add(xid)
    if (page.nextPageToken === '') {
      this.#isNews = false
      if (this.#held.size > 0) this.#report(`${this.#held.size} prepared`)
    }
    return page
  }

  close(): Promise<void> {
    return this.#participant.close()
  }

  #ended(xid: Xid, verb: Verb, ending: BranchEnding): BranchEnding {
    if (ending.result === 'unknown' || !this.#held.delete(xid)) return ending
    this.#decided[verb] += 1
    if (this.#held.size === 0 && !this.#isNews) {
      const { commit, abort } = this.#decided
      this.#report(`${commit + abort} decided: ${commit} committed, ${abort} aborted`)
    }
    return ending
  }
}
