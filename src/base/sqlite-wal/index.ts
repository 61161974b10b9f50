/**
 * A raw look at a SQLite WAL, for files that decisions or pledges rest on (R7). SQLite reads a WAL up to the first
 * frame that doesn't fit and drops the rest without a word, since a power cut leaves just that behind: a last
 * transaction that was being written, and that nobody was answered. What it drops may be more: a flipped byte in
 * frame 5 takes all that was committed behind it.
 *
 * `findWalDamage` tells the two apart, for a file whose transactions are synced one by one (synchronous=FULL, on a disk
 * that writes a sector whole or not at all): where a further transaction follows the broken one, the broken one was on
 * disk. It reads with the file system's calls and takes no lock: call it before this process opens the database, and
 * where another process may be writing, believe it when it says the same twice.
 *
 * It can't tell: a broken last transaction from one that was torn; a WAL that was cut back to the end of an earlier
 * transaction from a WAL that never held more, or that is missing; a WAL that was put back from an older copy. And
 * where the whole frame that ended the last transaction but one was wiped, not changed, it can tell the last two
 * transactions from one only if they wrote a page in common. After power was lost twice within one opening it may
 * refuse what was never answered, which is the safe side.
 */
export { findWalDamage, type WalDamage } from './damage.ts'
