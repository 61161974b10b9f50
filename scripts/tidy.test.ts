import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import packageJson from '../package.json' with { type: 'json' }
import { BUILT_IN_ROOMS, PACKAGE_ROOMS } from './house-rules/house.ts'
import { inspectHouse } from './house-rules/index.ts'
import { mask } from './house-rules/mask.ts'
import { isTestPath } from './house-rules/sources.ts'

const REPOSITORY = join(import.meta.dirname, '..')

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pledged-tidy-'))
})
afterEach(() => {
  rmSync(root, { recursive: true, force: true })
})

/** A tree of these files, each under a header so that only the rule that is meant is broken. */
function inspect(files: Readonly<Record<string, string>>): readonly string[] {
  for (const [path, source] of Object.entries(files)) write(path, `/** What it is. */\n${source}\n`)
  return inspectHouse(root).lines
}

function write(path: string, source: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), source)
}

describe('floors', () => {
  test('imports that go down are fine, in every form', () => {
    expect(
      inspect({
        'src/log/log.ts': `import type { Xid } from '../base/ids.ts'\nexport * from '../protocol/records.ts'`,
        'src/coordinator/coordinator.ts': `import '../log/log.ts'\nconst later = await import('../transport/link.ts')`,
        'participants/sqlite/sqlite.database.test.ts': `import '../../src/demo/servers/index.ts'`,
        'participants/sqlite/index.ts': `import { vote } from '../../src/sdk/participant/index.ts'\nimport '../shared/witness.ts'`,
        'src/daemon/daemon.ts': `import '../log/sqlite/sqlite-log.ts'\nimport '../../participants/sqlite/index.ts'`,
        'src/simulation/world.ts': `import { MemoryLog } from '../log/memory/memory-log.ts'`,
      }),
    ).toEqual([])
  })

  test.each([
    ['up', 'src/base/ids.ts', '../protocol/step.ts', 'src/protocol (F1) is above src/base (F0)'],
    ['sideways', 'src/log/log.ts', '../recovery/machine.ts', 'on the same floor (F2)'],
    [
      'from another participant',
      'participants/sqlite/index.ts',
      '../offsets/index.ts',
      'imports only src/sdk',
    ],
    [
      "to the tests' servers without being a test",
      'participants/sqlite/index.ts',
      '../../src/demo/servers/index.ts',
      'imports only src/sdk',
    ],
    ['past the SDK', 'participants/sqlite/index.ts', '../../src/base/ids.ts', 'imports only src/sdk'],
    [
      'a participant',
      'src/coordinator/coordinator.ts',
      '../../participants/sqlite/index.ts',
      'only src/embedding',
    ],
    [
      'a concrete log',
      'src/coordinator/coordinator.ts',
      '../log/sqlite/sqlite-log.ts',
      'take the port instead',
    ],
    ['of a test', 'src/log/log.ts', './conformance/index.ts', 'what is for tests'],
    ['out of the house', 'src/daemon/daemon.ts', '../../recovery-tests/load.ts', 'outside the house'],
  ])('an import %s is found', (_what, path, specifier, message) => {
    for (const form of [
      `import { a } from '${specifier}'`,
      `export * from "${specifier}"`,
      `await import('${specifier}')`,
    ]) {
      const found = inspect({ [path]: form })
      expect(found).toHaveLength(1)
      expect(found[0]).toContain(`${path}:2  floors  imports ${specifier}`)
      expect(found[0]).toContain(message)
    }
  })

  test('a folder without a floor is found', () => {
    expect(inspect({ 'src/attic/attic.ts': `import '../base/ids.ts'` })[0]).toContain(
      'src/attic has no floor',
    )
  })

  test('a test may construct concrete things, of the floors below', () => {
    expect(inspect({ 'src/coordinator/a.test.ts': `import '../log/sqlite/sqlite-log.ts'` })).toEqual([])
    expect(inspect({ 'src/log/a.test.ts': `import '../coordinator/a.ts'` })[0]).toContain(
      'imports go down only',
    )
  })
})

