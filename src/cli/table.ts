/**
 * Rows under a heading. On a terminal they are aligned, and the last column is cut at the edge; elsewhere fields are
 * separated by tabs, whole, and the heading stays the first line.
 */
import type { Paint, Style } from './style.ts'
import { oneLine, padEnd, truncate, widthOf } from './text.ts'

export interface Cell {
  readonly text: string
  readonly style?: Style | undefined
}

export interface Table {
  /** Left out where it stands above earlier rows already. */
  readonly heading?: readonly string[] | undefined
  readonly rows: readonly (readonly (string | Cell)[])[]
}

export interface TableLayout {
  readonly isTerminal: boolean
  readonly columns: number | undefined
  readonly paint: Paint
}

const GAP = '  '
/** Narrower than that a cut column tells nothing: the line is left to the terminal to break. */
const LAST_WIDTH_MIN = 8

export function renderTable({ heading, rows }: Table, layout: TableLayout): string {
  const cells = rows.map((row) => row.map(toCell))
  const all =
    heading === undefined ? cells : [heading.map((text) => ({ text, style: 'bold' as const })), ...cells]
  const lines = layout.isTerminal
    ? aligned(all, layout)
    : all.map((row) => row.map(({ text }) => text).join('\t'))
  return lines.map((line) => `${line}\n`).join('')
}

/** Aligned lines without a heading. */
export function aligned(rows: readonly (readonly Cell[])[], { columns, paint }: TableLayout): string[] {
  const widths = columnWidths(rows)
  return rows.map((row) => {
    let used = 0
    let line = ''
    row.forEach(({ text, style }, index) => {
      const isLast = index === row.length - 1
      const shown = isLast ? fit(text, columns, used) : text
      line += paint(style, shown)
      if (isLast) return
      const padded = padEnd(shown, widths[index] ?? 0)
      line += padded.slice(shown.length) + GAP
      used += widthOf(padded) + GAP.length
    })
    return line.trimEnd()
  })
}

function fit(text: string, columns: number | undefined, used: number): string {
  if (columns === undefined) return text
  const room = columns - used
  return room < LAST_WIDTH_MIN ? text : truncate(text, room)
}

function columnWidths(rows: readonly (readonly Cell[])[]): number[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach(({ text }, index) => {
      widths[index] = Math.max(widths[index] ?? 0, widthOf(text))
    })
  }
  return widths
}

function toCell(cell: string | Cell): Cell {
  return typeof cell === 'string' ? { text: oneLine(cell) } : { ...cell, text: oneLine(cell.text) }
}
