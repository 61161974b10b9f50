/**
 * How a branch ends at a database server. A server doesn't say what became of a branch that it doesn't hold, and what
 * it says of one that somebody is ending at that moment isn't to be relied on: so R3's order is kept. The verb, then
 * the database's list of prepared branches by exact name, and only then the witness. Any other order, and any error:
 * unknown, ask again.
 *
 *   verb    the verb says  listed  witness    result       evidence
 *   commit  ended          -       -          done         committed
 *   commit  not prepared   yes     -          unknown      none: another session is ending it
 *   commit  not prepared   no      committed  done_before  committed
 *   commit  not prepared   no      aborted    broken       aborted
 *   commit  not prepared   no      none       broken       no_witness: rolled back by hand, or the database was restored
 *   abort   ended          -       -          done         aborted, where the bar could be put
 *   abort   not prepared   yes     -          unknown      none
 *   abort   not prepared   no      inserted   done         aborted: a prepare that comes late is refused (R4)
 *   abort   not prepared   no      aborted    done_before  aborted
 *   abort   not prepared   no      committed  broken       committed
 *   abort   not prepared   no      vanished   unknown      none: it was swept, or a live writer ended, in between
 */
import type { BranchEnding, Evidence, Verb, Xid } from '../../../src/sdk/participant/index.ts'
import { messageOf } from '../../../src/sdk/participant/index.ts'
import type { BranchStore } from './branch-store.ts'
import { DatabaseFailure } from './database-failure.ts'

type EndingStore = Pick<BranchStore, 'end' | 'isPrepared' | 'witness' | 'insertAborted'>

export async function commitBranch(store: EndingStore, xid: Xid): Promise<BranchEnding> {
  return unlessItFails(async () => {
    if ((await endOf(store, 'commit', xid)) === 'ended') return ending('done', 'witness_committed')
    if (await store.isPrepared(xid)) return beingEnded()
    const witness = await store.witness(xid)
    if (witness === 'committed') return ending('done_before', 'witness_committed')
    if (witness === 'aborted') {
      return ending('broken', 'witness_aborted', 'the branch was aborted here before the commit arrived')
    }
    return ending(
      'broken',
      'no_witness',
      'nothing is prepared here under this xid and there is no witness that it committed: it was rolled back by hand, ' +
        'or the database was restored from a copy, or has failed over to a server that had not received it',
    )
  })
}

export async function abortBranch(store: EndingStore, xid: Xid): Promise<BranchEnding> {
  return unlessItFails(async () => {
    if ((await endOf(store, 'abort', xid)) === 'ended')
      return ending('done', await barLatePrepares(store, xid))
    if (await store.isPrepared(xid)) return beingEnded()
    if ((await store.insertAborted(xid)) === 'inserted') return ending('done', 'witness_aborted')
    const witness = await store.witness(xid)
    if (witness === 'aborted') return ending('done_before', 'witness_aborted')
    if (witness === 'committed') {
      return ending('broken', 'witness_committed', 'the branch was committed here before the abort arrived')
    }
    return ending('unknown', 'none', 'another session was writing this xid: it will be asked again')
  })
}

/** R4's question. What is prepared has no witness yet, however near its commit may be. */
export async function evidenceOf(store: EndingStore, xid: Xid): Promise<Evidence> {
  if (await store.isPrepared(xid)) return 'no_witness'
  const witness = await store.witness(xid)
  return witness === undefined ? 'no_witness' : `witness_${witness}`
}

/** A verb that failed although it did what it was asked is looked after as one that found nothing. */
async function endOf(store: EndingStore, verb: Verb, xid: Xid): Promise<'ended' | 'not_prepared'> {
  try {
    return await store.end(verb, xid)
  } catch (error) {
    if (error instanceof DatabaseFailure && error.effect === 'done') return 'not_prepared'
    throw error
  }
}

/**
 * The rollback took the branch's own witness with it. One that says aborted refuses a prepare that arrives twice, and
 * tells this abort from one by hand; the branch has ended without it, too.
 */
async function barLatePrepares(store: EndingStore, xid: Xid): Promise<Evidence> {
  try {
    return (await store.insertAborted(xid)) === 'inserted' ? 'witness_aborted' : 'none'
  } catch {
    return 'none'
  }
}

async function unlessItFails(run: () => Promise<BranchEnding>): Promise<BranchEnding> {
  try {
    return await run()
  } catch (error) {
    return ending('unknown', 'none', messageOf(error))
  }
}

function beingEnded(): BranchEnding {
  return ending(
    'unknown',
    'none',
    'the branch is prepared, and another session is ending it: it will be asked again',
  )
}

function ending(result: BranchEnding['result'], evidence: Evidence, message = ''): BranchEnding {
  return { result, evidence, message }
}
