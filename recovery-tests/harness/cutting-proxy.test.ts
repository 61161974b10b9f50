/** The proxy cuts where it is told to: against a server that answers each line with what it has carried out so far. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { CUT_MOMENTS, CuttingProxy } from './cutting-proxy.ts'

it.each(CUT_MOMENTS)('cuts %s', async (moment) => {
  const { proxy, carriedOut } = await start()
  const client = await dial(proxy)
  await ask(client, 'PREPARE one')
  const cut = proxy.cutNext({ text: 'PREPARE', moment })
  expect(await ask(client, 'INSERT')).toBe('done INSERT')
  const answer = await ask(client, 'PREPARE two')
  await cut
  expect(answer).toBe(moment === 'after' ? 'done PREPARE two' : 'cut')
  expect(carriedOut).toEqual(['PREPARE one', 'INSERT', ...(moment === 'before' ? [] : ['PREPARE two'])])
  await closed(client)
  const again = await dial(proxy)
  expect(await ask(again, 'PREPARE three')).toBe('done PREPARE three')
  expect(proxy.attempts).toBe(2)
})

it('finds a text that is split between two packets', async () => {
  const { proxy, carriedOut } = await start()
  const client = await dial(proxy)
  await ask(client, 'PREPARE one')
  const cut = proxy.cutNext({ text: 'PREPARE', moment: 'before' })
  await ask(client, 'COMMIT')
  client.write('INSERT; PREP')
  // Two packets in all likelihood; in one, it must be found as well.
  await sleep(20)
  client.write('ARE two\n')
  await cut
  await closed(client)
  expect(carriedOut).toEqual(['PREPARE one', 'COMMIT'])
})

it('lets nothing pass back any more', async () => {
  const { proxy, carriedOut } = await start()
  const client = await dial(proxy)
  expect(await ask(client, 'INSERT')).toBe('done INSERT')
  const muted = proxy.muteNext('COMMIT')
  const answer = ask(client, 'COMMIT one')
  await muted
  await expect.poll(() => carriedOut).toEqual(['INSERT', 'COMMIT one'])
  proxy.cutAll()
  expect(await answer).toBe('cut')
})

it('denies a text until it is permitted', async () => {
  const { proxy } = await start()
  proxy.deny('COMMIT')
  expect(await ask(await dial(proxy), 'COMMIT one')).toBe('cut')
  expect(await ask(await dial(proxy), 'INSERT')).toBe('done INSERT')
  proxy.permit()
  expect(await ask(await dial(proxy), 'COMMIT one')).toBe('done COMMIT one')
})

async function start(): Promise<{ proxy: CuttingProxy; carriedOut: string[] }> {
  const carriedOut: string[] = []
  const server = createServer((socket) => {
    let text = ''
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      text += bytes.toString()
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) {
        carriedOut.push(line)
        socket.write(`done ${line}`)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const proxy = await CuttingProxy.start(typeof address === 'object' && address !== null ? address.port : 0)
  onTestFinished(async () => {
    await proxy.close()
    server.close()
  })
  return { proxy, carriedOut }
}

async function dial(proxy: CuttingProxy): Promise<Socket> {
  const client = connect({ port: proxy.port, host: '127.0.0.1' })
  client.on('error', () => {})
  await once(client, 'connect')
  return client
}

function ask(client: Socket, line: string): Promise<string> {
  return new Promise((resolve) => {
    client.once('data', (bytes) => resolve(bytes.toString()))
    client.once('close', () => resolve('cut'))
    client.write(`${line}\n`)
  })
}

function closed(client: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (client.closed) resolve()
    else client.once('close', () => resolve())
  })
}
