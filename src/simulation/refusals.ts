/** What an application makes of a refusal: the SDK asks again where the reason may be gone. */
const TRANSIENT: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'STARTING',
  'DRAINING',
  'LOG_UNWRITABLE',
  'LOG_UNREADABLE',
  'LIMIT_REACHED',
  'UNKNOWN_PARTICIPANT',
])

export function isTransient(code: string): boolean {
  return TRANSIENT.has(code)
}
