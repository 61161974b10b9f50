import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { makeSocketPlace } from './socket-place.ts'

const root = mkdtempSync(join(tmpdir(), 'pledged-place-'))
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(root, { recursive: true, force: true })
})

describe('the place of the socket', () => {
  it("is its own user's alone, and goes away", () => {
    const place = makeSocketPlace(undefined)
    const directory = dirname(place.listen.slice('unix:'.length))
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    expect(place.temporaryDirectory).toBe(directory)
    expect(place.httpListen).toContain(directory)
    place.remove()
    expect(existsSync(directory)).toBe(false)
  })

  it('has a path that a socket can have, whatever TMPDIR is', () => {
    const long = join(root, 'x'.repeat(100))
    mkdirSync(long, { recursive: true })
    vi.stubEnv('TMPDIR', long)
    const place = makeSocketPlace(undefined)
    expect(place.listen.length).toBeLessThan(100)
    place.remove()
  })

  it('is chosen, made, and left', () => {
    const place = makeSocketPlace(`unix:${join(root, 'run', 'p.sock')}`)
    expect(statSync(join(root, 'run')).mode & 0o777).toBe(0o700)
    place.remove()
    expect(existsSync(join(root, 'run'))).toBe(true)
    expect(place).toMatchObject({
      temporaryDirectory: undefined,
      listen: `unix:${join(root, 'run', 'p.sock')}`,
    })
  })

  it.each([['127.0.0.1:7420'], ['unix:'], [`unix:/${'x'.repeat(120)}`], ['nowhere']])(
    'is not %s',
    (listen) => {
      expect(() => makeSocketPlace(listen)).toThrow(/^--listen: .*write unix:PATH/)
    },
  )

  it('that can not be made is told with what to do', () => {
    vi.stubEnv('TMPDIR', join(root, 'nothing'))
    expect(() => makeSocketPlace(undefined)).toThrow(/set TMPDIR/)
  })
})
