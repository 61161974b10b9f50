/**
 * The values that the configuration is made of, each from the text or the YAML scalar that a person wrote. A
 * mistake is thrown as a Mistake with a sentence that says what was expected; whoever called knows where it stood.
 */
import { PledgedError } from '../base/errors.ts'

/** What is wrong with one value; it becomes one line of the message about the whole configuration. */
export class Mistake extends Error {
  override readonly name = 'Mistake'
}

export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

const DURATION = /^(?=\d)(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6})s)?(?:(\d{1,9})ms)?$/

export interface Range {
  readonly min: number
  readonly max: number
}

/** `500ms`, `10s`, `1m30s`, `24h`. */
export function parseDuration(value: unknown, range: Range): number {
  const match = typeof value === 'string' ? DURATION.exec(value) : null
  if (match === null) {
    throw new Mistake(`${show(value)} is not a duration: write it as 500ms, 10s, 1m30s or 24h`)
  }
  const [, hours = 0, minutes = 0, seconds = 0, milliseconds = 0] = match
  const ms = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000 + Number(milliseconds)
  if (ms < range.min || ms > range.max) {
    throw new Mistake(
      `${show(value)} is out of range: ${formatDuration(range.min)} to ${formatDuration(range.max)}`,
    )
  }
  return ms
}

function formatDuration(ms: number): string {
  const units = [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
    ['ms', 1],
  ] as const
  let rest = ms
  let text = ''
  for (const [unit, unitMs] of units) {
    const count = Math.floor(rest / unitMs)
    rest -= count * unitMs
    if (count > 0) text += `${count}${unit}`
  }
  return text === '' ? '0ms' : text
}

/** A whole number; from the environment it is a text of digits. */
export function parseCount(value: unknown, range: Range): number {
  const count = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof count !== 'number' || !Number.isSafeInteger(count)) {
    throw new Mistake(`${show(value)} is not a whole number`)
  }
  if (count < range.min || count > range.max) {
    throw new Mistake(`${count} is out of range: ${range.min} to ${range.max}`)
  }
  return count
}

/** The path of a unix socket lives in a structure of the kernel: 108 bytes on Linux, 104 on macOS, one for its end. */
const SOCKET_PATH_BYTES_MAX = 103

/** `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`; the path is not resolved. */
export function parseAddress(value: unknown): Address {
  const text = parseText(value)
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length)
    if (path === '') throw new Mistake(`${show(text)} names no socket: write unix:PATH`)
    return { kind: 'unix', path }
  }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535) {
    throw new Mistake(`${show(text)} is not an address: write HOST:PORT (a port is 0 to 65535) or unix:PATH`)
  }
  return { kind: 'tcp', host, port }
}

export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path)
  if (bytes <= SOCKET_PATH_BYTES_MAX) return
  throw new Mistake(
    `the socket's path ${show(path)} has ${bytes} bytes; the system takes at most ${SOCKET_PATH_BYTES_MAX}`,
  )
}

export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${host}:${address.port}`
}

/** Reached from this machine alone. */
export function isLocal(address: Address): boolean {
  if (address.kind === 'unix') return true
  const { host } = address
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)
}

export function parseText(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new Mistake(`${show(value)} is not a text`)
  if (value.includes('\0')) throw new Mistake('it holds a NUL character')
  return value
}

export function parseChoice<Choice extends string>(value: unknown, choices: readonly Choice[]): Choice {
  const choice = choices.find((other) => other === value)
  if (choice === undefined) throw new Mistake(`${show(value)} is none of ${choices.join(', ')}`)
  return choice
}

/** A value as it can stand in a message: short, and on one line. */
export function show(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'nothing'
  if (typeof value === 'object') return Array.isArray(value) ? 'a list' : 'a mapping'
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 80)}...` : text
}

/** Every mistake in one error. */
export function configurationError(mistakes: readonly string[]): PledgedError {
  const heading =
    mistakes.length === 1
      ? 'the configuration has a mistake:'
      : `the configuration has ${mistakes.length} mistakes:`
  const lines = mistakes.map((mistake) => `  ${withoutPasswords(mistake)}`)
  return new PledgedError('CONFIGURATION', [heading, ...lines].join('\n'))
}

/** A URL that stands where none belongs is quoted like any other value, or key; it may have been cut. */
function withoutPasswords(text: string): string {
  return text.replace(/(:\/\/[^\s:@/"]*):[^\s"]*(?=@|\.\.\.)/g, '$1:***')
}
