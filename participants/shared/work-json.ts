/**
 * Reads JSON work. Every reader takes the path of what it reads, so that a no vote says which field is wrong and
 * what was expected there; an unknown key is a mistake, not something to pass over.
 */
import { messageOf } from '../../src/sdk/participant/index.ts'
import { MalformedWork } from './refusal.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** `path` is the place within the work: `statements[2].params`. */
export interface Field {
  readonly path: string
  readonly value: unknown
}

export function decodeJson(work: Uint8Array): Field {
  if (work.length === 0) throw new MalformedWork('it is empty, and was to be a JSON object')
  let text: string
  try {
    text = utf8.decode(work)
  } catch {
    throw new MalformedWork('it is not UTF-8')
  }
  try {
    return { path: '', value: JSON.parse(text) as unknown }
  } catch (error) {
    // The parser recurses: nesting that is too deep ends in a RangeError.
    throw new MalformedWork(`it is not JSON (${messageOf(error)})`)
  }
}

/** An object with no other keys than these; a field that isn't there has the value undefined. */
export function readObject<Key extends string>(
  field: Field,
  keys: readonly Key[],
): Readonly<Record<Key, Field>> {
  const { value } = field
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw mistaken(field, 'an object')
  }
  const known = new Set<string>(keys)
  for (const key of Object.keys(value)) {
    if (known.has(key)) continue
    throw new MalformedWork(
      `${nameOf(field)} has an unknown key ${show(key)}; it may have ${keys.join(', ')}`,
    )
  }
  const given = value as Readonly<Record<string, unknown>>
  const read = (key: Key): Field => ({
    path: field.path === '' ? key : `${field.path}.${key}`,
    value: Object.hasOwn(given, key) ? given[key] : undefined,
  })
  return Object.fromEntries(keys.map((key) => [key, read(key)])) as Readonly<Record<Key, Field>>
}

export function readArray(
  field: Field,
  options: { readonly min: number; readonly max: number },
): readonly Field[] {
  const { path, value } = field
  if (!Array.isArray(value)) throw mistaken(field, 'an array')
  if (value.length < options.min || value.length > options.max) {
    throw new MalformedWork(
      `${nameOf(field)} has ${value.length} entries; it may have ${options.min} to ${options.max}`,
    )
  }
  return value.map((entry: unknown, index) => ({ path: `${path}[${index}]`, value: entry }))
}

export function readText(field: Field, options: { readonly lengthMax: number }): string {
  const { value } = field
  if (typeof value !== 'string') throw mistaken(field, 'a string')
  if (value === '' || value.length > options.lengthMax) {
    throw new MalformedWork(
      `${nameOf(field)} has ${value.length} characters; it may have 1 to ${options.lengthMax}`,
    )
  }
  // A lone surrogate would be stored as another character, and be another name from then on.
  if (!value.isWellFormed()) throw new MalformedWork(`${nameOf(field)} is not well-formed Unicode`)
  return value
}

export function readInteger(field: Field, options: { readonly min: number; readonly max?: number }): number {
  const { value } = field
  const max = options.max ?? Number.MAX_SAFE_INTEGER
  const isInteger = typeof value === 'number' && Number.isSafeInteger(value)
  if (!isInteger || value < options.min || value > max) {
    throw mistaken(field, `an integer from ${options.min} to ${max}`)
  }
  return value
}

export function mistaken(field: Field, expected: string): MalformedWork {
  return new MalformedWork(
    `${nameOf(field)} ${field.value === undefined ? 'is missing' : `is ${show(field.value)}`}; it must be ${expected}`,
  )
}

function nameOf(field: Field): string {
  return field.path === '' ? 'it' : field.path
}

/** Enough of a value to recognise it. */
function show(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value)
  return text.length > 40 ? `${text.slice(0, 40)}...` : text
}
