/**
 * The types, as a stranger's compiler reads them: every entry and every example, strictly, the declarations of the package
 * and of what it depends on included (skipLibCheck is off), under both ways in which a module is found.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Consumer } from './consumer.ts'
import { COMPANIONS, type Example } from './examples.ts'

const FOLDER = 'examples'

const RESOLUTIONS = {
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
  bundler: { module: 'esnext', moduleResolution: 'bundler' },
} as const

const STRICT = {
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  allowImportingTsExtensions: true,
  noEmit: true,
}

export async function checkTypes(
  consumer: Consumer,
  compiler: string,
  examples: readonly Example[],
): Promise<string> {
  writeSources(consumer, examples)
  await Promise.all(
    Object.entries(RESOLUTIONS).map(async ([name, resolution]) => {
      const project = `tsconfig.${name}.json`
      const include = name === 'nodenext' ? [FOLDER, 'entries.ts', 'requires.cts'] : [FOLDER, 'entries.ts']
      consumer.write(project, JSON.stringify({ compilerOptions: { ...STRICT, ...resolution }, include }))
      await consumer.run(compiler, ['--project', project])
    }),
  )
  return `${examples.length} examples, ${Object.keys(RESOLUTIONS).join(' and ')}`
}

function writeSources(consumer: Consumer, examples: readonly Example[]): void {
  mkdirSync(join(consumer.folder, FOLDER), { recursive: true })
  for (const { place, source } of examples) {
    consumer.write(join(FOLDER, `${place.replaceAll(/[^A-Za-z0-9]+/g, '-')}.ts`), `${source}\nexport {}\n`)
  }
  for (const [name, source] of Object.entries(COMPANIONS)) consumer.write(join(FOLDER, name), source)
  const entries = consumer.entries()
  consumer.write('entries.ts', entries.map((entry) => `export type * from '${entry}'\n`).join(''))
  consumer.write(
    'requires.cts',
    entries.map((entry, index) => `export import entry${index} = require('${entry}')\n`).join(''),
  )
}
