/**
 * The work of a branch in an SQL database: statements, in text or by the names that the participant was configured
 * with. Each database brings its own look at a statement's text.
 */
import { PledgedError } from '../../src/sdk/participant/index.ts'
import { MalformedWork } from './refusal.ts'
import {
  decodeJson,
  type Field,
  mistaken,
  readArray,
  readInteger,
  readObject,
  readText,
} from './work-json.ts'

/** What a statement's text shows: that it is one, of a kind that can't end its transaction (R14). */
export type StatementText = { readonly parameterCount: number } | { readonly problem: string }

export type InspectStatement = (sql: string) => StatementText

/** A JSON integer is a bigint here, so that it is bound as one; a float stays a number. */
export type Parameter = null | boolean | bigint | number | string | Uint8Array

export interface Statement {
  /** Where it stands in the work: `statements[0]`. */
  readonly place: string
  readonly sql: string
  readonly params: readonly Parameter[]
  readonly expectRows?: number | undefined
}

export interface StatementWork {
  readonly statements: readonly Statement[]
}

export type NamedStatements = Readonly<Record<string, string>>

export interface StatementWorkOptions {
  readonly inspect: InspectStatement
  /** Given, work may contain these and no other. */
  readonly named: NamedStatements | undefined
  readonly workEntriesMax: number
}

const SQL_LENGTH_MAX = 1_000_000
const NAME_LENGTH_MAX = 128
const INT64 = /^-?[0-9]{1,19}$/
const BASE64 = /^(?:[0-9A-Za-z+/]{4})*(?:[0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?$/

/** Throws CONFIGURATION with every statement that can't be taken. */
export function checkNamedStatements(statements: NamedStatements, inspect: InspectStatement): void {
  const problems = Object.entries(statements).flatMap(([name, sql]) => {
    const text = inspect(sql)
    return 'problem' in text ? [`statement ${JSON.stringify(name)} ${text.problem}`] : []
  })
  if (problems.length > 0) throw new PledgedError('CONFIGURATION', problems.join('; '))
}

/** Throws MalformedWork. */
export function decodeStatementWork(bytes: Uint8Array, options: StatementWorkOptions): StatementWork {
  const work = readObject(decodeJson(bytes), ['statements'])
  const entries = readArray(work.statements, { min: 1, max: options.workEntriesMax })
  return {
    statements: entries.map((entry) =>
      options.named === undefined
        ? readStatement(entry, options.inspect)
        : readNamed(entry, options.named, options.inspect),
    ),
  }
}

function readStatement(field: Field, inspect: InspectStatement): Statement {
  const entry = readObject(field, ['sql', 'params', 'expect_rows'])
  const sql = readText(entry.sql, { lengthMax: SQL_LENGTH_MAX })
  return { place: field.path, sql, ...readCall(field, entry, inspect(sql)) }
}

function readNamed(field: Field, named: NamedStatements, inspect: InspectStatement): Statement {
  const entry = readObject(field, ['name', 'params', 'expect_rows'])
  const name = readText(entry.name, { lengthMax: NAME_LENGTH_MAX })
  const sql = Object.hasOwn(named, name) ? named[name] : undefined
  if (sql === undefined) {
    throw new MalformedWork(
      `${entry.name.path} is ${JSON.stringify(name)}; this participant takes ${Object.keys(named).join(', ')}`,
    )
  }
  return { place: field.path, sql, ...readCall(field, entry, inspect(sql)) }
}

function readCall(
  field: Field,
  entry: { readonly params: Field; readonly expect_rows: Field },
  text: StatementText,
): Pick<Statement, 'params' | 'expectRows'> {
  if ('problem' in text) throw new MalformedWork(`${field.path} ${text.problem}`)
  const given =
    entry.params.value === undefined ? [] : readArray(entry.params, { min: 0, max: Number.MAX_SAFE_INTEGER })
  if (given.length !== text.parameterCount) {
    throw new MalformedWork(
      `${field.path} takes ${text.parameterCount} parameters and ${entry.params.path} has ${given.length}`,
    )
  }
  return {
    params: given.map(readParameter),
    expectRows:
      entry.expect_rows.value === undefined ? undefined : readInteger(entry.expect_rows, { min: 0 }),
  }
}

/** JSON's integers are bound as integers, though JavaScript knows one kind of number, so that 1 isn't stored as 1.0. */
function readParameter(field: Field): Parameter {
  const { value } = field
  if (value === null) return null
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return readNumber(field, value)
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new MalformedWork(`${field.path} is not well-formed Unicode`)
    return value
  }
  if (typeof value === 'object' && !Array.isArray(value)) return readTagged(field)
  throw mistaken(
    field,
    'null, a boolean, a number, a string, or an object with one of int64, float64, base64',
  )
}

function readNumber(field: Field, value: number): Parameter {
  if (!Number.isFinite(value)) throw mistaken(field, 'a finite number')
  if (!Number.isInteger(value)) return value
  if (!Number.isSafeInteger(value)) {
    throw mistaken(field, 'an integer below 2^53, or {"int64": "..."}, or {"float64": ...}')
  }
  return BigInt(value)
}

/** What JSON has no literal for. */
function readTagged(field: Field): Parameter {
  const { int64, float64, base64 } = readObject(field, ['int64', 'float64', 'base64'])
  const given = [int64, float64, base64].filter((tag) => tag.value !== undefined)
  if (given.length !== 1) throw new MalformedWork(`${field.path} must have one of int64, float64, base64`)
  if (float64.value !== undefined) {
    if (typeof float64.value === 'number' && Number.isFinite(float64.value)) return float64.value
    throw mistaken(float64, 'a finite number')
  }
  if (base64.value !== undefined) {
    if (typeof base64.value === 'string' && BASE64.test(base64.value))
      return Buffer.from(base64.value, 'base64')
    throw mistaken(base64, 'bytes in base64, padded')
  }
  if (typeof int64.value === 'string' && INT64.test(int64.value)) {
    const integer = BigInt(int64.value)
    if (BigInt.asIntN(64, integer) === integer) return integer
  }
  throw mistaken(int64, 'a string of decimal digits within 64 bits')
}
