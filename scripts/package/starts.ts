/** What is started as a process or a thread, by the name of its file: no compiler follows it there, so that it is looked for. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { PackedFile } from './contents.ts'

/** `./worker${extname(import.meta.filename)}`, and the demo's `siblingOf(import.meta.url, 'processor')`. */
const STARTS = [/`\.\/([\w-]+)\$\{extname\(/g, /siblingOf\(import\.meta\.url, '([\w-]+)'\)/g]

/** In sentences; empty where each file that is started ships, too. */
export function objectionsToStarts(root: string, files: readonly PackedFile[]): string[] {
  const paths = new Set(files.map(({ path }) => path))
  return [...paths]
    .filter((path) => path.endsWith('.js'))
    .flatMap((path) =>
      startedBy(path, readFileSync(join(root, path), 'utf8')).map((started) => ({ path, started })),
    )
    .filter(({ started }) => !paths.has(started))
    .map(({ path, started }) => `${path} starts ${started}, which is missing: name it in tsconfig.build.json`)
}

export function startedBy(path: string, source: string): string[] {
  return STARTS.flatMap((pattern) => [...source.matchAll(pattern)]).map(([, name]) =>
    join(dirname(path), `${name}.js`),
  )
}
