/** Imports go down only; participants know the SDK alone; concrete things are made in one place. */
import {
  CONCRETE,
  FLOORS,
  PARTICIPANT_USERS,
  PARTICIPANTS_REGISTRY,
  PARTICIPANTS_SHARED,
  TEST_SERVERS,
} from './house.ts'
import { type Finding, type Import, isTestPath, isWithin, type SourceFile } from './sources.ts'

export function checkFloors(files: readonly SourceFile[]): Finding[] {
  return files.flatMap((file) => {
    if (isWithin(file.path, 'recovery-tests') || isWithin(file.path, 'scripts')) return []
    return file.imports.flatMap((made) => {
      if (made.target === undefined) return []
      const message = objectionTo(file, made.target)
      return message === undefined ? [] : [finding(file, made, message)]
    })
  })
}

function objectionTo(file: SourceFile, target: string): string | undefined {
  if (!file.isTest && isTestPath(target)) return `the program doesn't import what is for tests: ${target}`
  if (isWithin(file.path, 'participants')) return objectionToParticipantsImport(file, target)
  return (
    objectionToFloor(file.path, target) ?? (file.isTest ? undefined : objectionToConcrete(file.path, target))
  )
}

function objectionToParticipantsImport({ path, isTest }: SourceFile, target: string): string | undefined {
  if ((isTest || path === PARTICIPANTS_REGISTRY) && isWithin(target, 'participants')) return undefined
  if (isTest && isWithin(target, TEST_SERVERS)) return undefined
  if (isWithin(target, roomOf(path)) || isWithin(target, PARTICIPANTS_SHARED) || isWithin(target, 'src/sdk'))
    return undefined
  return `a participant imports only src/sdk and ${PARTICIPANTS_SHARED}, as someone else's would; this is ${target}`
}

function objectionToFloor(path: string, target: string): string | undefined {
  const from = floorOf(path)
  if (from === undefined) return `${roomOf(path)} has no floor: give it one in scripts/house-rules/house.ts`
  if (isWithin(target, 'participants')) {
    const users = PARTICIPANT_USERS.join(', ')
    return PARTICIPANT_USERS.some((user) => isWithin(path, user))
      ? undefined
      : `only ${users} makes participants; this is ${target}`
  }
  const to = floorOf(target)
  if (to === undefined) return `${target} lies outside the house (src/ and participants/)`
  if (to < from || roomOf(path) === roomOf(target)) return undefined
  return to === from
    ? `${roomOf(target)} is on the same floor (F${to}): what both need belongs below them`
    : `${roomOf(target)} (F${to}) is above ${roomOf(path)} (F${from}): imports go down only`
}

function objectionToConcrete(path: string, target: string): string | undefined {
  const concrete = Object.keys(CONCRETE).find((room) => isWithin(target, room))
  if (concrete === undefined || isWithin(path, concrete)) return undefined
  const users = CONCRETE[concrete] ?? []
  if (users.some((user) => isWithin(path, user))) return undefined
  return `${concrete} is a concrete thing, made by ${users.join(', ')} alone; take the port instead`
}

function floorOf(path: string): number | undefined {
  const floor = FLOORS.findIndex((rooms) => rooms.some((room) => isWithin(path, room)))
  return floor === -1 ? undefined : floor
}

/** `src/log/sqlite/worker.ts` is in the room `src/log`. */
function roomOf(path: string): string {
  return path.split('/').slice(0, 2).join('/')
}

function finding(file: SourceFile, made: Import, message: string): Finding {
  return { path: file.path, line: made.line, message: `imports ${made.specifier}: ${message}` }
}
