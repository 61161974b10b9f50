import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { ConnectionGuard, type GuardRules } from './guard.ts'

type Callback = (error: unknown, result?: unknown) => void

/** A driver of each kind: callbacks, promises and events. */
class Driver extends EventEmitter {
  readonly #secret = 'its own'
  readonly asked: unknown[] = []
  answers: ((error: unknown) => void)[] = []

  query(sql: string, callback?: Callback): unknown {
    this.asked.push(sql)
    if (callback !== undefined) {
      this.answers.push((error) => callback(error, this.#secret))
      return undefined
    }
    const answer = Promise.withResolvers<unknown>()
    this.answers.push((error) =>
      error === null ? answer.resolve(this.#secret) : answer.reject(error as Error),
    )
    return answer.promise
  }

  stream(sql: string): EventEmitter {
    this.asked.push(sql)
    const events = new EventEmitter()
    this.answers.push((error) => (error === null ? events.emit('end') : events.emit('error', error)))
    return events
  }

  close(): void {
    this.asked.push('close')
  }

  escape(text: string): string {
    return `'${text}'`
  }

  release(): void {
    this.asked.push('release')
  }
}

function guarded(rules: Partial<GuardRules> = {}): { driver: Driver; guard: ConnectionGuard<Driver> } {
  const driver = new Driver()
  const guard = new ConnectionGuard(driver, {
    branch: 'the branch',
    statements: new Set(['query', 'stream']),
    refused: { close: 'leave it open' },
    harmless: new Set(['escape']),
    failsBy: 'rejecting',
    textOf: (statement) => (typeof statement === 'string' ? statement : undefined),
    objectionTo: (sql) => (sql === 'COMMIT' ? 'not that one' : undefined),
    ...rules,
  })
  return { driver, guard }
}

describe('a guarded connection', () => {
  it('is like the real one, which does what it is asked', async () => {
    const { driver, guard } = guarded()
    expect(guard.handle).toBeInstanceOf(Driver)
    expect(guard.handle.on('x', () => {})).toBe(guard.handle)
    const answer = guard.handle.query('SELECT 1')
    driver.answers[0]?.(null)
    expect(await answer).toBe('its own')
    guard.handle.release()
    expect(driver.asked).toEqual(['SELECT 1'])
  })

  it('refuses by the way in which an answer would come', async () => {
    const { driver, guard } = guarded()
    await expect(guard.handle.query('COMMIT')).rejects.toThrow('the branch: not that one')
    const called = Promise.withResolvers<unknown>()
    guard.handle.query('COMMIT', called.resolve)
    expect(await called.promise).toMatchObject({ code: 'INVALID_REQUEST' })
    await expect(guard.handle.close()).rejects.toThrow('close() is not for a branch: leave it open')
    expect(() => guarded({ failsBy: 'throwing' }).guard.handle.close()).toThrow('leave it open')
    expect(driver.asked).toEqual([])
  })

  it('takes nothing after its end but what concerns nobody else', async () => {
    const { driver, guard } = guarded()
    const kept = (sql: string): unknown => guard.handle.query(sql)
    guard.end()
    await expect(kept('SELECT 1')).rejects.toThrow(/its work has ended/)
    expect(guard.handle.escape('a')).toBe("'a'")
    guard.handle.release()
    expect(driver.asked).toEqual([])
  })
})

describe('statements in flight', () => {
  it('are waited for, and what the first of them failed with is thrown', async () => {
    const { driver, guard } = guarded()
    void guard.handle.query('promised')
    guard.handle.query('called', () => {})
    guard.handle.stream('streamed').on('error', () => {})
    expect(guard.inFlight).toBe(3)
    const settled = guard.settled()
    driver.answers[0]?.(null)
    driver.answers[1]?.(new Error('second'))
    driver.answers[2]?.(new Error('third'))
    await expect(settled).rejects.toThrow('second')
    expect(guard.inFlight).toBe(0)
    await guard.settled()
  })

  it('may start others as they are answered', async () => {
    const { driver, guard } = guarded()
    guard.handle.query('first', () => guard.handle.query('second', () => {}))
    const settled = guard.settled()
    driver.answers[0]?.(null)
    await expect.poll(() => driver.asked).toEqual(['first', 'second'])
    driver.answers[1]?.(new Error('of the second'))
    await expect(settled).rejects.toThrow('of the second')
  })

  it('that wait for a call are told when the connection is given up, and once', async () => {
    const { driver, guard } = guarded()
    const heard: unknown[] = []
    guard.handle.query('called', (error) => heard.push(error))
    guard.giveUp('over')
    driver.answers[0]?.(null)
    expect(heard).toEqual(['over'])
    await guard.settled().catch(() => {})
    expect(guard.inFlight).toBe(0)
  })

  it('leave an error that nobody listens for to the process, as the driver would', () => {
    const { driver, guard } = guarded()
    guard.handle.stream('streamed')
    expect(() => driver.answers[0]?.(new Error('unheard'))).toThrow('unheard')
  })
})
