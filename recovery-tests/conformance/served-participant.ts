/** A built-in participant as a process that listens, and how it is killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, credentials } from '@grpc/grpc-js'
import { CLI_FILE } from '../harness/pledged.ts'

export interface ServedOptions {
  readonly kind: string
  readonly name: string
  /** unix:PATH, or HOST:PORT. */
  readonly listen: string
  /** Where its resource is: --file or --url-file. */
  readonly resource: readonly string[]
}

const SERVES_WITHIN_MS = 60_000

export class ServedParticipant {
  readonly #options: ServedOptions
  #child: ChildProcess | undefined
  #stderr = ''

  constructor(options: ServedOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { kind, name, listen, resource } = this.#options
    const args = ['participant', 'serve', kind, '--name', name, '--listen', listen, ...resource]
    const child = spawn(process.execPath, [CLI_FILE, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4_000)
    })
    await this.#untilServing(child)
  }

  readonly restart = async (): Promise<void> => {
    await this.kill()
    await this.start()
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  async #untilServing(child: ChildProcess): Promise<void> {
    const deadlineMs = performance.now() + SERVES_WITHIN_MS
    while (performance.now() < deadlineMs) {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${this.#stderr}`)
      if (await describesItself(this.#options.listen)) return
      await sleep(50)
    }
    throw new Error(`it doesn't serve: ${this.#stderr}`)
  }
}

/** Before that its calls are refused: it doesn't know yet whether its resource can keep a pledge. */
function describesItself(address: string): Promise<boolean> {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  const bytes = (buffer: Buffer): Buffer => buffer
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      '/pledged.v1.ParticipantService/DescribeParticipant',
      bytes,
      bytes,
      Buffer.alloc(0),
      { deadline: Date.now() + 5_000 },
      (error) => {
        client.close()
        resolve(error === null)
      },
    )
  })
}
