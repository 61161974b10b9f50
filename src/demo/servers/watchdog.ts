/**
 * Ends a server whose parent died without ending it (a server is a direct child, but Linux doesn't end children with
 * their parent): a shell that waits for the end of its input, which comes with the parent's end, whatever it died of.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The server is known by its directory, which its command line names: a process id alone may be someone else's by now. */
const SCRIPT = `
directory=$1 signal=$2 temporary=$3
cat >/dev/null
pid=$(cat "$directory/server.pid" 2>/dev/null)
alive() { [ -n "$pid" ] && tr '\\0' '\\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$directory"; }
if alive; then
  kill -s "$signal" "$pid"
  tries=0
  while alive && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  if alive; then kill -s KILL "$pid"; fi
fi
if [ "$temporary" = yes ]; then rm -rf -- "$directory"; fi
`

export interface Watched {
  readonly directory: string
  readonly orderly: NodeJS.Signals
  /** The directory goes, too. */
  readonly temporary: boolean
}

export class Watchdog {
  readonly #pidFile: string
  readonly #shell: ChildProcess

  constructor({ directory, orderly, temporary }: Watched) {
    this.#pidFile = join(directory, 'server.pid')
    const values = [directory, orderly.replace('SIG', ''), temporary ? 'yes' : 'no']
    // A group of its own: Ctrl-C at the terminal must not end it before its parent.
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT, 'watchdog', ...values], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    this.#shell.unref()
    const input = this.#shell.stdin
    if (input !== null && 'unref' in input && typeof input.unref === 'function') input.unref()
  }

  watch(pid: number): void {
    writeFileSync(this.#pidFile, String(pid))
  }

  nothingToWatch(): void {
    rmSync(this.#pidFile, { force: true })
  }

  end(): void {
    this.#shell.kill('SIGKILL')
  }
}
