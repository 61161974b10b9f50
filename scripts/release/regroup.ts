/**
 * The newest version of CHANGELOG.md, which changesets has just written in parts by the size of the step (major, minor,
 * patch), in the three parts that a reader here knows: what changes in what may be relied on comes first, however small.
 */
import { PART_ADVICE, PARTS, type Part } from './parts.ts'

/** As changesets writes it. One that is regrouped has its date. */
const NEW_VERSION = /^## (\d+\.\d+\.\d+\S*)$/m
const NEXT_VERSION = /^## /m
/** changesets puts the commit before it, where there is one. */
const ENTRY = new RegExp(`^- (?:[0-9a-f]{7,}: )?(${PARTS.join('|')}): ([\\s\\S]*)$`)

interface Entry {
  readonly part: Part
  readonly text: string
}

/** `date` goes into the version's heading. Throws, in a sentence, where a note doesn't say its part. */
export function regroupNewest(changelog: string, date: string): string {
  const heading = NEW_VERSION.exec(changelog)
  if (heading === null) throw new Error('CHANGELOG.md has no new version: there were no notes in .changeset/')
  const [line, version] = heading
  const before = changelog.slice(0, heading.index)
  const rest = changelog.slice(heading.index + line.length)
  const length = NEXT_VERSION.exec(rest)?.index ?? rest.length
  const parts = partsOf(entriesIn(rest.slice(0, length)))
  return `${before}## ${version}, ${date}\n\n${[...parts, rest.slice(length)].join('\n\n').trimEnd()}\n`
}

function partsOf(entries: readonly Entry[]): string[] {
  return PARTS.flatMap((part) => {
    const texts = entries.filter((entry) => entry.part === part).map(({ text }) => `- ${text}`)
    return texts.length === 0 ? [] : [`### ${part}\n\n${texts.join('\n')}`]
  })
}

function entriesIn(block: string): Entry[] {
  return block
    .replaceAll(/^### .*$/gm, '')
    .split(/^(?=- )/m)
    .filter((text) => text.startsWith('- '))
    .map((text) => entryOf(text.trimEnd()))
}

function entryOf(text: string): Entry {
  const [, part, words] = ENTRY.exec(text) ?? []
  if (part === undefined || words === undefined) {
    throw new Error(`a note doesn't say where it belongs; ${PART_ADVICE}\n  ${text}`)
  }
  return { part: part as Part, text: `${words.charAt(0).toUpperCase()}${words.slice(1)}` }
}
