import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readSmallFile } from './small-file.ts'

const root = mkdtempSync(join(tmpdir(), 'pledged-small-'))
const file = join(root, 'file')

afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('a small file', () => {
  it('is read whole, up to its last byte', () => {
    for (const text of ['', 'a', 'ä'.repeat(5)]) {
      writeFileSync(file, text)
      expect(readSmallFile(file, 10).text).toBe(text)
    }
  })

  it('may be a pipe', () => {
    const pipe = join(root, 'pipe')
    execFileSync('mkfifo', [pipe])
    spawn('sh', ['-c', 'printf one > "$0"', pipe])
    expect(readSmallFile(pipe, 10).text).toBe('one')
  })

  it('is refused where it is not small, or has no end', () => {
    writeFileSync(file, 'x'.repeat(11))
    for (const path of [file, '/dev/zero'])
      expect(() => readSmallFile(path, 10)).toThrow(/more than 10 bytes/)
  })

  it('is refused where it is no file', () => {
    expect(() => readSmallFile(root, 10)).toThrow(/EISDIR/)
    expect(() => readSmallFile(join(root, 'nowhere'), 10)).toThrow(/ENOENT/)
  })
})
