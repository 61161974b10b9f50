/** A participant that votes when the test says so, and is there to be asked all the while. Its pledges are in memory. */
import type { Participant, PrepareRequest, Vote, Xid } from '../../src/sdk/participant/index.ts'
import { vote } from '../../src/sdk/participant/index.ts'

const DONE = { result: 'done', message: '', evidence: 'none' } as const

export class LateVoter implements Participant {
  readonly #held = new Set<Xid>()
  #release: (() => void)[] = []

  /** All that wait vote yes. */
  vote(): void {
    for (const release of this.#release) release()
    this.#release = []
  }

  describe() {
    return Promise.resolve({ kind: 'late', resourceId: 'late-voter', keepsWitnesses: false })
  }

  async prepare({ xid, signal }: PrepareRequest): Promise<Vote> {
    await new Promise<void>((resolve) => {
      this.#release.push(resolve)
      signal.addEventListener('abort', () => resolve())
    })
    if (signal.aborted) return vote.no('nobody waits for it any more')
    this.#held.add(xid)
    return vote.yes()
  }

  commit(xid: Xid) {
    this.#held.delete(xid)
    return Promise.resolve(DONE)
  }

  abort(xid: Xid) {
    this.#held.delete(xid)
    return Promise.resolve(DONE)
  }

  listPrepared() {
    const branches = [...this.#held].map((xid) => ({ xid, branch: 'late', prepareTimeMs: Date.now() }))
    return Promise.resolve({ branches, nextPageToken: '' })
  }

  close() {
    return Promise.resolve()
  }
}
