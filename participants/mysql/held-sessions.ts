/** The sessions that hold this process's prepared branches. Ending a branch on its own session is the short way. */
import type { Session } from './session.ts'

export class HeldSessions {
  readonly #byXid = new Map<string, Session>()

  hold(xid: string, session: Session): void {
    // Of an older one nothing is known any more: the server has let go of its branch, else it had refused this one.
    this.#byXid.get(xid)?.destroy()
    this.#byXid.set(xid, session)
  }

  take(xid: string): Session | undefined {
    const session = this.#byXid.get(xid)
    this.#byXid.delete(xid)
    return session
  }

  /** What they hold stays prepared at the server. */
  destroyAll(): void {
    for (const session of this.#byXid.values()) session.destroy()
    this.#byXid.clear()
  }
}
