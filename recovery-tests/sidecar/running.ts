/** `pledged run` as a process, in a directory of its own, over a sink and an offset store. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileStores } from '../../src/demo/file-stores.ts'
import { CLI_FILE } from '../harness/pledged.ts'

export const APPLICATION = join(import.meta.dirname, 'application.ts')
const WITHIN_MS = 60_000

export interface RunOptions {
  readonly flags?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** In a terminal of its own. */
  readonly terminal?: boolean
}

/** What is left from one run to the next: the log, and the databases. */
export class Place {
  readonly directory: string
  readonly stores: FileStores
  readonly journal: string
  readonly #runs: Run[] = []

  constructor(directory: string) {
    this.directory = directory
    this.stores = new FileStores(directory)
    this.journal = join(directory, 'journal.jsonl')
  }

  async make(): Promise<this> {
    mkdirSync(this.directory, { recursive: true })
    await this.stores.start()
    const lines = [
      'data_dir: ./log',
      'participants:',
      '  - { name: sink, kind: sqlite, file: ./sink.db }',
      '  - { name: offsets, kind: offsets, file: ./offsets.db }',
    ]
    writeFileSync(join(this.directory, 'pledged.yaml'), `${lines.join('\n')}\n`)
    return this
  }

  run(command: readonly string[], options: RunOptions = {}): Run {
    const config = join(this.directory, 'pledged.yaml')
    const words = [CLI_FILE, 'run', '--config', config, ...(options.flags ?? []), '--', ...command]
    const run = new Run(this.directory, words, options)
    this.#runs.push(run)
    return run
  }

  /** The application above, in one of its roles. */
  application(what: 'moves' | 'forks' | 'stands-by' | 'signals', options: RunOptions = {}): Run {
    const args = [what, this.journal, this.stores.offsetsFile]
    return this.run([process.execPath, APPLICATION, ...args], options)
  }

  killAll(): void {
    for (const run of this.#runs) run.killAll()
  }
}

export class Run {
  readonly #child: ChildProcess
  readonly #ended: Promise<number | null>
  stdout = ''
  stderr = ''

  constructor(cwd: string, words: readonly string[], { environment, terminal }: RunOptions) {
    const whole = [process.execPath, ...words]
    const quoted = whole.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
    // `script` asks $SHELL to start it. A shell that stays in between would be in the foreground, too: dash ends by the SIGINT.
    const [file = '', ...args] = terminal === true ? ['script', '-qec', `exec ${quoted}`, '/dev/null'] : whole
    this.#child = spawn(file, args, {
      cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
      // Most of their time goes into starting: what was compiled for one run serves the others.
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: join(dirname(cwd), 'compile-cache'),
        PLEDGED_ADDRESS: '',
        ...environment,
      },
    })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.#child.stdin?.on('error', () => {})
    this.#ended = once(this.#child, 'exit').then(([code]) => code as number | null)
  }

  get said(): string {
    return this.stdout + this.stderr
  }

  /** Of the daemon's lives so far. */
  get daemonPids(): number[] {
    const started = [...this.said.matchAll(/"pid":(\d+)[^\n]*"message":"started"/g)]
    return started.map(([, pid]) => Number(pid))
  }

  get applicationPid(): number {
    return Number(/^(?:moving|waiting) (\d+)/m.exec(this.stdout)?.[1] ?? 0)
  }

  count(line: string): number {
    return this.stdout.split(/\r?\n/).filter((one) => one.endsWith(line)).length
  }

  async until(holds: () => boolean, what: string): Promise<void> {
    const deadlineMs = performance.now() + WITHIN_MS
    while (!holds()) {
      if (performance.now() > deadlineMs) throw new Error(`${what}: not within ${WITHIN_MS} ms: ${this.said}`)
      await sleep(10)
    }
  }

  /** It has committed that many transactions more. */
  async moves(count: number): Promise<void> {
    const goal = this.count('moved') + count
    await this.until(() => this.count('moved') >= goal, `${count} transactions`)
  }

  /** To `pledged run`, and to nobody else. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  type(text: string): void {
    this.#child.stdin?.write(text)
  }

  /** The daemon's present life. */
  killDaemon(): void {
    const pid = this.daemonPids.at(-1)
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
  }

  async ended(): Promise<number | null> {
    const late = sleep(WITHIN_MS, 'late' as const, { ref: false })
    const code = await Promise.race([this.#ended, late])
    if (code === 'late') throw new Error(`it did not end within ${WITHIN_MS} ms: ${this.said}`)
    return code
  }

  /** The application's standard input closes, at which it ends. */
  closeInput(): void {
    this.#child.stdin?.end()
  }

  killAll(): void {
    this.closeInput()
    this.#child.kill('SIGKILL')
    for (const pid of [...this.daemonPids, this.applicationPid])
      if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  }
}

export function isAlive(pid: number): boolean {
  if (pid === 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** proc_pid_stat(5): after the name in parentheses, the state and the parent. */
export function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}
