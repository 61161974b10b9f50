import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { linkCases } from '../conformance/index.ts'
import { Recorder } from '../conformance/recorder.ts'
import { WorkerDialer } from './worker-dialer.ts'

const thread = new URL(`./peer-thread${extname(import.meta.filename)}`, import.meta.url)

function dialerTo(peer: string, workers: Worker[] = []): WorkerDialer {
  return new WorkerDialer({
    name: 'peer',
    limits: { linkCloseTimeoutMs: 50 },
    makeWorker: () => {
      const worker = new Worker(thread, { workerData: peer })
      workers.push(worker)
      return worker
    },
  })
}

describe('the worker link', () => {
  it.each(linkCases)('$name', async (linkCase) => {
    await expect(linkCase.run({ dialer: (peer) => dialerTo(peer) })).resolves.toBeUndefined()
  })

  it('fails the dial with the error of a thread that dies before it has introduced itself', async () => {
    const dialer = dialerTo('throws')
    const recorder = new Recorder()
    dialer.dial(recorder, recorder.failed)
    await recorder.until(() => recorder.callbacks > 0)
    expect(recorder.failures).toEqual(['the worker thread of participant "peer" failed: no such module'])
    await dialer.close()
    expect(recorder.callbacks).toBe(1)
  })

  it('fails the dial when no thread can be made', async () => {
    const recorder = new Recorder()
    const dialer = new WorkerDialer({
      name: 'peer',
      makeWorker: () => {
        throw new Error('out of threads')
      },
    })
    dialer.dial(recorder, recorder.failed)
    expect(recorder.callbacks).toBe(0)
    await recorder.until(() => recorder.callbacks > 0)
    expect(recorder.failures).toEqual(['out of threads'])
  })

  it('ends a thread that does not end by itself, and only then starts the next', async () => {
    const workers: Worker[] = []
    const dialer = dialerTo('hangs', workers)
    const recorder = new Recorder()
    dialer.dial(recorder, recorder.failed)
    await recorder.until(() => recorder.opens.length === 1)
    let exited = false
    workers[0]?.on('exit', () => {
      exited = true
    })
    recorder.opens[0]?.close('quarantined')
    dialer.dial(recorder, recorder.failed)
    await recorder.until(() => recorder.opens.length === 2)
    expect(exited).toBe(true)
    await dialer.close()
  })
})
