/** R11: a participant that keeps the highest epoch of each log finds out a coordinator on an old copy of its log. */
import { status as STATUS } from '@grpc/grpc-js'
import { drawEpoch, drawLogId } from '../../../base/ids.ts'
import { systemRandom } from '../../../base/ports.ts'
import { ParticipantServiceService as service } from '../../../wire/generated/pledged/v1/participant_service.ts'
import { callErrorOf } from '../answers.ts'
import { type Bench, requireAnswer } from '../bench.ts'
import type { Answer, Speaker } from '../caller.ts'
import { ensure } from '../finding.ts'
import type { ConformanceCase } from './conformance-case.ts'

const NUMBER = 5
const KEEP =
  'Keep, durably, the highest pledged-epoch of each pledged-log-id; refuse a lower number, and the same number with other letters, with FAILED_PRECONDITION and the reason EPOCH_SUPERSEDED.'

export const epochCases: readonly ConformanceCase[] = [
  {
    name: 'older-epoch',
    weight: 'safety',
    rule: 'A coordinator that speaks in an older epoch of its log than the participant has seen is refused.',
    why: 'It runs on an old copy of its log, and would presume aborted what its newer self has committed (R11).',
    advice: KEEP,
    run: refusesOlderEpochs,
  },
  {
    name: 'older-epoch-after-crash',
    weight: 'safety',
    rule: 'The highest epoch is known also after kill -9.',
    why: 'The old copy is started when everything is: after a power cut (R11).',
    advice: KEEP,
    needs: ['epochs', 'restart'],
    run: remembersEpochs,
  },
]

async function refusesOlderEpochs(bench: Bench): Promise<string> {
  const logId = drawLogId(systemRandom)
  const current = speakerOf(logId, NUMBER)
  const admitted = await knock(bench, current)
  ensure(
    admitted.ok,
    `a log that it never heard of was refused: ${refusalText(admitted)}`,
    'Admit logs that are new.',
  )
  const older = await knock(bench, speakerOf(logId, NUMBER - 1))
  if (older.ok) {
    bench.remark(
      `epochs are not kept: epoch ${NUMBER - 1} of a log was served after epoch ${NUMBER}, so a coordinator on an old copy of its log is not found out here`,
    )
    return 'served'
  }
  bench.keepsEpochs = true
  ensure(older.code === STATUS.FAILED_PRECONDITION, `the older epoch was answered ${refusalText(older)}`)
  const clone = await knock(bench, speakerOf(logId, NUMBER))
  ensure(
    !clone.ok,
    `another epoch with the number ${NUMBER} was served: a clone of the log would not be found out`,
  )
  const xid = bench.newXid()
  const vote = await bench.tryPrepare(xid, bench.works.next(), { speaker: speakerOf(logId, NUMBER - 1) })
  ensure(vote.error !== undefined, `a prepare in the older epoch was answered ${vote.vote}`)
  ensure(!(await bench.held()).has(xid), `a prepare in the older epoch was refused, and ${xid} is held`)
  const [same, newer] = [await knock(bench, current), await knock(bench, speakerOf(logId, NUMBER + 1))]
  ensure(same.ok, `the epoch that it had admitted was refused afterwards: ${refusalText(same)}`)
  ensure(newer.ok, `a newer epoch was refused: ${refusalText(newer)}`)
  return refusalText(older)
}

async function remembersEpochs(bench: Bench): Promise<string> {
  const logId = drawLogId(systemRandom)
  const current = speakerOf(logId, NUMBER)
  await knock(bench, current)
  await bench.crash()
  const older = await knock(bench, speakerOf(logId, NUMBER - 1))
  ensure(!older.ok, `after the restart epoch ${NUMBER - 1} was served, though epoch ${NUMBER} had been`)
  const same = await knock(bench, current)
  ensure(same.ok, `after the restart the epoch that it had admitted was refused: ${refusalText(same)}`)
  return refusalText(older)
}

async function knock(bench: Bench, speaker: Speaker): Promise<Answer<unknown>> {
  const answer = await bench.caller.ask(
    service.listPreparedBranches,
    { pageSize: 1, pageToken: '' },
    { speaker },
  )
  if (!answer.ok) requireAnswer('ListPreparedBranches', callErrorOf(answer), bench.timeoutMs)
  return answer
}

function speakerOf(logId: ReturnType<typeof drawLogId>, number: number): Speaker {
  return { logId, epoch: drawEpoch(number, systemRandom) }
}

function refusalText(answer: Answer<unknown>): string {
  return answer.ok ? 'OK' : callErrorOf(answer).text
}
