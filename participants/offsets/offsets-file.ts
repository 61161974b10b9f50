/** The offsets file: its tables, and what is read and written in them. All functions run in the caller's transaction. */

import { existsSync } from 'node:fs'
import { PledgedError } from '../../src/sdk/participant/index.ts'
import { type Database, numberOf, type Row, textOf } from '../shared/files/database.ts'
import { createTables, openDurable } from '../shared/files/opening.ts'
import { openBetterSqlite } from './better-sqlite.ts'
import type { Position } from './offsets-work.ts'

const DEFINITIONS = [
  `CREATE TABLE IF NOT EXISTS offsets (
     group_name TEXT NOT NULL,
     topic TEXT NOT NULL,
     partition INTEGER NOT NULL,
     position INTEGER NOT NULL CHECK (position >= 0),
     PRIMARY KEY (group_name, topic, partition)
   ) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS owners (
     group_name TEXT PRIMARY KEY NOT NULL,
     owner_epoch INTEGER NOT NULL
   ) WITHOUT ROWID`,
  // A pledged key is locked as long as its row is here, through any crash.
  `CREATE TABLE IF NOT EXISTS pledged_lock (
     group_name TEXT NOT NULL,
     topic TEXT NOT NULL,
     partition INTEGER NOT NULL,
     xid TEXT NOT NULL,
     PRIMARY KEY (group_name, topic, partition)
   ) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS pledged_lock_by_xid ON pledged_lock (xid)',
]

export interface StoredOffset extends Position {
  readonly offset: number
}

export interface OffsetsFileOptions {
  readonly file: string
  readonly busyTimeoutMs: number
  /** Else it is made. */
  readonly mustExist?: boolean | undefined
}

export function openOffsetsFile(options: OffsetsFileOptions): Database {
  const { file, busyTimeoutMs, mustExist } = options
  if (mustExist === true && !existsSync(file)) {
    throw new PledgedError('CONFIGURATION', `there is no offsets file ${file}: see that the path is right`)
  }
  const open = (): Database => openBetterSqlite({ file, mustExist })
  return openDurable({ kind: 'offsets', file, busyTimeoutMs }, open)
}

export function createOffsetsTables(database: Database): void {
  createTables(database, DEFINITIONS)
}

/** They aren't there while the participant opens the file for the first time. */
export function hasOffsetsTables(database: Database): boolean {
  return database.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'offsets'") !== undefined
}

/** 0 where nothing was ever committed. */
export function positionOf(database: Database, key: Position): number {
  const row = database.get(
    'SELECT position FROM offsets WHERE group_name = ? AND topic = ? AND partition = ?',
    key.group,
    key.topic,
    key.partition,
  )
  return row === undefined ? 0 : numberOf(row, 'position')
}

/** Whether the position was `from`, and is `to` now. */
export function advancePosition(database: Database, key: Position, from: number, to: number): boolean {
  if (positionOf(database, key) !== from) return false
  const changed = database.run(
    `INSERT INTO offsets (group_name, topic, partition, position) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET position = excluded.position`,
    key.group,
    key.topic,
    key.partition,
    to,
  )
  return changed === 1
}

export function positionsOf(database: Database, group: string | undefined): readonly StoredOffset[] {
  const rows =
    group === undefined
      ? database.all('SELECT * FROM offsets ORDER BY group_name, topic, partition')
      : database.all('SELECT * FROM offsets WHERE group_name = ? ORDER BY topic, partition', group)
  return rows.map(storedOffsetOf)
}

/** 0 where the group never had an owner. */
export function ownerEpochOf(database: Database, group: string): number {
  const row = database.get('SELECT owner_epoch FROM owners WHERE group_name = ?', group)
  return row === undefined ? 0 : numberOf(row, 'owner_epoch')
}

export function raiseOwnerEpoch(database: Database, group: string, ownerEpoch: number): void {
  database.run(
    `INSERT INTO owners (group_name, owner_epoch) VALUES (?, ?)
     ON CONFLICT DO UPDATE SET owner_epoch = max(owner_epoch, excluded.owner_epoch)`,
    group,
    ownerEpoch,
  )
}

/** The xid that holds the key. */
export function holderOf(database: Database, key: Position): string | undefined {
  const row = database.get(
    'SELECT xid FROM pledged_lock WHERE group_name = ? AND topic = ? AND partition = ?',
    key.group,
    key.topic,
    key.partition,
  )
  return row === undefined ? undefined : textOf(row, 'xid')
}

export function lockKey(database: Database, key: Position, xid: string): void {
  database.run(
    'INSERT INTO pledged_lock (group_name, topic, partition, xid) VALUES (?, ?, ?, ?)',
    key.group,
    key.topic,
    key.partition,
    xid,
  )
}

export function unlockKeys(database: Database, xid: string): void {
  database.run('DELETE FROM pledged_lock WHERE xid = ?', xid)
}

function storedOffsetOf(row: Row): StoredOffset {
  return {
    group: textOf(row, 'group_name'),
    topic: textOf(row, 'topic'),
    partition: numberOf(row, 'partition'),
    offset: numberOf(row, 'position'),
  }
}
