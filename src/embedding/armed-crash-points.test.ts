import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { noCrashPoints } from '../base/crash-points.ts'
import {
  armCrashPoints,
  armOpeningCrashPoint,
  armParticipantCrashPoints,
  type ParentChannel,
} from './armed-crash-points.ts'

class Parent implements ParentChannel {
  readonly sent: unknown[] = []
  #listen: ((message: unknown) => void) | undefined
  send(message: unknown): void {
    this.sent.push(message)
  }
  onMessage(listen: (message: unknown) => void): void {
    this.#listen = listen
  }
  say(message: unknown): void {
    this.#listen?.(message)
  }
}

const MODULE = new URL('./armed-crash-points.ts', import.meta.url).href

describe('armCrashPoints', () => {
  it('is inert without the variable', () => {
    expect(armCrashPoints({})).toBe(noCrashPoints)
    expect(armCrashPoints({ PLEDGED_CRASH_POINT: '' })).toBe(noCrashPoints)
  })

  it('kills the process itself at the pass that was asked for, and once', () => {
    const killed: number[] = []
    const kill = (pid: number) => killed.push(pid)
    const points = armCrashPoints({ PLEDGED_CRASH_POINT: 'coordinator.append.posted@3' }, { kill })
    for (let pass = 0; pass < 2; pass += 1) points.pass('coordinator.append.posted')
    points.pass('coordinator.append.durable')
    expect(killed).toEqual([])
    points.pass('coordinator.append.posted')
    points.pass('coordinator.append.posted')
    expect(killed).toEqual([process.pid])
  })

  it.each(['nonsense', 'coordinator.append.posted@0', 'coordinator.append.posted@1@2', 'toString'])(
    'refuses %s',
    (value) => {
      expect(() => armCrashPoints({ PLEDGED_CRASH_POINT: value })).toThrowError(/crash point|NAME@COUNT/)
    },
  )

  it('is armed over the channel, for another process, once for each arming', () => {
    const parent = new Parent()
    const killed: number[] = []
    const kill = (pid: number) => killed.push(pid)
    const points = armCrashPoints({ PLEDGED_CRASH_POINT: 'ipc' }, { kill, parent })
    points.pass('coordinator.vote.received')
    parent.say({ type: 'other' })
    parent.say({ type: 'arm', point: 'coordinator.vote.received', after: 2, kill: 4242 })
    points.pass('coordinator.vote.received')
    expect(killed).toEqual([])
    points.pass('coordinator.vote.received')
    points.pass('coordinator.vote.received')
    expect(killed).toEqual([4242])
    expect(parent.sent).toEqual([
      { type: 'armed', point: 'coordinator.vote.received', after: 2 },
      { type: 'fired', point: 'coordinator.vote.received' },
    ])
    parent.say({ type: 'arm', point: 'coordinator.vote.received' })
    points.pass('coordinator.vote.received')
    expect(killed).toEqual([4242, process.pid])
  })

  it.each([
    { point: 'nonsense' },
    { point: 'coordinator.append.posted', after: 0 },
    {},
    { point: 'coordinator.append.posted', kill: -1 },
  ])('answers %o with a reason', (arming) => {
    const parent = new Parent()
    const points = armCrashPoints({ PLEDGED_CRASH_POINT: 'ipc' }, { parent })
    parent.say({ type: 'arm', ...arming })
    expect(parent.sent).toEqual([
      { type: 'refused', reason: expect.stringMatching(/crash point|pass|process id/) },
    ])
    points.pass('coordinator.append.posted')
  })

  it('arms a worker thread only for the points of a participant', () => {
    expect(armParticipantCrashPoints({ PLEDGED_CRASH_POINT: 'coordinator.append.posted' })).toBe(
      noCrashPoints,
    )
    expect(armParticipantCrashPoints({ PLEDGED_CRASH_POINT: 'ipc' })).toBe(noCrashPoints)
    expect(armParticipantCrashPoints({ PLEDGED_CRASH_POINT: 'participant.vote.before-send' })).not.toBe(
      noCrashPoints,
    )
  })

  it.each([
    ['coordinator.opening.fenced', 'checkpoint'],
    ['coordinator.opening.checked', 'replay'],
    // An opening passes it once.
    ['coordinator.opening.fenced@2', undefined],
    ['coordinator.append.posted', undefined],
    ['ipc', undefined],
    ['', undefined],
  ])('%s ends the process as its log enters the stage %s', (value, stage) => {
    expect(armOpeningCrashPoint({ PLEDGED_CRASH_POINT: value })).toBe(stage)
  })

  it('ends a real process by SIGKILL, without another line', () => {
    const program = `import { armCrashPoints } from ${JSON.stringify(MODULE)}
      armCrashPoints(process.env).pass('coordinator.answer.sent')
      console.log('survived')`
    const { signal, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, PLEDGED_CRASH_POINT: 'coordinator.answer.sent' },
      encoding: 'utf8',
    })
    expect({ signal, stdout }).toEqual({ signal: 'SIGKILL', stdout: '' })
  })

  it('arms a real child over IPC', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pledged-crash-'))
    const program = join(folder, 'program.mjs')
    writeFileSync(
      program,
      `import { armCrashPoints } from ${JSON.stringify(MODULE)}
      const points = armCrashPoints(process.env)
      process.on('message', () => setImmediate(() => points.pass('coordinator.end.posted')))
      process.channel.ref()`,
    )
    const child = fork(program, { env: { ...process.env, PLEDGED_CRASH_POINT: 'ipc' } })
    child.send({ type: 'arm', point: 'coordinator.end.posted' })
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    rmSync(folder, { recursive: true })
    expect(signal).toBe('SIGKILL')
  })
})
