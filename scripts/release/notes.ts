/** The notes in .changeset/, before they are gathered: changesets takes them away, so that a bad one is found first. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PART_ADVICE, PARTS } from './parts.ts'

const NOTE = new RegExp(`^---\\n[\\s\\S]*?\\n---\\n\\s*(?:${PARTS.join('|')}): \\S`)

/** In sentences; empty where each note says where it belongs. */
export function objectionsToNotes(root: string): string[] {
  const folder = join(root, '.changeset')
  return readdirSync(folder)
    .filter((name) => name.endsWith('.md') && name !== 'README.md')
    .flatMap((name) => objectionToNote(name, readFileSync(join(folder, name), 'utf8')))
}

export function objectionToNote(name: string, text: string): string[] {
  return NOTE.test(text) ? [] : [`.changeset/${name} doesn't say where it belongs; ${PART_ADVICE}`]
}
