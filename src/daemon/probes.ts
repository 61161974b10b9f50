/**
 * The HTTP probes. `/livez` answers 200 while the process works; `/readyz` answers 200 while requests are taken on,
 * else 503 with the reason in one line. They say nothing else, and take no part in what the daemon does.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { defaultLimits } from '../base/limits.ts'
import { systemTimers } from '../base/ports.ts'
import { Connections } from '../serving/index.ts'
import { listenOn } from './listening.ts'
import { type Address, formatAddress } from './values.ts'

export interface Probes {
  /** With the port that was drawn, where it was 0. */
  readonly address: string
  close(): Promise<void>
}

export interface ProbesOptions {
  readonly address: Address
  /** Why requests are refused at present; undefined: they are taken on. */
  readonly refusal: () => string | undefined
}

/** A probe is one short request; whoever sends less must not hold a connection for long. */
const REQUEST_TIMEOUT_MS = 5_000
/** Those that ask are few. Beyond it the oldest goes, so that who comes to ask is always heard. */
const CONNECTIONS_MAX = 64

/** Rejects with CONFIGURATION where the address can't be had. */
export async function serveProbes({ address, refusal }: ProbesOptions): Promise<Probes> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => answer(request, response, refusal),
  )
  const limits = {
    ...defaultLimits,
    connectionsMax: CONNECTIONS_MAX,
    firstRequestTimeoutMs: REQUEST_TIMEOUT_MS,
  }
  const connections = new Connections({ limits, timers: systemTimers })
  // One that has asked stays a stranger: whoever asks again may as well connect again.
  server.on('connection', (socket) => connections.admit(socket))
  await listenOn(server, address, 'http_listen')
  return { address: addressOf(server, address), close: () => closeServer(server) }
}

function answer(request: IncomingMessage, response: ServerResponse, refusal: () => string | undefined): void {
  const path = request.url?.split('?', 1)[0]
  if (path !== '/livez' && path !== '/readyz') {
    return reply(response, 404, 'there is nothing here: ask for /livez or /readyz')
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return reply(response, 405, 'a probe is asked with GET')
  }
  const reason = path === '/readyz' ? refusal() : undefined
  if (reason === undefined) return reply(response, 200, 'ok')
  reply(response, 503, reason.replaceAll(/\s+/g, ' '))
}

function reply(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  response.end(`${text}\n`)
}

function addressOf(server: Server, address: Address): string {
  if (address.kind === 'unix') return formatAddress(address)
  return formatAddress({ ...address, port: (server.address() as AddressInfo).port })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
