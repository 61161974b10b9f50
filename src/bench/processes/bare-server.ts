/** A process that serves the yardstick, on the unix socket that it is given. */
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { BareService } from './bare-call.ts'

const [address = ''] = process.argv.slice(2)
const server = new Server()
server.addService(BareService, {
  echo: (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => reply(null, call.request),
})
server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error
  process.send?.({ type: 'ready' })
})
process.on('SIGTERM', () => process.exit(0))
