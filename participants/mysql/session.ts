/**
 * One connection, taken from its pool: a statement at a time, errors by the table (./errors.ts), and an answer or an
 * error for every statement, also where the connection is given up while the server is still at work.
 */
import mysql, { type PoolConnection, type RowDataPacket } from 'mysql2'
import { assert } from '../../src/sdk/participant/index.ts'
import type { DatabaseFailure } from '../shared/servers/database-failure.ts'
import type { Parameter } from '../shared/statement-work.ts'
import { abandoned, failureOf, type Phase } from './errors.ts'

/** What the driver makes of a column that is read here: numbers, text, the bytes of an XA identifier. */
export type Row = Readonly<Record<string, string | number | Uint8Array | null>>
export type Value = string | number | null
/** A list stands for `IN (?)`. */
export type Listed = Value | readonly Value[]

export interface Done {
  readonly changedRows: number
  readonly warnings: number
}

export interface StatementOptions {
  readonly phase: Phase
  /** Without it the statement may take as long as it takes: somebody else watches over it. */
  readonly answerTimeoutMs?: number | undefined
}

/** Connections whose errors somebody hears: the driver emits some of them more than once. */
const heard = new WeakSet<PoolConnection>()

export class Session {
  /** At the server: CONNECTION_ID(). */
  readonly id: number
  readonly #connection: PoolConnection
  #inFlight: ((error: unknown) => void) | undefined
  #over = false
  readonly #onError = (error: unknown): void => this.#inFlight?.(error)

  constructor(connection: PoolConnection) {
    this.#connection = connection
    this.id = connection.threadId
    if (!heard.has(connection)) connection.on('error', () => {})
    heard.add(connection)
    connection.on('error', this.#onError)
  }

  get isUsable(): boolean {
    return !this.#over && this.#connection.state === 'authenticated'
  }

  /** In the text protocol: XA, SET and their like take no parameters. */
  command(sql: string, options: StatementOptions): Promise<Done> {
    return this.#perform(options, (resolve, reject) => {
      this.#connection.query(sql, (error, result) => {
        if (error === null) resolve(doneOf(result))
        else reject(error)
      })
    })
  }

  change(sql: string, values: readonly Value[], options: StatementOptions): Promise<Done> {
    return this.#perform(options, (resolve, reject) => {
      this.#connection.execute(sql, [...values], (error, result) => {
        if (error === null) resolve(doneOf(result))
        else reject(error)
      })
    })
  }

  /** The driver puts the values into the text: of texts that are written here, and have no other question marks. */
  rows(sql: string, values: readonly Listed[], options: StatementOptions): Promise<readonly Row[]> {
    return this.#perform(options, (resolve, reject) => {
      this.#connection.query<RowDataPacket[]>(sql, [...values], (error, rows) => {
        if (error === null) resolve(rows as readonly Row[])
        else reject(error)
      })
    })
  }

  /** A statement of a branch's work. Resolves with the rows that it changed or, by a result, returned. */
  work(sql: string, params: readonly Parameter[]): Promise<number> {
    return this.#perform({ phase: 'work' }, (resolve, reject) => {
      let returnsRows = false
      let count = 0
      // Rows are counted as they come: nobody needs them, and there may be more than fit in memory.
      const statement = this.#connection.execute(sql, params.map(bound))
      statement.on('fields', (fields: unknown) => {
        returnsRows = fields !== undefined
      })
      statement.on('result', (result: unknown) => {
        count = returnsRows ? count + 1 : doneOf(result).changedRows
      })
      statement.on('error', reject)
      statement.on('end', () => resolve(count))
    })
  }

  /** Only of a session that is in no transaction, and whose statements were all answered. */
  release(): void {
    assert(this.#inFlight === undefined, 'a session is given back when its statement has been answered')
    if (this.#end()) this.#connection.release()
  }

  /** The server ends the session as soon as it notices: what was prepared stays, what wasn't is rolled back. */
  destroy(reason?: DatabaseFailure): void {
    if (!this.#end()) return
    this.#connection.destroy()
    this.#inFlight?.(reason ?? abandoned('prepare', 'the connection was given up'))
  }

  #end(): boolean {
    if (this.#over) return false
    this.#over = true
    this.#connection.off('error', this.#onError)
    return true
  }

  async #perform<T>(
    { phase, answerTimeoutMs }: StatementOptions,
    start: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
  ): Promise<T> {
    assert(this.#inFlight === undefined, 'a session runs one statement at a time')
    // Not sent, so not done, whatever the phase.
    if (!this.isUsable) throw failureOf(this.#lost(), 'connect')
    const answer = Promise.withResolvers<T>()
    this.#inFlight = answer.reject
    const timer =
      answerTimeoutMs === undefined
        ? undefined
        : setTimeout(() => this.destroy(overdue(phase, answerTimeoutMs)), answerTimeoutMs)
    try {
      start(answer.resolve, answer.reject)
      return await answer.promise
    } catch (error) {
      throw failureOf(error, phase)
    } finally {
      clearTimeout(timer)
      this.#inFlight = undefined
    }
  }

  #lost(): Error {
    return Object.assign(new Error('the connection had ended'), { code: 'PROTOCOL_CONNECTION_LOST' })
  }
}

/** Empty for what is missing, or NULL. */
export function textOf(row: Row | undefined, column: string): string {
  const value = row?.[column] ?? ''
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)
}

function overdue(phase: Phase, answerTimeoutMs: number): DatabaseFailure {
  return abandoned(phase, `the server has not answered for ${answerTimeoutMs} ms`)
}

function doneOf(result: unknown): Done {
  const { affectedRows = 0, warningStatus = 0 } = result as {
    readonly affectedRows?: number
    readonly warningStatus?: number
  }
  return { changedRows: affectedRows, warnings: warningStatus }
}

/** An integer travels as one: with text the server reckons in floating point. */
function bound(parameter: Parameter) {
  if (typeof parameter === 'bigint') return mysql.TypedParameter.LONGLONG(parameter)
  if (parameter instanceof Uint8Array) {
    return Buffer.from(parameter.buffer, parameter.byteOffset, parameter.byteLength)
  }
  return parameter
}
