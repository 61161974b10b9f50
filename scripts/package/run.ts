/** Runs a program to its end, and keeps what it said for whoever reads of its failure. */
import { spawn } from 'node:child_process'

export interface RunOptions {
  readonly cwd: string
  readonly environment?: Readonly<Record<string, string>>
}

/** What it wrote to its standard output. Rejects, with all that it wrote, where it doesn't exit with 0. */
export function run(program: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const env = { ...process.env, ...options.environment }
  const child = spawn(program, args, { cwd: options.cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.once('error', reject)
  child.once('close', (code, signal) => {
    if (code === 0) return resolve(stdout)
    const command = [program, ...args].join(' ')
    reject(new Error(`${command}: ended with ${signal ?? code}\n${stdout}${stderr}`))
  })
  return promise
}
