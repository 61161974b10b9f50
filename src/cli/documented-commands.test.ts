/** Every command that the pages for people name is one that there is, with its flags. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { expect, it } from 'vitest'
import { systemClock } from '../base/ports.ts'
import { createProgram } from './program.ts'
import { terminalOf } from './terminal.ts'

const ROOT = join(import.meta.dirname, '../..')
const PAGES = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => join('docs', name))]

const { stdin, stdout, stderr } = process
const terminal = terminalOf({ stdin: () => stdin, stdout, stderr }, {})
const program = createProgram({ terminal, environment: {}, clock: systemClock }, () => {})

/** In a code span, or typed in a console; without what the shell makes of it. */
function commandsIn(text: string): string[] {
  const spans = [...text.matchAll(/`pledged ([^`]+)`/g), ...text.matchAll(/^\$ pledged (.+)$/gm)]
  return spans.map(([, command = '']) => command.replace(/ +[#&|;>].*$/, '').replaceAll(/"[^"]*"/g, 'TEXT'))
}

/** What isn't there, in the words of the page. */
function missingFrom(command: string): string[] {
  const words = command.split(/[\s[\]()]+/).filter((word) => word !== '')
  let current: Command = program
  let depth = 0
  for (; depth < words.length; depth += 1) {
    const next = current.commands.find((one) => one.name() === words[depth])
    if (next === undefined) break
    current = next
  }
  if (current === program || current.commands.length > 0) return [words[depth] ?? '(a subcommand)']
  const known = [...current.options, ...program.options].flatMap(({ long, short }) => [long, short])
  return words
    .slice(depth)
    .filter((word) => /^--?[a-z]/.test(word) && !known.includes(word) && word !== '--help')
}

it.each(PAGES)('%s', (page) => {
  const commands = commandsIn(readFileSync(join(ROOT, page), 'utf8'))
  const wrong = commands.flatMap((command) =>
    missingFrom(command).map((what) => `pledged ${command}: ${what}`),
  )
  expect(wrong).toEqual([])
})

it('would find one that is not there', () => {
  expect(commandsIn('`pledged tx undo 7.1` and\n$ pledged tx list --backwards | head\n')).toEqual([
    'tx undo 7.1',
    'tx list --backwards',
  ])
  expect(missingFrom('tx undo 7.1')).toEqual(['undo'])
  expect(missingFrom('tx list --backwards')).toEqual(['--backwards'])
  expect(missingFrom('tx list [--all] --limit 3')).toEqual([])
})
