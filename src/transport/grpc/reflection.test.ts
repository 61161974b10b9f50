import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { afterAll, describe, expect, it } from 'vitest'
import { fileDescriptors } from '../../wire/file-descriptors.ts'
import { everyoneIs, type Served, serve } from './harness.ts'

const home = mkdtempSync(join(tmpdir(), 'pledged-reflection-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

/** A client of somebody else's, who has no proto files: buf curl asks as grpcurl does. */
async function bufCurl(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(
    join(import.meta.dirname, '../../../node_modules/.bin/buf'),
    ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...args],
    { env: { PATH: process.env['PATH'], HOME: home }, cwd: home },
  )
  return stdout
}

describe('reflection', () => {
  it.each(['grpc-v1', 'grpc-v1alpha'])('tells by %s what can be called', async (version) => {
    await using served = await serve()
    const url = `http://${served.server.address}`
    const methods = await bufCurl('--reflect-protocol', version, '--list-methods', url)
    expect(methods.split('\n')).toEqual(
      expect.arrayContaining([
        'grpc.health.v1.Health/Check',
        'pledged.v1.AdminService/GetStatus',
        'pledged.v1.ParticipantGatewayService/AttachParticipant',
        'pledged.v1.TransactionService/ExecuteTransaction',
      ]),
    )
    // The daemon calls it; it doesn't serve it.
    expect(methods).not.toContain('ParticipantService/PrepareBranch')
  })

  it('tells the files of a symbol, so that it can be called', async () => {
    await using served = await serve()
    const url = `http://${served.server.address}/pledged.v1.AdminService/GetStatus`
    const status = JSON.parse(await bufCurl('--reflect', '-d', '{}', url)) as { inFlight: number }
    expect(status.inFlight).toBe(3)
  })

  it('tells what the contract is now: its descriptors name all of its files', () => {
    const names = fileDescriptors().map(
      (file) => /^\n.([\w/.]+\.proto)/.exec(Buffer.from(file).toString('latin1'))?.[1],
    )
    expect(names).toEqual(
      expect.arrayContaining(['pledged/v1/transaction_service.proto', 'health/v1/health.proto']),
    )
    expect(names).not.toContain(undefined)
  })
})

/** The bytes of each message that comes back, and how the stream ended. */
function ask(
  served: Served,
  questions: readonly Buffer[],
): Promise<{ answers: Buffer[]; end: string | undefined }> {
  const client = new Client(served.server.address, credentials.createInsecure())
  const asIs = (bytes: Buffer): Buffer => bytes
  const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
  const stream = client.makeBidiStreamRequest(path, asIs, asIs, new Metadata())
  const answers: Buffer[] = []
  return new Promise((resolve) => {
    const ended = (end: string | undefined): void => {
      client.close()
      resolve({ answers, end })
    }
    stream.on('data', (answer: Buffer) => answers.push(answer))
    stream.on('error', (error: ServiceError) => ended(status[error.code]))
    stream.on('end', () => ended('OK'))
    for (const question of questions) stream.write(question)
    stream.end()
  })
}

/** ServerReflectionRequest: list_services is field 7, file_containing_symbol 4. */
const text = (field: number, value: string): Buffer =>
  Buffer.concat([Buffer.from([(field << 3) | 2, value.length]), Buffer.from(value)])

describe('a stream of questions', () => {
  it('is answered one by one, in order, and one that finds nothing with an error in its answer', async () => {
    await using served = await serve({ authentication: everyoneIs('shop') })
    const { answers, end } = await ask(served, [
      text(7, '*'),
      text(4, 'pledged.v1.Nothing'),
      text(4, 'pledged.v1.BranchWork'),
    ])
    expect(end).toBe('OK')
    expect(answers).toHaveLength(3)
    expect(answers[0]?.toString('latin1')).toContain('pledged.v1.TransactionService')
    expect(answers[1]?.toString('latin1')).toContain('not found')
    expect(answers[2]?.toString('latin1')).toContain('BranchWork')
  })

  it('ends with a sentence where bytes are no question', async () => {
    await using served = await serve()
    expect(await ask(served, [text(7, '*'), Buffer.from([0xff, 0xff])])).toMatchObject({
      end: 'INVALID_ARGUMENT',
    })
    expect(await ask(served, [text(7, '*')])).toMatchObject({ end: 'OK' })
  })
})
