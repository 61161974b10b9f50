/**
 * A configuration file as a document: its content with `${VAR}` filled in, and for each path in it the line on
 * which it stands, so that every mistake can be named with its place.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import type { Environment } from './options.ts'

export type Path = readonly (string | number)[]

export interface Misplaced {
  readonly path: Path
  readonly line: number
  readonly text: string
}

export interface ConfigurationDocument {
  /** Plain values; an empty file is an empty mapping. */
  readonly content: unknown
  readonly mistakes: readonly Misplaced[]
  /** Of the deepest part of the path that is in the file, counted from 1. */
  lineOf(path: Path): number
}

export function readConfigurationDocument(text: string, env: Environment): ConfigurationDocument {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: true })
  const lineAt = (offset: number): number => lineCounter.linePos(offset).line
  const lineOf = (path: Path): number => lineAt(offsetOf(document.contents, path))
  // The first alone: the others mostly follow from it.
  const broken = document.errors.slice(0, 1).map((error) => ({
    path: [],
    line: lineAt(error.pos[0]),
    text: `is not YAML that can be read: ${withoutContent(error)}`,
  }))
  // Of a text that can't be read, nothing else can be said reliably.
  if (broken.length > 0) return { content: {}, mistakes: broken, lineOf }
  const mistakes: Misplaced[] = []
  substitute(
    document.contents,
    [],
    (path, variable) => {
      mistakes.push({ path, line: lineOf(path), text: `the environment has no variable ${variable}` })
    },
    env,
  )
  try {
    return { content: document.toJS() ?? {}, mistakes, lineOf }
  } catch (error) {
    // An alias that leads nowhere, or that multiplies without bound.
    const problem = { path: [], line: 1, text: `can not be resolved: ${(error as Error).message}` }
    return { content: {}, mistakes: [...mistakes, problem], lineOf }
  }
}

/** What the parser quotes may be the password in a URL. */
function withoutContent({ message }: Error): string {
  return message.replace(/[:"][^]*$/, '')
}

type Missing = (path: Path, variable: string) => void

/** Fills in the variables of all values (not of keys), in place. */
function substitute(node: Node | null, path: Path, missing: Missing, env: Environment): void {
  if (isScalar(node)) {
    if (typeof node.value === 'string') node.value = fillIn(node.value, (name) => missing(path, name), env)
  } else if (isMap(node)) {
    for (const { key, value } of node.items) {
      substitute(value as Node | null, [...path, String(isScalar(key) ? key.value : key)], missing, env)
    }
  } else if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) substitute(item as Node, [...path, index], missing, env)
  }
}

/** `${VAR}`; `$${VAR}` stands for the text itself. */
function fillIn(text: string, missing: (name: string) => void, env: Environment): string {
  return text.replace(/(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (whole, escape: string, name: string) => {
    if (escape !== '') return whole.slice(1)
    const value = env[name]
    if (value === undefined) missing(name)
    return value ?? whole
  })
}

function offsetOf(root: Node | null, path: Path): number {
  let node: unknown = root
  let offset = root?.range?.[0] ?? 0
  for (const part of path) {
    if (isAlias(node)) break
    let next: unknown
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part))
      if (pair === undefined) break
      offset = (pair.key as Node).range?.[0] ?? offset
      next = pair.value
    } else if (isSeq(node) && typeof part === 'number') {
      const item = node.items[part] as Node | undefined
      if (item === undefined) break
      offset = item.range?.[0] ?? offset
      next = item
    } else break
    node = next
  }
  return offset
}
