/**
 * A participant that has nothing to say: read-only, but while it is asked to keep silent. Then the transaction is stuck, and
 * only an operator can end it.
 */
import { type Attachment, attachParticipant, vote } from '../../src/sdk/participant/index.ts'
import { SILENT } from './aims.ts'

export class Silent {
  readonly #attachment: Attachment
  #silent = false
  #asked: string | undefined

  constructor(address: string) {
    const nothingHere = { result: 'broken', evidence: 'none', message: 'it never voted' } as const
    this.#attachment = attachParticipant({
      address,
      name: SILENT,
      participant: {
        describe: () => Promise.resolve({ kind: SILENT, resourceId: 'nothing', keepsWitnesses: false }),
        prepare: ({ xid, signal }) => {
          if (!this.#silent) return Promise.resolve(vote.readOnly())
          this.#silent = false
          this.#asked = xid
          // What comes for this xid later waits for the vote: it is given when nobody hears it any more.
          return new Promise((resolve) => {
            signal.addEventListener('abort', () => resolve(vote.no('nobody asks')), { once: true })
          })
        },
        commit: () => Promise.resolve(nothingHere),
        abort: () => Promise.resolve({ result: 'done', evidence: 'none', message: '' }),
        listPrepared: () => Promise.resolve({ branches: [], nextPageToken: '' }),
        close: () => Promise.resolve(),
      },
    })
  }

  get attached(): boolean {
    return this.#attachment.attached
  }

  /** The next transaction that asks for its vote gets none. */
  silence(): void {
    this.#silent = true
    this.#asked = undefined
  }

  /** The xid of the transaction that got none. */
  get asked(): string | undefined {
    return this.#asked
  }

  close(): Promise<void> {
    return this.#attachment.close()
  }
}
