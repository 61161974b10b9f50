/**
 * What operators do about a transaction that is in doubt, each from the same beginning: commit is decided, the sink has
 * committed, and the offset store was killed after its vote. A real daemon, real files, the built program.
 */
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { connect } from '../../src/sdk/client/index.ts'
import { Left } from './left.ts'

const WITHIN = { timeout: 60_000, interval: 300 }

let left: Left
let xid: string

beforeEach(async () => {
  left = await Left.create()
  const { code, stdout, stderr } = await left.demo('--json')
  expect(code, stderr).toBe(0)
  xid = (JSON.parse(stdout) as { xid: string }).xid
}, 120_000)

afterEach(() => left[Symbol.asyncDispose](), 60_000)

/** The audit, oldest first: action, participant, reason, result. */
async function audit(...flags: readonly string[]): Promise<string[]> {
  const { events } = await left.ask('audit', ...flags)
  const rows = events as { action: string; participant: string; reason: string; result: string }[]
  return rows
    .map(({ action, participant, reason, result }) => `${action} ${participant} (${reason}): ${result}`)
    .toReversed()
}

async function transactionState(): Promise<unknown> {
  return (await left.ask('tx', 'show', xid))['state']
}

it('a broken pledge is found out, explained, and closed by who has mended it', async () => {
  // By hand, past the daemon, while nobody serves it: the offset store forgets what it has pledged.
  expect(left.edit('offsets.db', 'DELETE FROM pledged_in_doubt')).toBe(1)
  left.serveOffsets()
  await expect.poll(async () => (await left.ask('tx', 'show', xid))['heuristic'], WITHIN).toBe(true)

  const page = (await left.run('tx', 'show', '1.1')).stdout
  expect(page).toMatch(/^\S+ {2}committed, heuristic; /)
  expect(page).toMatch(/^ {2}sink .* committed$/m)
  expect(page).toMatch(
    /^ {2}offsets .* ABORTED AGAINST THE DECISION {2}there is no witness that it committed$/m,
  )
  expect(page).toMatch(
    /^why {3}"offsets" aborted, and the decision is to commit: .*the evidence: there is no witness/m,
  )
  expect(page).toMatch(/^do {4}compare what "offsets" holds/m)
  expect(page).toMatch(/^ {6}mended\? pledged tx acknowledge 1\.1 --reason TEXT$/m)
  const check = await left.run('check')
  expect(check).toMatchObject({
    code: 2,
    stdout: expect.stringMatching(/^CRITICAL 0 in doubt; 1 broken pledge \|/),
  })
  const broken = await left.run('tx', 'list', '--heuristic')
  expect(broken.stdout.split('\n')[1]).toMatch(new RegExp(`^${xid}\tcommitted, heuristic\t`))

  // Its decision stands, whatever an operator would like.
  const refused = await left.run('tx', 'resolve', '1.1', '--abort', '--reason', 'let it go')
  expect(refused.code, refused.stderr).toBe(1)
  expect(refused.stderr).toMatch(/^refused: commit was decided at .* and "sink" has committed\.$/m)

  // A restart doesn't forget it.
  await left.endDaemon('SIGKILL')
  left.start('serve', '--config', 'pledged-demo.yaml')
  await expect.poll(async () => (await left.run('check')).stdout, WITHIN).toMatch(/1 broken pledge/)

  const mend = "INSERT INTO offsets (group_name, topic, partition, position) VALUES ('demo', 'events', 0, 50)"
  expect(left.edit('offsets.db', mend)).toBe(1)
  const acknowledged = await left.run('tx', 'acknowledge', '1.1', '--reason', 'offset set by hand')
  expect(acknowledged).toMatchObject({ code: 0, stdout: `acknowledged: ${xid} is reported no more\n` })
  const after = await left.run('check')
  expect(after).toMatchObject({ code: 0, stdout: 'OK 0 in doubt\n' })
  const closed = (await left.run('tx', 'show', xid)).stdout
  expect(closed).toMatch(/^ {2}.* an operator: acknowledged by .*: offset set by hand$/m)
  expect(closed).not.toContain('mended?')
  expect(await left.run('tx', 'acknowledge', xid, '--reason', 'again')).toMatchObject({ code: 1 })
  expect(await audit('--xid', '1.1')).toEqual(['AcknowledgeTransaction  (offset set by hand): acknowledged'])
})

