/**
 * The job on PostgreSQL and MariaDB, as its processor sees it: rows into the one, the offset in a table of the other.
 * The processor's own connection only asks where to go on; the changes are the transaction's. The server may be killed
 * at any moment, so a question is asked again until it is answered.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import mysql, { type Connection, type ResultSetHeader, type RowDataPacket } from 'mysql2/promise'
import type { JsonObject } from '../sdk/client/index.ts'
import { GROUP } from './names.ts'
import type { Job, Move } from './stores.ts'

const ASKED_FOR_MS = 60_000
const ASKED_AGAIN_MS = 100

export class DatabaseJob implements Job {
  readonly #url: string

  constructor(urlFile: string) {
    this.#url = readFileSync(urlFile, 'utf8').trim()
  }

  /** One statement, so that two that claim at once get different ones; what it drew comes back as the insert id. */
  claimOwnerEpoch(): Promise<number> {
    return this.#ask(async (connection) => {
      const [result] = await connection.execute<ResultSetHeader>(
        'UPDATE consumer_offset SET owner_epoch = LAST_INSERT_ID(owner_epoch + 1) WHERE consumer = ?',
        [GROUP],
      )
      return result.insertId
    })
  }

  storedOffset(): Promise<number> {
    return this.#ask(async (connection) => {
      const [rows] = await connection.execute<RowDataPacket[]>(
        'SELECT position FROM consumer_offset WHERE consumer = ?',
        [GROUP],
      )
      return Number(rows[0]?.['position'])
    })
  }

  insert(from: number, batch: readonly string[]): JsonObject {
    const rows = batch.map((_, index) => `($${2 * index + 1}, $${2 * index + 2})`).join(', ')
    return {
      statements: [
        {
          sql: `INSERT INTO events (event, payload) VALUES ${rows}`,
          params: batch.flatMap((payload, index) => [from + index, payload]),
          expect_rows: batch.length,
        },
      ],
    }
  }

  advance({ ownerEpoch, from, to }: Move): JsonObject {
    return {
      statements: [
        {
          sql: 'UPDATE consumer_offset SET position = ? WHERE consumer = ? AND owner_epoch = ? AND position = ?',
          params: [to, GROUP, ownerEpoch, from],
          expect_rows: 1,
        },
      ],
    }
  }

  async #ask<Answer>(question: (connection: Connection) => Promise<Answer>): Promise<Answer> {
    const deadlineMs = performance.now() + ASKED_FOR_MS
    for (;;) {
      let connection: Connection | undefined
      try {
        connection = await mysql.createConnection(this.#url)
        // A server that is killed is told to an idle connection as an event, which would end the process.
        connection.on('error', () => {})
        return await question(connection)
      } catch (error) {
        if (performance.now() > deadlineMs) throw error
        await sleep(ASKED_AGAIN_MS)
      } finally {
        connection?.destroy()
      }
    }
  }
}