describe('packages', () => {
  test.each([...Object.entries(PACKAGE_ROOMS), ...Object.entries(BUILT_IN_ROOMS)])(
    '%s stays in its rooms',
    (name, rooms) => {
      const source = `import x from '${name}'`
      expect(inspect({ 'src/base/ids.ts': source })[0]).toContain(`imports ${name}, which is confined to`)
      rmSync(join(root, 'src'), { recursive: true })
      expect(
        inspect(Object.fromEntries(rooms.map((room) => [`${room}/index.ts`, source]))).filter((line) =>
          line.includes('packages'),
        ),
      ).toEqual([])
    },
  )

  test('a package without a room is found', () => {
    expect(inspect({ 'src/daemon/daemon.ts': `import pad from 'left-pad/deep'` })[0]).toContain(
      'left-pad, which has no room',
    )
  })

  test('what ships imports no test package', () => {
    expect(inspect({ 'src/log/suite.ts': `import { test } from 'vitest'` })[0]).toContain("it doesn't ship")
    rmSync(join(root, 'src'), { recursive: true })
    expect(inspect({ 'src/log/suite.test.ts': `import { test } from 'vitest'` })).toEqual([])
  })

  test('every dependency of the package has a room', () => {
    // Nobody imports a package of types by its name: the one of whose types they are has the room.
    const dependencies = Object.keys(packageJson.dependencies).filter((name) => !name.startsWith('@types/'))
    const forTests = Object.keys(packageJson.devDependencies)
    const rooms = Object.keys(PACKAGE_ROOMS).filter((name) => !forTests.includes(name))
    expect(rooms.toSorted()).toEqual(dependencies.toSorted())
  })
})

describe('sans-io', () => {
  test.each([
    `import { readFileSync } from 'node:fs'`,
    `import { z } from 'zod'`,
    'const now = Date.now()',
    'const chance = Math.random()',
    'setTimeout(fire, 1)',
    'async function later() {}',
    'promise.then(() => {})',
    'console.log(state)',
    'const text = `${Date.now()}`',
  ])('%s is found in the core', (source) => {
    const found = inspect({ 'src/protocol/step.ts': source }).filter((line) => line.includes('sans-io'))
    expect(found).toHaveLength(1)
    expect(found[0]).toContain('src/protocol/step.ts:2')
  })

  test('words in comments, strings and expressions that only look like it are not', () => {
    const source = [
      '// Date, Math.random(), await',
      '/* setTimeout */',
      `const text = 'async Date' + "process" + \`console \${value} Date\``,
      'const pattern = /Date|await/g',
      'const half = total / Dated / 2',
      'append({ record, then: effects })',
    ].join('\n')
    expect(inspect({ 'src/protocol/step.ts': source })).toEqual([])
  })

  test('recovery may use xstate, and nothing else', () => {
    expect(inspect({ 'src/recovery/machine.ts': `import { setup } from 'xstate'` })).toEqual([])
    expect(inspect({ 'src/recovery/machine.ts': `import 'node:timers'` })[0]).toContain('is without I/O')
  })
})

describe('files', () => {
  test('a name that is not kebab-case is found', () => {
    expect(inspect({ 'src/base/ErrorCodes.ts': '' })[0]).toContain('kebab-case')
  })

  test('a folder without a contract is found', () => {
    write('src/admin/index.ts', 'export {}\n')
    write('src/admin/service.ts', '/** Not the main file. */\nexport {}\n')
    expect(inspectHouse(root).lines).toEqual([expect.stringContaining('src/admin has no contract')])
  })

  test('in a folder of folders, each has its own', () => {
    write('src/sdk/client/index.ts', '/** The contract. */\n')
    write('src/sdk/participant/index.ts', 'export {}\n')
    expect(inspectHouse(root).lines).toEqual([expect.stringContaining('src/sdk/participant has no contract')])
  })

  test.each(['only', 'skipIf(true)', 'todo'])('a test with .%s is found', (how) => {
    expect(inspect({ 'src/base/a.test.ts': `\ntest.${how}('x', () => {})` })[0]).toContain(
      'src/base/a.test.ts:3  tests',
    )
  })

  test('a test that is skipped for a reason is not', () => {
    expect(
      inspect({
        'src/base/a.test.ts': `// Not as root: nothing is unwritable to it.\ntest.skipIf(isRoot)('x', () => {})`,
      }),
    ).toEqual([])
  })
})

