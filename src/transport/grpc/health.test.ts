import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js'
import { service } from 'grpc-health-check'
import { describe, expect, it } from 'vitest'
import { PledgedError } from '../../base/errors.ts'
import { called, refusalOf, serve, until } from './harness.ts'

const HealthClient = makeGenericClientConstructor(service, 'Health')

/** A call of the health service, whose client is made at run time. */
type Check = (request: { service: string }, callback: (error: null, response: unknown) => void) => void

function healthOf(address: string) {
  const client = new HealthClient(address, credentials.createInsecure())
  return {
    check: (name: string) =>
      called((callback) => (client['check'] as Check).call(client, { service: name }, callback)),
    watch: (name: string) => {
      const seen: unknown[] = []
      const stream = client.makeServerStreamRequest(
        '/grpc.health.v1.Health/Watch',
        service['Watch']?.requestSerialize as (request: { service: string }) => Buffer,
        service['Watch']?.responseDeserialize as (bytes: Buffer) => { status: string },
        { service: name },
      )
      stream.on('data', (message: { status: string }) => seen.push(message.status))
      stream.on('error', () => seen.push('ended'))
      return seen
    },
    close: () => client.close(),
  }
}

describe('health', () => {
  it('is what `ready` says when it is asked, for the whole and for each service', async () => {
    await using served = await serve()
    const health = healthOf(served.server.address)
    for (const name of ['', 'pledged.v1.TransactionService', 'pledged.v1.AdminService']) {
      served.setReady(undefined)
      expect(await health.check(name)).toEqual({ status: 'SERVING' })
      served.setReady(new PledgedError('STARTING', 'the log is being replayed'))
      expect(await health.check(name)).toEqual({ status: 'NOT_SERVING' })
    }
    expect(await refusalOf(health.check('no.such.Service'))).toMatch(/no\.such\.Service/)
    health.close()
  })

  it('is told to those who watch, down to the end', async () => {
    const served = await serve({ limits: { serverCloseTimeoutMs: 20 } })
    const health = healthOf(served.server.address)
    const seen = health.watch('')
    await until(() => seen.length === 1)
    served.setReady(new PledgedError('DRAINING', 'shutting down'))
    served.server.refreshHealth()
    await until(() => seen.length === 2)
    served.setReady(undefined)
    served.server.refreshHealth()
    await until(() => seen.length === 3)
    await served.server.close()
    await until(() => seen.length === 5)
    expect(seen).toEqual(['SERVING', 'NOT_SERVING', 'SERVING', 'NOT_SERVING', 'ended'])
    health.close()
    await served.close()
  })
})
