/** What a branch has to do, as an application writes it down, and the bytes that it becomes. */
import { messageOf, PledgedError } from '../../base/errors.ts'

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined
}

/** Bytes as they are, text as UTF-8, an object as JSON. */
export type Work = Uint8Array | string | JsonObject

export interface Branch {
  readonly participant: string
  readonly work: Work
}

/** A transaction has at least one branch. */
export type Branches = readonly [Branch, ...Branch[]]

const UTF8 = new TextEncoder()

/** Throws INVALID_REQUEST where the work has no JSON, and where JSON would change it in silence. */
export function encodeWork({ participant, work }: Branch): Uint8Array {
  if (work instanceof Uint8Array) return work
  if (typeof work === 'string') return UTF8.encode(work)
  if (typeof work !== 'object' || work === null) throw notWork(participant, `is ${String(work)}`)
  try {
    return UTF8.encode(JSON.stringify(work, refuseLossy))
  } catch (error) {
    throw notWork(participant, `has no JSON (${messageOf(error)})`)
  }
}

/** JSON.stringify turns these into null, {} or nothing, and a sink would store that. */
function refuseLossy(this: unknown, key: string, value: unknown): unknown {
  const lossy =
    (typeof value === 'number' && !Number.isFinite(value)) ||
    typeof value === 'function' ||
    typeof value === 'symbol' ||
    (value === undefined && Array.isArray(this)) ||
    ArrayBuffer.isView(value) ||
    value instanceof Map ||
    value instanceof Set
  if (lossy) throw new TypeError(`${JSON.stringify(key)} is ${describeLossy(value)}, which JSON can't carry`)
  return value
}

function describeLossy(value: unknown): string {
  return typeof value === 'object' && value !== null ? value.constructor.name : String(value)
}

function notWork(participant: string, what: string): PledgedError {
  return new PledgedError(
    'INVALID_REQUEST',
    `the work for participant "${participant}" ${what}: give a Uint8Array, a string or an object of plain JSON values`,
  )
}
