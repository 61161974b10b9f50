/** The page of crash points is the code's: a point that nothing passes, or that the page doesn't have, fails here. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { PAGE_FILE, passingFiles, renderPage } from './crash-points-page/page.ts'

const ROOT = join(import.meta.dirname, '..')

describe('the crash points', () => {
  test('are all passed somewhere', () => {
    const orphans = [...passingFiles(ROOT)].filter(([, files]) => files.length === 0).map(([point]) => point)
    expect(orphans).toEqual([])
  })

  test('are documented as they are in the code', () => {
    const page = readFileSync(join(ROOT, PAGE_FILE), 'utf8')
    expect(page, "run 'npm run generate' and commit the result").toBe(renderPage(ROOT))
  })
})
