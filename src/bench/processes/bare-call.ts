/** The yardstick: a gRPC method that gives back the 58 bytes that it was given, and does nothing else. */
import type { ServiceDefinition, UntypedHandleCall } from '@grpc/grpc-js'

export const BARE_MESSAGE = Buffer.alloc(58, 7)

const same = (bytes: Buffer): Buffer => bytes

export const BareService: ServiceDefinition<{ echo: UntypedHandleCall }> = {
  echo: {
    path: '/pledged.bench.Bare/Echo',
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
}
