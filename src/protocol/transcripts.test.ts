import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { playTranscript } from './transcripts/transcript.ts'

const folder = join(import.meta.dirname, 'transcripts')
const names = readdirSync(folder).filter((name) => name.endsWith('.txt'))

describe('the core, by transcript', () => {
  it.each(names)('%s', (name) => {
    const path = join(folder, name)
    const text = readFileSync(path, 'utf8')
    const played = playTranscript(text)
    if (process.env.UPDATE_TRANSCRIPTS === '1') writeFileSync(path, played)
    else expect(played).toBe(text)
  })

  it('fails on a core that does something else', () => {
    const text = readFileSync(join(folder, 'part-1-prepare-goes-to-all-at-once.txt'), 'utf8')
    expect(playTranscript(text)).toBe(text)
    expect(playTranscript(text.replace('yes', 'no'))).not.toBe(text)
  })
})
