/**
 * What `pledged demo --leave-in-doubt` leaves behind, in a directory of its own: a daemon that knows of one transaction
 * in doubt, and nobody who serves the offset store. The commands are typed in that directory, as its user would.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { findFreePort } from '../../src/demo/servers/free-port.ts'
import { CLI_FILE, type Ended, pledged } from '../harness/pledged.ts'

export class Left implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'pledged-left-'))
  readonly address: string
  #daemon = 0
  readonly #children: ChildProcess[] = []

  private constructor(port: number) {
    this.address = `127.0.0.1:${port}`
  }

  static async create(): Promise<Left> {
    return new Left(await findFreePort())
  }

  /** Runs the demo; the daemon that it leaves is ended with this. */
  async demo(...flags: readonly string[]): Promise<Ended> {
    const ended = await this.run('demo', '--leave-in-doubt', ...flags)
    const pid = /kill (\d+)|"pid":(\d+)/.exec(ended.stdout)
    this.#daemon = Number(pid?.[1] ?? pid?.[2])
    return ended
  }

  /** The arguments as the shell would have them. */
  run(...args: readonly string[]): Promise<Ended> {
    return pledged(args, { cwd: this.directory, env: { PLEDGED_ADDRESS: this.address } })
  }

  /** The answer of one command as JSON. */
  async ask(...args: readonly string[]): Promise<Record<string, unknown>> {
    const { stdout, stderr } = await this.run(...args, '--json')
    if (stdout === '') throw new Error(`${args.join(' ')}: ${stderr}`)
    return JSON.parse(stdout) as Record<string, unknown>
  }

  /** In the background; what it says is gathered. */
  start(...args: readonly string[]): { readonly child: ChildProcess; said: string } {
    const child = spawn(process.execPath, [CLI_FILE, ...args], {
      cwd: this.directory,
      env: { ...process.env, PLEDGED_ADDRESS: this.address },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#children.push(child)
    const started = { child, said: '' }
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      started.said += text
    })
    return started
  }

  serveOffsets(): { readonly child: ChildProcess; said: string } {
    return this.start('participant', 'serve', 'offsets', '--name', 'offsets', '--file', 'offsets.db')
  }

  /** By hand, in a database whose participant doesn't know. */
  edit(file: 'sink.db' | 'offsets.db', sql: string, ...params: readonly SQLInputValue[]): number {
    const database = new DatabaseSync(join(this.directory, file), { timeout: 10_000 })
    try {
      return Number(database.prepare(sql).run(...params).changes)
    } finally {
      database.close()
    }
  }

  /** One number, read past everybody. */
  count(file: 'sink.db' | 'offsets.db', sql: string): number {
    const database = new DatabaseSync(join(this.directory, file), { readOnly: true, timeout: 10_000 })
    try {
      return Number(Object.values(database.prepare(sql).get() ?? {})[0])
    } finally {
      database.close()
    }
  }

  /** Ends the daemon that the demo left, with this signal. */
  async endDaemon(signal: NodeJS.Signals): Promise<void> {
    if (this.#daemon > 0) await endProcess(this.#daemon, signal)
    this.#daemon = 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
    await this.endDaemon('SIGKILL')
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** It isn't our child: it is asked until it is gone. */
async function endProcess(pid: number, signal: NodeJS.Signals): Promise<void> {
  try {
    process.kill(pid, signal)
    for (;;) {
      process.kill(pid, 0)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  } catch {
    // It has gone.
  }
}