test('a tree without files is no success', () => {
  expect(inspectHouse(root).fileCount).toBe(0)
  expect(() =>
    execFileSync(process.execPath, [join(REPOSITORY, 'scripts/tidy'), root], { stdio: 'pipe' }),
  ).toThrow('Command failed')
})

test('the command prints what it found and exits 1', () => {
  write('src/base/ids.ts', `/** Names. */\nimport '../cli/pledged.ts'\n`)
  const run = (): string =>
    execFileSync(process.execPath, [join(REPOSITORY, 'scripts/tidy'), root], {
      stdio: 'pipe',
      encoding: 'utf8',
    })
  expect(run).toThrow(
    expect.objectContaining({ status: 1, stdout: expect.stringContaining('src/base/ids.ts:2  floors') }),
  )
})

test('what is for tests is left out of the build', () => {
  const tsc = join(REPOSITORY, 'node_modules', '.bin', 'tsc')
  const built = execFileSync(tsc, ['-p', 'tsconfig.build.json', '--listFilesOnly'], {
    cwd: REPOSITORY,
    encoding: 'utf8',
  })
    .split('\n')
    .map((path) => relative(REPOSITORY, path))
    .filter((path) => path.endsWith('.ts') && !path.startsWith('node_modules'))
  expect(built).toContain('src/base/ids.ts')
  expect(built.filter(isTestPath)).toEqual([])
})

describe('the linter holds the sizes', () => {
  const lines = (count: number): string =>
    Array.from({ length: count }, (_, index) => `  total += ${index}`).join('\n')

  function lint(path: string, source: string): string {
    write(path, source)
    const oxlint = join(REPOSITORY, 'node_modules', '.bin', 'oxlint')
    try {
      return execFileSync(oxlint, ['-c', join(REPOSITORY, '.oxlintrc.json'), root], {
        stdio: 'pipe',
        encoding: 'utf8',
        cwd: root,
      })
    } catch (error) {
      return (error as { stdout: string }).stdout
    }
  }

  test('a function of more than 70 lines, and a file of more than 400', () => {
    const long = (count: number): string =>
      `export let total = 0\nexport function add(): void {\n${lines(count)}\n}\n`
    expect(lint('src/base/a.ts', long(60))).not.toContain('max-lines')
    expect(lint('src/base/a.ts', long(70))).toContain('max-lines-per-function')
    expect(lint('src/base/a.ts', `export let total = 0\n${lines(400)}\n`)).toContain('max-lines')
    rmSync(join(root, 'src'), { recursive: true })
    expect(lint('src/base/a.test.ts', long(500))).not.toContain('max-lines')
  })

  test('a focused and a skipped test', () => {
    const source = `import { test, expect } from 'vitest'\ntest.only('x', () => { expect(1).toBe(1) })\n`
    expect(lint('src/base/a.test.ts', source)).toContain('no-focused-tests')
  })
})

describe('mask', () => {
  test('keeps every offset and every line', () => {
    const source =
      'const a = `x ${ { b: `${1}` } } y` // c\n/* d\n*/ const e = /[/]\\//.test("f\\"g") ? h / 2 : `i`'
    const { code } = mask(source)
    expect(code).toHaveLength(source.length)
    expect(code.split('\n').length).toBe(source.split('\n').length)
    expect(code.replaceAll(/\s+/g, ' ')).toBe(
      'const a = ` ${ { b: `${1}` } } ` const e = / /.test(" ") ? h / 2 : ` `',
    )
  })
})
