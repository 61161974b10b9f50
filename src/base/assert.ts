/** Assertions for programmers' errors. They stay on in production: a coordinator in an impossible state must stop. */

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** The exhaustive end of a switch over a discriminated union. */
export function unreachable(value: never, message = 'unreachable'): never {
  throw new AssertionError(`${message}: ${JSON.stringify(value)}`)
}

/** A value that the surrounding code guarantees to be there. */
export function present<T>(value: T | undefined | null, message: string): T {
  assert(value !== undefined && value !== null, message)
  return value
}

class AssertionError extends Error {
  override readonly name = 'AssertionError'
}
