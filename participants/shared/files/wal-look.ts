/**
 * R7 for a participant's file. SQLite drops what it can't read of a WAL without a word: pledges (I4), and what was
 * committed with its witness. So the WAL is looked at before SQLite opens the database.
 *
 * This finds what was changed and then followed by another transaction. It doesn't find a WAL that is missing or cut
 * back: another program that opens and closes the database takes the WAL away, rightly, so its absence says nothing.
 * What such a loss leads to is told by the witnesses where a decision is still to be delivered: a commit that finds
 * neither pledge nor witness is a broken pledge. After a power cut, another program's transactions that were not synced
 * one by one (synchronous=NORMAL) may be refused here, though nobody rests on them: the sentence says how to go on.
 */
import { realpathSync } from 'node:fs'
import { findWalDamage, PledgedError, type WalDamage } from '../../../src/sdk/participant/index.ts'

/** Another program may be writing: what is half-written at the first look isn't at the second. */
const LOOK_AGAIN_AFTER_MS = 100

/** Throws CONFIGURATION. To be called while this process has the file open nowhere. */
export function refuseChangedWal({ kind, file }: { readonly kind: string; readonly file: string }): void {
  const wal = walOf(file)
  const damage = wal === undefined ? undefined : damageOf(wal)
  if (damage === undefined) return
  const place = damage.frame === 0 ? 'its header was' : `frame ${damage.frame} was`
  throw new PledgedError(
    'CONFIGURATION',
    `the ${kind} database ${file} can not pledge: its WAL ${wal} was changed: ${place}, and frame ${damage.commitFrame} behind it ends what was committed later. ` +
      "SQLite would drop all of that, and pledges may be among it: keep both files as they are, and restore the database from a backup. To go on without what is lost, open and close it once with SQLite's own program, sqlite3",
  )
}

/** SQLite names it after what a symbolic link leads to. Undefined: there is no database yet. */
function walOf(file: string): string | undefined {
  try {
    return `${realpathSync(file)}-wal`
  } catch {
    return undefined
  }
}

function damageOf(wal: string): WalDamage | undefined {
  const first = findWalDamage(wal)
  if (first === undefined) return undefined
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_AFTER_MS)
  const second = findWalDamage(wal)
  return second?.frame === first.frame && second.commitFrame === first.commitFrame ? second : undefined
}
