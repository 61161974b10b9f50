import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { conformanceCases } from './cases/index.ts'
import {
  type CaseResult,
  type ConformanceOptions,
  type ConformanceReport,
  runConformance,
  workTemplateOf,
} from './index.ts'
import { BREAKS, type Break } from './testing/model-breaks.ts'
import { type ModelOptions, ModelParticipant } from './testing/model-participant.ts'

const works = {
  work: workTemplateOf('put {n}'),
  conflicting: [workTemplateOf('lock {n} a'), workTemplateOf('lock {n} b')],
  refused: [workTemplateOf('refuse {n}')],
  hostile: [workTemplateOf('DROP TABLE {n}')],
} as const

async function run(
  model: ModelParticipant,
  options: Omit<ConformanceOptions, 'address'> = {},
): Promise<ConformanceReport> {
  await model.start()
  return await runConformance({
    address: model.address,
    works,
    restart: model.restart,
    timeoutMs: 2_000,
    rounds: 6,
    ...options,
  })
}

async function runModel(
  modelOptions: ModelOptions,
  options: Omit<ConformanceOptions, 'address'> = {},
): Promise<ConformanceReport & { held: readonly string[] }> {
  await using model = new ModelParticipant(modelOptions)
  const report = await run(model, options)
  return { ...report, held: model.held }
}

const breaks = Object.entries(BREAKS) as readonly (readonly [Break, string])[]

describe('the conformance suite', () => {
  it('passes a participant that keeps every rule, and leaves nothing behind', async () => {
    const report = await runModel({})
    expect(report.toFix).toEqual([])
    expect(report).toMatchObject({ failed: 0, warnings: 0, skipped: 0, left: [], held: [] })
    expect(report.passed).toBe(conformanceCases.length)
    expect(report.participant).toMatchObject({ kind: 'model', keepsWitnesses: true })
  })

  it.each(breaks)('finds: %s', async (mistake, name) => {
    const report = await runModel({ breaks: [mistake] }, { only: [name] })
    const found = report.cases.find((one) => one.name === name)
    expect(found).toMatchObject({ result: 'failed' })
    expect(found?.advice).not.toBe('')
    expect(report.toFix[0]?.result).toBe('failed')
  })

  it('has a mistake for every case', () => {
    expect(new Set(breaks.map(([, name]) => name))).toEqual(new Set(conformanceCases.map(({ name }) => name)))
  })

  it('is told case by case in docs/conformance.md', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/conformance.md'), 'utf8')
    const told = page.match(/^\| [0-9]+ .*$/gm)?.map((row) => row.split('|').map((cell) => cell.trim()))
    expect(told?.map(([, number, name, rule]) => ({ number, name, rule }))).toEqual(
      conformanceCases.map(({ name, rule }, index) => ({
        number: `${index + 1}`,
        name: `\`${name}\``,
        rule,
      })),
    )
  })

  it('takes a participant without evidence for what it is', async () => {
    const report = await runModel({ evidence: false })
    expect(report).toMatchObject({ failed: 0, participant: undefined, left: [], held: [] })
    expect(resultOf(report, 'describe')).toMatchObject({
      result: 'warning',
      seen: expect.stringContaining('without evidence') as string,
    })
    expect(resultOf(report, 'evidence')).toMatchObject({ result: 'skipped', seen: 'it keeps no witnesses' })
  })

  it('says what it could not try, and why', async () => {
    const report = await runModel({}, { works: undefined, restart: undefined })
    expect(report).toMatchObject({ failed: 0, warnings: 0, left: [], held: [] })
    const skipped = report.cases.filter(({ result }) => result === 'skipped')
    expect(Object.fromEntries(skipped.map(({ name, seen }) => [name, seen]))).toEqual({
      'refused-work': 'no work was given that has to be refused',
      conflict: 'no two conflicting works were given',
      'other-work': 'the work has no {n}: all of it is the same',
      'older-epoch-after-crash': 'no restart command was given',
      'crash-after-yes': 'no restart command was given',
      'crash-after-commit': 'no restart command was given',
      'crash-after-abort': 'no restart command was given',
      'crash-among-prepares': 'no restart command was given',
      'crash-among-commits': 'no restart command was given',
    })
  })

  it('asks for work that is voted yes, where it was given none', async () => {
    const report = await runModel(
      {},
      { works: { work: workTemplateOf('refuse') }, only: ['vote-yes', 'commit'] },
    )
    expect(resultOf(report, 'vote-yes')).toMatchObject({
      result: 'failed',
      seen: 'it answered VOTE_NO ("refused")',
      advice: expect.stringContaining('Give work') as string,
    })
    expect(resultOf(report, 'commit')).toMatchObject({
      result: 'skipped',
      seen: expect.stringContaining('no yes vote to go on with') as string,
    })
  })

  it('notices a restart that restarts nothing', async () => {
    const report = await runModel({}, { restart: async () => {}, only: ['crash-after-yes'] })
    expect(resultOf(report, 'crash-after-yes')).toMatchObject({
      result: 'failed',
      seen: expect.stringContaining('stood all the while') as string,
    })
  })

  it('goes on after a crash that a case caused, and ends where nothing comes back', async () => {
    const breaks = ['hostile work ends it'] as const
    const revived = await runModel({ breaks }, { only: ['hostile-work', 'hostile-messages'] })
    expect(resultOf(revived, 'hostile-messages')).toMatchObject({ result: 'passed' })
    const options = { only: ['hostile-work', 'hostile-messages'], restart: undefined }
    const dead = await runModel({ breaks }, options)
    expect(resultOf(dead, 'hostile-messages')).toMatchObject({
      result: 'skipped',
      seen: 'the participant did not come back after hostile-work',
    })
  })

  it('puts the safety of transactions first', async () => {
    const report = await runModel(
      { breaks: ['an odd page token ends it', 'a second commit is broken', 'an unknown commit is done'] },
      { only: ['commit-again', 'commit-of-nothing', 'scan-odd-requests'] },
    )
    expect(report.toFix.map(({ name }) => name)).toEqual([
      'commit-of-nothing',
      'commit-again',
      'scan-odd-requests',
    ])
  })

  it('stops when it is told to', async () => {
    const stop = new AbortController()
    const report = await runModel({}, { signal: stop.signal, onCase: () => stop.abort() })
    expect(report).toMatchObject({ passed: 1, left: [], held: [] })
    expect(resultOf(report, 'vote-yes')).toMatchObject({ result: 'skipped', seen: 'the run was ended' })
  })

  it('says what is wrong with an address where nothing answers', async () => {
    const model = new ModelParticipant()
    await model.start()
    const { address } = model
    await model[Symbol.asyncDispose]()
    await expect(runConformance({ address, timeoutMs: 200 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `nothing answers at ${address} (connection refused): is the participant running, and is this its address?`,
    })
  })
})

function resultOf(report: ConformanceReport, name: string): CaseResult | undefined {
  return report.cases.find((one) => one.name === name)
}
