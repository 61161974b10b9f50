/** The program as its users run it: the built command line, in processes of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const CLI_FILE = resolve(import.meta.dirname, '../../dist/src/cli/pledged.js')

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs one command to its end; one that doesn't end in time is killed, and has no code. */
export async function pledged(
  args: readonly string[],
  options: {
    readonly env?: Record<string, string>
    readonly cwd?: string
    readonly node?: string
    readonly withinMs?: number
  } = {},
): Promise<Ended> {
  const child = spawn(options.node ?? process.execPath, [CLI_FILE, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    timeout: options.withinMs ?? 60_000,
    killSignal: 'SIGKILL',
  })
  const output = gather(child)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...output }
}

function gather(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  return output
}

const STARTS_WITHIN_MS = 60_000

/** A daemon with a sink and an offset store in its own threads, in a directory of its own. */
export class DaemonUnderTest {
  readonly directory: string
  readonly address: string
  readonly dataDir: string
  readonly configFile: string
  #child: ChildProcess | undefined
  #output = { stdout: '', stderr: '' }

  constructor(directory: string, extra = '') {
    this.directory = directory
    this.address = `unix:${join(directory, 'pledged.sock')}`
    this.dataDir = join(directory, 'log')
    this.configFile = join(directory, 'pledged.yaml')
    mkdirSync(directory, { recursive: true })
    writeFileSync(
      this.configFile,
      [
        `listen: ${JSON.stringify(this.address)}`,
        'http_listen: 127.0.0.1:0',
        `data_dir: ${JSON.stringify(this.dataDir)}`,
        extra,
        'participants:',
        '  - { name: sink, kind: sqlite, file: ./sink.db }',
        '  - { name: offsets, kind: offsets, file: ./offsets.db }',
        '',
      ].join('\n'),
    )
  }

  /** Resolves when it answers, and both participants are up (or as many as are expected). */
  async start({ participantsUp = 2 }: { readonly participantsUp?: number } = {}): Promise<void> {
    this.#child = spawn(process.execPath, [CLI_FILE, 'serve', '--config', this.configFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#output = gather(this.#child)
    const deadlineMs = performance.now() + STARTS_WITHIN_MS
    while (performance.now() < deadlineMs) {
      if (this.#child.exitCode !== null) throw new Error(`the daemon ended: ${this.#output.stderr}`)
      const status = await pledged(['status', '--json', '--address', this.address])
      if (status.code === 0 && (status.stdout.match(/"up": ?true/g) ?? []).length >= participantsUp) return
    }
    throw new Error(`its participants are not up: ${this.#output.stderr}`)
  }

  get stderr(): string {
    return this.#output.stderr
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Sends the signal and resolves with the exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#child === undefined || !this.running) return this.#child?.exitCode ?? null
    const closed = once(this.#child, 'close')
    this.#child.kill(signal)
    const [code] = (await closed) as [number | null]
    return code
  }
}
