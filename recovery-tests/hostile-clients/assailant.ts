/** A connection that says what it is told to, byte by byte, and answers pings, so that it passes for alive. */
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { FLAGS, FRAME_TYPES, frame } from './frames.ts'

export interface Target {
  readonly port: number
  /** Given: TLS is spoken. */
  readonly caFile?: string | undefined
}

const HOST = '127.0.0.1'
const FRAME_HEAD_BYTES = 9

export class Assailant {
  readonly #socket: Socket
  readonly #ended: Promise<void>
  #received = Buffer.alloc(0)
  #timer: NodeJS.Timeout | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    // It isn't told why: what it meets is seen at the daemon.
    socket.on('error', () => {})
    this.#ended = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.on('data', (bytes: Buffer) => this.#read(bytes))
  }

  /** Resolves when it is connected, or turned away. */
  static async connect(target: Target): Promise<Assailant> {
    const { port, caFile } = target
    const socket =
      caFile === undefined
        ? connect(port, HOST)
        : connectTls({ port, host: HOST, ca: readFileSync(caFile), ALPNProtocols: ['h2'] })
    const assailant = new Assailant(socket)
    const connected = new Promise((resolve) => {
      socket.once(caFile === undefined ? 'connect' : 'secureConnect', resolve)
    })
    await Promise.race([connected, assailant.#ended])
    return assailant
  }

  /** Resolves when the daemon's side has ended it. */
  get ended(): Promise<void> {
    return this.#ended
  }

  say(...pieces: readonly Uint8Array[]): void {
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat(pieces))
  }

  /** One byte after the other, each after a while. */
  trickle(bytes: Uint8Array, everyMs: number): void {
    let at = 0
    this.#timer = setInterval(() => {
      this.say(bytes.subarray(at, at + 1))
      at = (at + 1) % bytes.length
    }, everyMs)
  }

  /** From now on nothing is read, and no ping answered. */
  stopReading(): void {
    this.#socket.pause()
  }

  leave(): void {
    clearInterval(this.#timer)
    this.#socket.destroy()
  }

  #read(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes])
    for (;;) {
      const end = FRAME_HEAD_BYTES + (this.#received.length < 3 ? 0 : this.#received.readUIntBE(0, 3))
      if (this.#received.length < end) return
      this.#answer(this.#received.subarray(0, end))
      this.#received = this.#received.subarray(end)
    }
  }

  #answer(received: Buffer): void {
    const flags = received.readUInt8(4)
    if ((flags & FLAGS.acknowledged) !== 0) return
    const type = received.readUInt8(3)
    const payload = received.subarray(FRAME_HEAD_BYTES)
    if (type === FRAME_TYPES.settings) this.say(frame({ type: 'settings', flags: FLAGS.acknowledged }))
    if (type === FRAME_TYPES.ping) this.say(frame({ type: 'ping', flags: FLAGS.acknowledged, payload }))
  }
}
