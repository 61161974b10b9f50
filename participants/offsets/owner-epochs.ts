/** For whoever owns a group, in a process of its own: claim the ownership, and read what was committed. */

import type { Database } from '../shared/files/database.ts'
import { inTransaction } from '../shared/files/database.ts'
import { limitsOf, type SqliteFileOptions } from '../shared/files/limits.ts'
import {
  createOffsetsTables,
  hasOffsetsTables,
  openOffsetsFile,
  ownerEpochOf,
  positionOf,
  positionsOf,
  raiseOwnerEpoch,
  type StoredOffset,
} from './offsets-file.ts'
import type { Position } from './offsets-work.ts'

/**
 * Makes the caller the owner of the group: an atomic, durable increment. From then on the branches of every
 * earlier owner are voted no; what one of them has pledged already still ends as it was decided. Makes the file
 * where there is none.
 */
export function claimOwnerEpoch(options: SqliteFileOptions & { readonly group: string }): number {
  const { group } = options
  return withFile(options, { mustExist: false }, (database) => {
    createOffsetsTables(database)
    return inTransaction(database, () => {
      const ownerEpoch = ownerEpochOf(database, group) + 1
      raiseOwnerEpoch(database, group, ownerEpoch)
      return ownerEpoch
    })
  })
}

/** The committed offset: where to read on. 0 where nothing was ever committed. */
export function readOffset(options: SqliteFileOptions & Position): number {
  return withFile(options, { mustExist: true }, (database) =>
    hasOffsetsTables(database) ? positionOf(database, options) : 0,
  )
}

/** All committed offsets, or those of a group. */
export function listOffsets(
  options: SqliteFileOptions & { readonly group?: string | undefined },
): readonly StoredOffset[] {
  return withFile(options, { mustExist: true }, (database) =>
    hasOffsetsTables(database) ? positionsOf(database, options.group) : [],
  )
}

function withFile<T>(
  options: SqliteFileOptions,
  { mustExist }: { readonly mustExist: boolean },
  run: (database: Database) => T,
): T {
  const { busyTimeoutMs } = limitsOf(options)
  const database = openOffsetsFile({ file: options.file, busyTimeoutMs, mustExist })
  try {
    return run(database)
  } finally {
    database.close()
  }
}
