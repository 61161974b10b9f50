/**
 * How a branch ends: R3 and R4 as a table. Each row is read in one transaction, in R3's order: the prepared
 * branches first, then the witness.
 *
 *   verb    prepared  witness    result       the witness says afterwards
 *   commit  yes       -          done         committed
 *   commit  no        committed  done_before  committed
 *   commit  no        aborted    broken       aborted
 *   commit  no        none       broken       none: a pledge can't vanish, so the file was replaced or edited
 *   abort   yes       -          done         aborted
 *   abort   no        aborted    done_before  aborted
 *   abort   no        committed  broken       committed
 *   abort   no        none       done         aborted: so that a prepare that comes late votes no
 */
import type { BranchEnding, Evidence } from '../../../src/sdk/participant/index.ts'
import type { PledgeTables } from './pledge-tables.ts'
import { BrokenPledge, type Resource } from './resource.ts'
import { explain } from './sqlite-errors.ts'

export interface BranchEndingsOptions {
  readonly opened: () => {
    readonly tables: PledgeTables
    readonly resource: Pick<Resource<never>, 'apply' | 'release'>
  }
  /** Told inside the transaction that a prepared branch has ended: who waited for it may run behind it. */
  readonly ended: (xid: string) => void
}

export class BranchEndings {
  readonly #options: BranchEndingsOptions

  constructor(options: BranchEndingsOptions) {
    this.#options = options
  }

  /** Inside a transaction. Throws BrokenPledge where the pledge can't be kept. */
  commit(xid: string): BranchEnding {
    const { tables, resource } = this.#options.opened()
    const held = tables.find(xid)
    if (held === undefined) return nothingToCommit(tables.witness(xid))
    tables.remove(xid)
    resource.apply(held)
    resource.release(xid)
    tables.insertWitness(xid, 'committed')
    this.#options.ended(xid)
    return ending('done', 'witness_committed')
  }

  /** Inside a transaction. */
  abort(xid: string): BranchEnding {
    const { tables, resource } = this.#options.opened()
    if (tables.find(xid) === undefined) return nothingToAbort(tables, xid)
    tables.remove(xid)
    resource.release(xid)
    tables.insertWitness(xid, 'aborted')
    this.#options.ended(xid)
    return ending('done', 'witness_aborted')
  }

  /** Of a commit or an abort whose transaction failed. */
  failed(xid: string, error: unknown): BranchEnding {
    if (error instanceof BrokenPledge) {
      const advice = `the recorded changes of ${xid} are kept, and what they need is locked, until this is mended or the branch is aborted`
      return ending('broken', 'no_witness', `${error.message}; ${advice}`)
    }
    return ending('unknown', 'none', explain(error))
  }
}

function nothingToCommit(witness: 'committed' | 'aborted' | undefined): BranchEnding {
  if (witness === 'committed') return ending('done_before', 'witness_committed')
  if (witness === 'aborted') {
    return ending('broken', 'witness_aborted', 'the branch was aborted here before the commit arrived')
  }
  return ending(
    'broken',
    'no_witness',
    'nothing is prepared here under this xid and nothing has ended: the database was replaced, restored from a copy, or edited',
  )
}

function nothingToAbort(tables: PledgeTables, xid: string): BranchEnding {
  const witness = tables.witness(xid)
  if (witness === 'aborted') return ending('done_before', 'witness_aborted')
  if (witness === 'committed') {
    return ending('broken', 'witness_committed', 'the branch was committed here before the abort arrived')
  }
  tables.insertWitness(xid, 'aborted')
  return ending('done', 'witness_aborted')
}

function ending(result: BranchEnding['result'], evidence: Evidence, message = ''): BranchEnding {
  return { result, evidence, message }
}
