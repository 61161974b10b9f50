/** A process with participants that attach, vote yes at once, and keep nothing: what is left is the protocol's own cost. */
import { attachParticipant, type Participant, vote } from '../../sdk/participant/index.ts'

class NullParticipant implements Participant {
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  describe() {
    return Promise.resolve({ kind: 'null', resourceId: `null/${this.#name}`, keepsWitnesses: false })
  }

  prepare() {
    return Promise.resolve(vote.yes())
  }

  commit() {
    return DONE
  }

  abort() {
    return DONE
  }

  listPrepared() {
    return Promise.resolve({ branches: [], nextPageToken: '' })
  }

  close() {
    return Promise.resolve()
  }
}

const DONE = Promise.resolve({ result: 'done', message: '', evidence: 'none' } as const)

const [address = '', ...names] = process.argv.slice(2)
const attachments = names.map((name) =>
  attachParticipant({ address, name, participant: new NullParticipant(name) }),
)
process.on('SIGTERM', () => {
  void Promise.all(attachments.map((attachment) => attachment.close())).then(() => process.exit(0))
})
