import { describe, expect, it } from 'vitest'
import type { ParticipantRecoveryEvent } from './participant-machine.ts'
import { ParticipantRecovery } from './participant-machine.ts'

const limits = { backoffMinMs: 100, backoffMaxMs: 1_000, scanUnsettledMs: 10_000, scanSettledMs: 60_000 }

function drive(machine: ParticipantRecovery, ...events: ParticipantRecoveryEvent[]) {
  return events.map((event) => machine.send(event)).at(-1)
}

const up = { type: 'link_up' } as const
const down = { type: 'link_down', reason: 'gone' } as const
const timer = { type: 'timer' } as const
const clean = { type: 'scanned', unsettled: false } as const
const settled = { type: 'settled' } as const

describe('the recovery machine of a participant', () => {
  it('scans a participant that dials in, delivers, and settles', () => {
    const machine = new ParticipantRecovery({ dials: false, limits })
    expect(machine.state).toBe('away')
    expect(drive(machine, up)).toEqual([{ type: 'scan' }])
    expect(drive(machine, clean)).toEqual([{ type: 'deliver' }])
    expect(drive(machine, settled)).toEqual([{ type: 'schedule', delayMs: limits.scanUnsettledMs }])
    expect(machine.state).toBe('settled')
  })

  it('looks twice, soon, for what a broken session may still prepare', () => {
    const machine = new ParticipantRecovery({ dials: false, limits })
    drive(machine, up, clean, settled, timer, clean)
    expect(drive(machine, settled)).toEqual([{ type: 'schedule', delayMs: limits.scanSettledMs }])
    expect(machine.send({ type: 'session_broken' })).toEqual([{ type: 'scan' }])
    drive(machine, clean)
    expect(drive(machine, settled)).toEqual([{ type: 'schedule', delayMs: limits.scanUnsettledMs }])
    drive(machine, timer, clean)
    expect(drive(machine, settled)).toEqual([{ type: 'schedule', delayMs: limits.scanSettledMs }])
    // Whatever it is doing at that moment it goes on with.
    drive(machine, timer)
    expect(machine.send({ type: 'session_broken' })).toEqual([])
    expect(machine.state).toBe('scanning')
  })

  it('delivers what an application leaves behind while other deliveries are under way', () => {
    const machine = new ParticipantRecovery({ dials: false, limits })
    drive(machine, up, clean)
    expect(machine.send({ type: 'owed', reason: 'its application left it' })).toEqual([{ type: 'deliver' }])
    expect(machine.state).toBe('delivering')
  })

  it('dials at once, and backs off exponentially up to a limit', () => {
    const machine = new ParticipantRecovery({ dials: true, limits })
    expect(machine.start()).toEqual([{ type: 'dial' }])
    const failed = { type: 'dial_failed', reason: 'refused' } as const
    const delays: unknown[] = []
    for (let index = 0; index < 6; index += 1) {
      delays.push(machine.send(failed))
      expect(machine.send(timer)).toEqual([{ type: 'dial' }])
    }
    expect(delays).toEqual(
      [100, 200, 400, 800, 1_000, 1_000].map((delayMs) => [{ type: 'schedule', delayMs }]),
    )
    expect(machine.lastError).toBe('refused')
  })

  it('never dials one that dials in', () => {
    const machine = new ParticipantRecovery({ dials: false, limits })
    expect(machine.start().some((action) => action.type === 'dial')).toBe(false)
    expect(machine.send(timer)).toEqual([])
  })

  it('probes with one scan after a failed delivery, then delivers everything', () => {
    const machine = new ParticipantRecovery({ dials: false, limits })
    drive(machine, up, clean, settled)
    expect(drive(machine, { type: 'delivery_failed', reason: 'busy' })).toEqual([
      { type: 'schedule', delayMs: 100 },
    ])
    expect(drive(machine, { type: 'owed', reason: 'more' })).toEqual([])
    expect(drive(machine, timer)).toEqual([{ type: 'scan' }])
    expect(drive(machine, { type: 'scan_failed', reason: 'still' })).toEqual([
      { type: 'schedule', delayMs: 200 },
    ])
    expect(drive(machine, timer, clean)).toEqual([{ type: 'deliver' }])
    drive(machine, settled)
    expect(machine.lastError).toBe('')
  })

  it('scans often until two scans in a row were clean, then rarely', () => {
    const machine = new ParticipantRecovery({ dials: false, limits })
    drive(machine, up, { type: 'scanned', unsettled: true })
    expect(drive(machine, settled)).toEqual([{ type: 'schedule', delayMs: 10_000 }])
    expect(drive(machine, timer, clean, settled)).toEqual([{ type: 'schedule', delayMs: 10_000 }])
    expect(drive(machine, timer, clean, settled)).toEqual([{ type: 'schedule', delayMs: 60_000 }])
    drive(machine, down, up, clean)
    expect(drive(machine, settled)).toEqual([{ type: 'schedule', delayMs: 10_000 }])
  })

  it.each(['scanning', 'delivering', 'settled', 'backing_off'])(
    'goes away from %s when the link is lost',
    (state) => {
      const machine = new ParticipantRecovery({ dials: false, limits })
      const path: Record<string, ParticipantRecoveryEvent[]> = {
        scanning: [up],
        delivering: [up, clean],
        settled: [up, clean, settled],
        backing_off: [up, { type: 'scan_failed', reason: 'no' }],
      }
      drive(machine, ...(path[state] ?? []))
      expect(machine.state).toBe(state)
      drive(machine, down)
      expect(machine.state).toBe('away')
      expect(machine.lastError).toBe('gone')
    },
  )

  it('quarantines an impostor until the true resource answers', () => {
    const machine = new ParticipantRecovery({ dials: true, limits })
    drive(machine, { type: 'impostor', reason: 'another database' })
    expect(machine.state).toBe('quarantined')
    expect(machine.lastError).toBe('another database')
    expect(drive(machine, timer)).toEqual([{ type: 'dial' }])
    expect(drive(machine, up)).toEqual([{ type: 'scan' }])
  })

  it('leaves a good link alone when an impostor shows up beside it', () => {
    const machine = new ParticipantRecovery({ dials: false, limits })
    drive(machine, up, clean, settled, { type: 'impostor', reason: 'another database' })
    expect(machine.state).toBe('settled')
  })
})
