/** What an offsets branch does: compare, lock, and at the commit, set. */
import { vote } from '../../src/sdk/participant/index.ts'
import type { Database } from '../shared/files/database.ts'
import type { ParticipantLimits, SqliteFileOptions } from '../shared/files/limits.ts'
import type { HeldPledge } from '../shared/files/pledge-tables.ts'
import type { Resource, ResourceKind } from '../shared/files/resource.ts'
import { type Attempt, BrokenPledge, type PrepareContext } from '../shared/files/resource.ts'
import { Refusal } from '../shared/refusal.ts'
import {
  advancePosition,
  createOffsetsTables,
  holderOf,
  lockKey,
  type OffsetsFileOptions,
  openOffsetsFile,
  ownerEpochOf,
  positionOf,
  raiseOwnerEpoch,
  unlockKeys,
} from './offsets-file.ts'
import { decodeOffsetsWork, type OffsetsWork, type Position } from './offsets-work.ts'

export interface OffsetsResourceOptions extends SqliteFileOptions {
  readonly limits: ParticipantLimits
  /** Tests put a failing disk in its place. */
  readonly openDatabase?: ((options: OffsetsFileOptions) => Database) | undefined
}

export function offsetsResourceKind(options: OffsetsResourceOptions): ResourceKind<OffsetsWork> {
  const { file, limits, openDatabase = openOffsetsFile } = options
  return {
    kind: 'offsets',
    costOfDoubt: 'its positions are locked: their consumers stand still',
    prepareMode: 'shared',
    decode: (work) => decodeOffsetsWork(work, limits.workEntriesMax),
    open: () => {
      const database = openDatabase({ file, busyTimeoutMs: limits.busyTimeoutMs })
      return {
        database,
        attach: () => {
          createOffsetsTables(database)
          return new OffsetsResource(database, limits)
        },
      }
    },
  }
}

class OffsetsResource implements Resource<OffsetsWork> {
  readonly #database: Database
  readonly #limits: ParticipantLimits

  constructor(database: Database, limits: ParticipantLimits) {
    this.#database = database
    this.#limits = limits
  }

  prepare(context: PrepareContext<OffsetsWork>): Attempt {
    const standing = context.standing()
    if (standing !== undefined) return standing
    const { work, xid } = context
    this.#refuseOldOwner(work)
    // Locks before offsets: what a pledge is about to change can't be compared with.
    const holder = this.#holderOfAny(work)
    if (holder !== undefined) return { blockedBy: holder }
    this.#refuseOtherPositions(work)
    // The zombie is fenced from here on, also if this branch is aborted.
    raiseOwnerEpoch(this.#database, work.group, work.ownerEpoch)
    for (const entry of work.advance) lockKey(this.#database, { group: work.group, ...entry }, xid)
    // Kept as it was given: its format is the public one, which a later version reads too.
    context.record({ pledge: context.workBytes, basis: '' })
    return vote.yes()
  }

  apply(held: HeldPledge): void {
    const work = decodeOffsetsWork(held.pledge, this.#limits.workEntriesMax)
    for (const { topic, partition, from, to } of work.advance) {
      const key = { group: work.group, topic, partition }
      if (advancePosition(this.#database, key, from, to)) continue
      throw new BrokenPledge(
        `the offset of ${nameOf(key)} was ${from} when it was pledged, and was changed since`,
      )
    }
  }

  release(xid: string): void {
    unlockKeys(this.#database, xid)
  }

  #refuseOldOwner(work: OffsetsWork): void {
    const current = ownerEpochOf(this.#database, work.group)
    if (work.ownerEpoch >= current) return
    throw new Refusal(
      `owner_epoch ${work.ownerEpoch} of group ${JSON.stringify(work.group)} is over: ${current} owns it now`,
    )
  }

  #holderOfAny(work: OffsetsWork): string | undefined {
    for (const { topic, partition } of work.advance) {
      const holder = holderOf(this.#database, { group: work.group, topic, partition })
      if (holder !== undefined) return holder
    }
    return undefined
  }

  #refuseOtherPositions(work: OffsetsWork): void {
    for (const { topic, partition, from } of work.advance) {
      const key = { group: work.group, topic, partition }
      const stored = positionOf(this.#database, key)
      if (stored === from) continue
      throw new Refusal(`the offset of ${nameOf(key)} is ${stored}, not ${from}`)
    }
  }
}

function nameOf(key: Position): string {
  return `group ${JSON.stringify(key.group)}, topic ${JSON.stringify(key.topic)}, partition ${key.partition}`
}
