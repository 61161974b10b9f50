import { describe, expect, it } from 'vitest'
import { painter } from './style.ts'
import { renderTable } from './table.ts'

const table = {
  heading: ['XID', 'STATE', 'LAST ERROR'],
  rows: [
    [
      '7.1',
      { text: 'committing', style: 'yellow' as const },
      'connection refused by a host that is far away',
    ],
    ['7.1042', 'aborted', 'zwölf €'],
  ],
}

describe('on a terminal', () => {
  it('aligns columns and cuts the last one at the edge', () => {
    const layout = { isTerminal: true, columns: 40, paint: painter(false) }
    expect(renderTable(table, layout)).toBe(
      [
        'XID     STATE       LAST ERROR',
        '7.1     committing  connection refused…',
        '7.1042  aborted     zwölf €',
        '',
      ].join('\n'),
    )
  })

  it('paints what it has measured without the paint', () => {
    const layout = { isTerminal: true, columns: 40, paint: painter(true) }
    const [heading, first] = renderTable(table, layout).split('\n')
    expect(heading).toBe(
      '\u001b[1mXID\u001b[22m     \u001b[1mSTATE\u001b[22m       \u001b[1mLAST ERROR\u001b[22m',
    )
    expect(first).toBe('7.1     \u001b[33mcommitting\u001b[39m  connection refused…')
  })

  it('leaves the last column whole where hardly any room is left', () => {
    const layout = { isTerminal: true, columns: 24, paint: painter(false) }
    expect(renderTable(table, layout)).toContain('connection refused by a host that is far away')
  })
})

it('is separated by tabs and whole elsewhere', () => {
  const layout = { isTerminal: false, columns: undefined, paint: painter(false) }
  expect(renderTable(table, layout).split('\n')).toEqual([
    'XID\tSTATE\tLAST ERROR',
    '7.1\tcommitting\tconnection refused by a host that is far away',
    '7.1042\taborted\tzwölf €',
    '',
  ])
})

it("keeps somebody's words from steering the terminal, or from breaking a row", () => {
  const layout = { isTerminal: false, columns: undefined, paint: painter(false) }
  const hostile = { heading: ['A'], rows: [['one\ntwo\t\u001b[2Jthree\u202e']] }
  expect(renderTable(hostile, layout)).toBe('A\none two [2Jthree\n')
})