it('a participant that is gone for ever is waited for no longer', async () => {
  rmSync(join(left.directory, 'offsets.db'))
  const command = ['tx', 'forget-branch', '1.1', '--participant', 'offsets', '--reason', 'disk lost'] as const
  const dry = await left.run(...command, '--dry-run')
  expect(dry.code, dry.stderr).toBe(0)
  expect(dry.stdout).toMatch(/no longer delivered to "offsets": how its branch ends there, nobody will know/)
  expect(await left.run(...command)).toMatchObject({ code: 64, stdout: '' })
  expect(await left.run(...command, '--confirm', '1.2')).toMatchObject({ code: 64, stdout: '' })
  expect(await transactionState()).toBe('committing')

  const done = await left.run(...command, '--confirm', '1.1')
  expect(done.code, done.stderr).toBe(0)
  await expect.poll(transactionState, WITHIN).toBe('committed')
  const page = (await left.run('tx', 'show', '1.1')).stdout
  expect(page).toMatch(/^ {2}offsets .* given up/m)
  expect(page).toMatch(
    /^why {3}an operator gave up the branch of "offsets": how it ended there is not known\.$/m,
  )
  expect(page).toMatch(/ an operator: given up by .*: disk lost$/m)
  await expect.poll(async () => (await left.run('check')).stdout, WITHIN).toBe('OK 0 in doubt\n')
  expect(await left.run(...command, '--confirm', '1.1')).toMatchObject({ code: 1 })
  expect(await audit()).toEqual(['ForgetBranch offsets (disk lost): given up'])
})

it('a participant that is paused is told nothing, through a restart as well, and all when it is resumed', async () => {
  const paused = await left.run('participant', 'pause', 'offsets', '--reason', 'moving its volume')
  expect(paused).toMatchObject({ code: 0, stdout: 'offsets is paused; 1 branch in doubt waits\n' })
  await left.endDaemon('SIGKILL')
  left.start('serve', '--config', 'pledged-demo.yaml')
  const offsets = left.serveOffsets()
  await expect.poll(() => offsets.said, WITHIN).toContain('offsets attached')

  const shown = (await left.run('participant', 'show', 'offsets')).stdout
  expect(shown).toMatch(/^state\tpaused since .*, by .*: moving its volume$/m)
  expect(shown).toMatch(/^do {4}pledged participant resume offsets$/m)
  expect(shown).toContain(`${xid}\tcommitting\t`)
  expect((await left.run('tx', 'show', xid)).stdout).toMatch(
    /^why {3}"offsets" is paused by .*: moving its volume\./m,
  )
  expect((await left.run('tx', 'retry', xid)).code).toBe(0)
  expect(await left.run('diff', '--participant', 'offsets')).toMatchObject({ code: 75 })
  expect((await left.run('check')).stdout).toMatch(/paused: offsets/)
  await using coordinator = connect({ address: left.address })
  const refused = coordinator.execute([{ participant: 'offsets', work: {} }])
  await expect(refused).resolves.toMatchObject({ message: expect.stringContaining('paused') })
  expect(await transactionState()).toBe('committing')
  expect(left.count('offsets.db', 'SELECT count(*) FROM pledged_in_doubt')).toBe(1)

  const resumed = await left.run('participant', 'resume', 'offsets')
  expect(resumed.code, resumed.stderr).toBe(0)
  await expect.poll(transactionState, WITHIN).toBe('committed')
  expect(left.count('offsets.db', 'SELECT position FROM offsets')).toBe(50)
  await expect.poll(async () => (await left.run('check')).stdout, WITHIN).toBe('OK 0 in doubt\n')
  expect(await audit()).toEqual([
    'PauseParticipant offsets (moving its volume): paused',
    expect.stringMatching(/^RetryTransaction /),
    'ResumeParticipant offsets (): resumed',
  ])
  expect(await left.run('participant', 'pause', 'nobody', '--reason', 'x')).toMatchObject({ code: 66 })
})

