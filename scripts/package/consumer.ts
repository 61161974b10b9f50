/**
 * An empty project in which the tarball is installed, and nothing else: what is missing from the package's dependencies
 * is missing here.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.ts'

const FLIGHTS = 'node_modules/pledged/dist/src/demo/data/flights-20k.jsonl'
const FEW_FLIGHTS = 300

export class Consumer {
  readonly folder: string
  readonly #environment: Readonly<Record<string, string>>

  /** What npm fetches is kept in `cache`; what is written to the system's temporary directory goes to `folder`. */
  constructor(folder: string, cache: string) {
    const temporary = join(folder, 'tmp')
    mkdirSync(temporary, { recursive: true })
    this.folder = folder
    this.#environment = { npm_config_cache: cache, TMPDIR: temporary }
    this.write('package.json', JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
  }

  async install(tarball: string): Promise<void> {
    await this.run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball])
  }

  run(program: string, args: readonly string[]): Promise<string> {
    return run(program, args, { cwd: this.folder, environment: this.#environment })
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text)
  }

  /** What one can import, by the names that one writes. package.json is no module. */
  entries(): string[] {
    const file = join(this.folder, 'node_modules/pledged/package.json')
    const { exports } = JSON.parse(readFileSync(file, 'utf8')) as { exports: Record<string, unknown> }
    return Object.keys(exports)
      .filter((path) => path !== './package.json')
      .map((path) => `pledged${path.slice(1)}`)
  }

  async tryProgram(version: string): Promise<void> {
    const said = (await this.run('npx', ['pledged', '--version'])).trim()
    if (said !== version) throw new Error(`npx pledged --version says ${said}, and the package is ${version}`)
  }

  /** Few events and kills, unless it is to be whole. The demo counts for itself, and exits 1 where it went wrong. */
  async tryDemo(isWhole: boolean): Promise<string> {
    const lines = readFileSync(join(this.folder, FLIGHTS), 'utf8').split('\n')
    this.write('few.jsonl', lines.slice(0, FEW_FLIGHTS).join('\n'))
    const few = ['--kills', '2', '--input', 'few.jsonl']
    const said = await this.run('npx', ['pledged', 'demo', ...(isWhole ? [] : few)])
    const proof = /^proof .*$/m.exec(said)?.[0]
    if (proof === undefined) throw new Error(`the demo proved nothing:\n${said}`)
    return proof
  }

  /** Each entry, by import and by require, has the same names. */
  async tryImports(): Promise<string> {
    const entries = JSON.stringify(this.entries())
    this.write(
      'imports.mjs',
      `for (const name of ${entries}) console.log(name, Object.keys(await import(name)).filter(isOwn).join(' '))
       function isOwn(name) { return name !== 'module.exports' && name !== '__esModule' }`,
    )
    this.write(
      'requires.cjs',
      `for (const name of ${entries}) console.log(name, Object.keys(require(name)).filter((one) => one !== '__esModule').join(' '))`,
    )
    const [imported, required] = await Promise.all([
      this.run('node', ['imports.mjs']),
      this.run('node', ['requires.cjs']),
    ])
    if (imported !== required) throw new Error(`import gives\n${imported}and require\n${required}`)
    const empty = imported.split('\n').filter((line) => line !== '' && !line.trim().includes(' '))
    if (empty.length > 0) throw new Error(`nothing is exported by ${empty.join(', ')}`)
    return this.entries().join(', ')
  }
}
