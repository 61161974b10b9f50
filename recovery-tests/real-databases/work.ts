/**
 * What the load does: worker w puts its next event into the sink in one database and moves its position in the other;
 * odd workers the other way round, so that each database is sink and offsets at once.
 */
import type { Branches } from '../../src/sdk/client/index.ts'

/** The participants' names, and the databases'. */
export const PARTICIPANTS = ['ledger', 'stock'] as const
export type ParticipantName = (typeof PARTICIPANTS)[number]

/** `ledger` is PostgreSQL, `stock` is MariaDB. */
export const KIND_OF = { ledger: 'postgres', stock: 'mariadb' } as const

/** The sink can hold an event twice: only so can a duplicate be seen. `xid`: which transaction put it there, where that is said. */
export const SCHEMA: Readonly<Record<ParticipantName, readonly string[]>> = {
  ledger: [
    'CREATE TABLE events (id bigserial PRIMARY KEY, worker int NOT NULL, event bigint NOT NULL, xid text)',
    'CREATE TABLE positions (worker int PRIMARY KEY, position bigint NOT NULL)',
    'GRANT ALL ON ALL TABLES IN SCHEMA public TO ledger',
    'GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ledger',
  ],
  stock: [
    'CREATE TABLE events (id bigint AUTO_INCREMENT PRIMARY KEY, worker int NOT NULL, event bigint NOT NULL, xid varchar(64)) ENGINE=InnoDB',
    'CREATE TABLE positions (worker int PRIMARY KEY, position bigint NOT NULL) ENGINE=InnoDB',
  ],
}

export function seedOf(workers: number): string {
  const values = Array.from({ length: workers }, (_, worker) => `(${worker}, 0)`).join(', ')
  return `INSERT INTO positions (worker, position) VALUES ${values}`
}

export function sinkOf(worker: number): ParticipantName {
  return worker % 2 === 0 ? 'ledger' : 'stock'
}

export function offsetsOf(worker: number): ParticipantName {
  return worker % 2 === 0 ? 'stock' : 'ledger'
}

const STATEMENTS = {
  ledger: {
    insert: 'INSERT INTO events (worker, event) VALUES ($1, $2)',
    move: 'UPDATE positions SET position = position + 1 WHERE worker = $1 AND position = $2',
  },
  stock: {
    insert: 'INSERT INTO events (worker, event) VALUES (?, ?)',
    move: 'UPDATE positions SET position = position + 1 WHERE worker = ? AND position = ?',
  },
} as const

/** Where the worker isn't at this position, the offsets vote no, when the sink may have pledged already. */
export function moveFrom(worker: number, position: number): Branches {
  const params = [worker, position]
  const branch = (participant: ParticipantName, statement: 'insert' | 'move') => ({
    participant,
    work: { statements: [{ sql: STATEMENTS[participant][statement], params, expect_rows: 1 }] },
  })
  return [branch(sinkOf(worker), 'insert'), branch(offsetsOf(worker), 'move')]
}

/** A branch that stands for itself. */
export function insertInto(participant: ParticipantName): Branches[0] {
  const statement = { sql: STATEMENTS[participant].insert, params: [-1, 0], expect_rows: 1 }
  return { participant, work: { statements: [statement] } }
}
