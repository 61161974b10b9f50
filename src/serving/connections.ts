/**
 * The connections of one server, whatever is spoken on them. There may be `connectionsMax` at once. One that comes over the
 * network is a stranger until a request has come over it whole and was let in, and has `firstRequestTimeoutMs` for that: its
 * handshake, its preface, its credentials and its first request all have to fit in. So one that is silent, slow, speaks
 * something else or is refused doesn't stay, whatever keeps it busy.
 *
 * When there are too many, the oldest stranger makes room for the newest: whoever holds connections for nothing loses them,
 * and those who are at work keep theirs. A newcomer is turned away only when all are at work.
 *
 * Whoever comes over a unix socket could as well read our files, and is nobody's stranger.
 */
import type { Socket } from 'node:net'
import type { Limits } from '../base/limits.ts'
import type { Timers } from '../base/ports.ts'

export interface ConnectionsOptions {
  readonly limits: Pick<
    Limits,
    'connectionsMax' | 'crowdedToldMs' | 'firstRequestTimeoutMs' | 'refusedRequestsMax' | 'refusalLeavesMs'
  >
  readonly timers: Timers
  /** There are as many as there may be: a sentence for whoever can change that. */
  readonly crowded?: ((reason: string) => void) | undefined
}

/** The far end of a connection, as the sockets and the calls over them both know it. */
export interface Peer {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
}

interface Stranger {
  readonly socket: Socket
  cancelTimer: () => void
  refused: number
}

export class Connections {
  readonly #options: ConnectionsOptions
  readonly #open = new Set<Socket>()
  /** By peer, in the order in which they came. */
  readonly #strangers = new Map<string, Stranger>()
  /** While it runs, it isn't told again that there are too many. */
  #cancelTold: (() => void) | undefined

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#open.size
  }

  get strangers(): number {
    return this.#strangers.size
  }

  /** False: it was turned away. */
  admit(socket: Socket): boolean {
    // What becomes of it shows in its end; whoever speaks over it hears of the reason.
    socket.on('error', () => {})
    if (this.#open.size >= this.#options.limits.connectionsMax) {
      this.#tellCrowded()
      if (!this.#makeRoom()) {
        socket.destroy()
        return false
      }
    }
    this.#open.add(socket)
    const key = keyOf(socket)
    if (key !== undefined) this.#watch(key, socket)
    socket.once('close', () => {
      this.#open.delete(socket)
      if (key !== undefined && this.#strangers.get(key)?.socket === socket) this.#know(key)
    })
    return true
  }

  /** A request has come whole, from somebody who may ask. */
  served(peer: Peer): void {
    const key = keyOf(peer)
    if (key !== undefined) this.#know(key)
  }

  /** A request was not let in: a stranger may ask only so often. */
  refused(peer: Peer): void {
    const stranger = this.#strangers.get(keyOf(peer) ?? '')
    if (stranger === undefined) return
    const { limits, timers } = this.#options
    stranger.refused += 1
    if (stranger.refused !== limits.refusedRequestsMax) return
    stranger.cancelTimer()
    // Who only has the wrong token, and many requests, is to hear so.
    stranger.cancelTimer = timers.after(limits.refusalLeavesMs, () => stranger.socket.destroy())
  }

  cut(): void {
    this.#cancelTold?.()
    for (const socket of this.#open) socket.destroy()
  }

  #tellCrowded(): void {
    const { limits, timers, crowded } = this.#options
    if (this.#cancelTold !== undefined) return
    this.#cancelTold = timers.after(limits.crowdedToldMs, () => {
      this.#cancelTold = undefined
    })
    crowded?.(
      `limits.connections (${limits.connectionsMax}) is reached: for each that comes, the oldest goes that has asked nothing yet, and without one the newcomer is turned away; raise it if all of them are wanted`,
    )
  }

  #watch(key: string, socket: Socket): void {
    const { limits, timers } = this.#options
    const cancelTimer = timers.after(limits.firstRequestTimeoutMs, () => socket.destroy())
    this.#strangers.set(key, { socket, cancelTimer, refused: 0 })
  }

  #know(key: string): void {
    this.#strangers.get(key)?.cancelTimer()
    this.#strangers.delete(key)
  }

  #makeRoom(): boolean {
    for (const [key, { socket }] of this.#strangers) {
      this.#know(key)
      this.#open.delete(socket)
      socket.destroy()
      return true
    }
    return false
  }
}

/** A unix socket has no address at its far end, and a connection that was lost already has none any more. */
function keyOf({ remoteAddress, remotePort }: Peer): string | undefined {
  return remoteAddress === undefined || remotePort === undefined
    ? undefined
    : `${remoteAddress} ${remotePort}`
}
