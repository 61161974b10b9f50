/** Each package is confined to its rooms, and the rooms without I/O are without it. */
import { BUILT_IN_ROOMS, PACKAGE_ROOMS, SANS_IO, TEST_PACKAGES } from './house.ts'
import { type Finding, findInCode, type Import, isWithin, type SourceFile } from './sources.ts'

export function checkPackages(files: readonly SourceFile[]): Finding[] {
  return files.filter(isProduct).flatMap((file) =>
    file.imports.flatMap((made) => {
      const message = objectionToPackage(file, made)
      return message === undefined ? [] : [{ path: file.path, line: made.line, message }]
    }),
  )
}

function isProduct(file: SourceFile): boolean {
  return isWithin(file.path, 'src') || isWithin(file.path, 'participants')
}

function objectionToPackage(file: SourceFile, made: Import): string | undefined {
  const name = made.packageName
  if (name === undefined) return undefined
  if (name.startsWith('node:') && (file.isTest || BUILT_IN_ROOMS[name] === undefined)) return undefined
  if (TEST_PACKAGES.includes(name)) {
    return file.isTest ? undefined : `imports ${name}, which only tests may: it doesn't ship`
  }
  const rooms = PACKAGE_ROOMS[name] ?? BUILT_IN_ROOMS[name]
  if (rooms === undefined)
    return `imports ${name}, which has no room: give it one in scripts/house-rules/house.ts`
  if (rooms.some((room) => isWithin(file.path, room))) return undefined
  return `imports ${name}, which is confined to ${rooms.join(', ')}`
}

/** What a room without I/O doesn't touch, each with what it takes instead. */
const IMPURITIES: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /\bDate\b/g, instead: 'time comes in as an event' },
  { pattern: /\bMath\s*\.\s*random\b|\bcrypto\b/g, instead: 'chance comes in as an event or a port' },
  {
    pattern: /\bperformance\b|\bprocess\b|\bconsole\b|\bglobalThis\b|\bfetch\b/g,
    instead: 'effects say what is to be done',
  },
  { pattern: /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/g, instead: 'a timer is an effect' },
  {
    pattern: /\basync\b|\bawait\b|\bnew\s+Promise\b|\bPromise\s*\.|\.\s*then\s*\(/g,
    instead: 'what comes later comes as an event',
  },
]

export function checkSansIo(files: readonly SourceFile[]): Finding[] {
  return files.flatMap((file) => {
    const room = Object.keys(SANS_IO).find((candidate) => isWithin(file.path, candidate))
    if (room === undefined || file.isTest) return []
    return [...impureImports(file, room), ...impureWords(file, room)]
  })
}

function impureImports(file: SourceFile, room: string): Finding[] {
  const allowed = SANS_IO[room] ?? []
  return file.imports
    .filter(({ packageName }) => packageName !== undefined && !allowed.includes(packageName))
    .map(({ line, specifier }) => ({
      path: file.path,
      line,
      message: `imports ${specifier}: ${room} is without I/O`,
    }))
}

function impureWords(file: SourceFile, room: string): Finding[] {
  return IMPURITIES.flatMap(({ pattern, instead }) =>
    findInCode(file, pattern).map(({ line, text }) => ({
      path: file.path,
      line,
      message: `uses ${text.replaceAll(/\s+/g, ' ')}: ${room} is without I/O; ${instead}`,
    })),
  )
}
