/** A command of the CLI, as its user would ask it. */
import { ManagedProcess } from './managed-process.ts'

export interface Question {
  /** The program's own entry file. */
  readonly cliFile: string
  readonly command: 'status' | 'check'
  readonly address: string
}

/** An empty answer while the daemon can't be reached. */
export async function ask({ cliFile, command, address }: Question): Promise<Record<string, unknown>> {
  const asked = new ManagedProcess({
    name: command,
    arguments: [cliFile, command, '--json', '--address', address],
    environment: { PLEDGED_CRASH_POINT: '' },
  })
  await asked.exited
  try {
    return JSON.parse(asked.output) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** By the answer to `status`. */
export function participantsUp({ participants }: Record<string, unknown>): number {
  return Array.isArray(participants)
    ? participants.filter((one: { up?: boolean }) => one.up === true).length
    : 0
}
