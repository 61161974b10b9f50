/** R3 undone, in three ways: what a server says of a branch is believed, or looked at in another order. */
import type { Xid } from '../../base/ids.ts'
import type { EndingStore } from '../server-store.ts'
import type { Break } from './break.ts'

/** As systems do that take "no such transaction" for "it was committed before" (MariaDB's XAER_NOTA). */
export const verbBelieved: Break = {
  name: 'verb-believed',
  does: 'a server that answers a commit with "not prepared" is believed, and nothing is looked at (R3)',
  caughtAs: /^R3: the end of .* was written before|^R3: .* was answered complete before/,
  slips: {
    looks: (store) => ({
      ...delegated(store),
      end: async (verb, xid) => {
        const said = await store.end(verb, xid)
        return verb === 'commit' ? 'ended' : said
      },
    }),
  },
}

/** Between the two looks another session commits. */
export const witnessBeforeList: Break = {
  name: 'witness-before-list',
  does: 'the witness is read before the list of prepared branches, not after it (R3)',
  caughtAs: /^I1: .* is said to have broken its pledge of .*, and did not/,
  slips: {
    looks: (store) => {
      const read = new Map<Xid, ReturnType<EndingStore['witness']>>()
      return {
        ...delegated(store),
        isPrepared: async (xid) => {
          const witness = store.witness(xid)
          read.set(xid, witness)
          await witness
          // Once more, and again: who is being ended should be given the time.
          return (await store.isPrepared(xid)) && (await store.isPrepared(xid)) && store.isPrepared(xid)
        },
        witness: (xid) => read.get(xid) ?? store.witness(xid),
      }
    },
  },
}

/** The witness of a branch that still works is seen, and taken for its commit. */
export const witnessReadDirty: Break = {
  name: 'witness-read-dirty',
  does: 'the witness is read at READ UNCOMMITTED (R3)',
  caughtAs:
    /^I1: .* is said to have broken its pledge of .*, and did not|^I7: .* answered "committed" and is aborted/,
  slips: {
    looks: (store) => ({
      ...delegated(store),
      witness: async (xid) => store.dirtyWitness(xid),
      insertAborted: async (xid) => (store.dirtyWitness(xid) ? 'exists' : store.insertAborted(xid)),
    }),
  },
}

function delegated(store: EndingStore): EndingStore {
  return {
    end: (verb, xid) => store.end(verb, xid),
    isPrepared: (xid) => store.isPrepared(xid),
    witness: (xid) => store.witness(xid),
    insertAborted: (xid) => store.insertAborted(xid),
    dirtyWitness: (xid) => store.dirtyWitness(xid),
  }
}