it('another resource under a known name is told nothing, and the right one all when it is back', async () => {
  const configuration = readFileSync(join(left.directory, 'pledged-demo.yaml'), 'utf8')
  const [, listen = ''] = /address: "([^"]+)"/.exec(configuration) ?? []
  const serve = ['participant', 'serve', 'offsets', '--name', 'offsets', '--listen', listen] as const
  const impostor = left.start(...serve, '--file', 'another.db')
  const state = async () => (await left.ask('participant', 'show', 'offsets'))['state']
  await expect.poll(state, WITHIN).toBe('quarantined')
  const page = (await left.run('tx', 'show', xid)).stdout
  expect(page).toMatch(/^why {3}"offsets" is quarantined: /m)
  expect(page).toMatch(/^do {4}give the name back to the resource that it was bound to/m)
  expect((await left.run('participant', 'show', 'offsets')).stdout).toMatch(
    /^why {3}it is not what its name is/m,
  )
  expect((await left.run('check')).stdout).toMatch(/quarantined: offsets/)
  expect(await transactionState()).toBe('committing')

  const gone = once(impostor.child, 'exit')
  impostor.child.kill('SIGKILL')
  await gone
  left.start(...serve, '--file', 'offsets.db')
  expect((await left.run('tx', 'retry', xid)).code).toBe(0)
  await expect.poll(transactionState, WITHIN).toBe('committed')
  await expect.poll(async () => (await left.run('check')).stdout, WITHIN).toBe('OK 0 in doubt\n')
  expect(left.count('offsets.db', 'SELECT position FROM offsets')).toBe(50)
})

it('a branch of a log that is lost is ended by a person, as they say', async () => {
  await left.endDaemon('SIGKILL')
  rmSync(join(left.directory, 'pledged-demo-log'), { recursive: true })
  // As if that were long ago: a log that was seen lately has a daemon that lives.
  expect(left.edit('offsets.db', 'UPDATE pledged_logs SET last_seen_ms = 1')).toBe(1)
  left.start('serve', '--config', 'pledged-demo.yaml')
  const offsets = left.serveOffsets()
  await expect.poll(() => offsets.said, WITHIN).toContain('1 prepared')

  const diff = await left.run('diff', '--participant', 'offsets')
  expect(diff.stdout.split('\n')[1]).toMatch(
    new RegExp(`^offsets\t${xid}\tforeign \\(dead\\)\t\\S.*\tunknown\t`),
  )
  expect(await left.run('check')).toMatchObject({ code: 1, stdout: expect.stringContaining('offsets') })
  expect((await left.run('participant', 'show', 'offsets')).stdout).toMatch(
    /^do {4}pledged diff --participant offsets$/m,
  )

  const command = [
    'tx',
    'forget-branch',
    xid,
    '--participant',
    'offsets',
    '--reason',
    'the sink has it',
  ] as const
  expect(await left.run(...command, '--commit')).toMatchObject({ code: 64 })
  const done = await left.run(...command, '--commit', '--confirm', xid)
  expect(done.code, done.stderr).toBe(0)
  expect(done.stdout).toMatch(/"offsets" is told to commit/)
  await expect.poll(() => left.count('offsets.db', 'SELECT count(*) FROM pledged_in_doubt'), WITHIN).toBe(0)
  expect(left.count('offsets.db', 'SELECT position FROM offsets')).toBe(50)
  await expect.poll(async () => (await left.run('check')).stdout, WITHIN).toBe('OK 0 in doubt\n')
  expect(await audit('--xid', xid)).toEqual(['ForgetBranch offsets (the sink has it): told to commit'])
})
