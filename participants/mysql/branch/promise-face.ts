/** mysql2's promises before a guarded connection. */
import type { Connection as CallbackConnection } from 'mysql2'
import type { Connection } from 'mysql2/promise'

type Method = (...args: unknown[]) => Promise<unknown>

/**
 * The driver's own object. A promise of its that nobody awaits fails the branch's work, when that has ended (../../shared/
 * connections/guarded-work.ts): it need not end the process, too.
 */
export function promiseFace(guarded: CallbackConnection): Connection {
  const face = guarded.promise() as unknown as Connection
  for (const name of ['query', 'execute'] as const) {
    const method = (face[name] as Method).bind(face)
    const heard: Method = (...args) => {
      const answer = method(...args)
      answer.catch(() => {})
      return answer
    }
    Object.defineProperty(face, name, { value: heard })
  }
  return face
}
