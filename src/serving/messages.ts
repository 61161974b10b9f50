/** What isn't a message is refused with a sentence. */
import type { MethodDefinition, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { PledgedError } from '../base/errors.ts'

/** In the place of a message whose bytes could not be decoded. */
const MALFORMED = Symbol('a message that could not be decoded')

/**
 * The definition, with decoders that don't throw: gRPC would answer a malformed message with INTERNAL and no reason.
 * `requireMessage` refuses it instead.
 */
export function tolerant<Implementation extends UntypedServiceImplementation>(
  service: ServiceDefinition<Implementation>,
): ServiceDefinition<Implementation> {
  const methods = Object.entries<MethodDefinition<unknown, unknown>>(service)
  return Object.fromEntries(
    methods.map(([name, method]) => [name, { ...method, requestDeserialize: tolerantly(method) }]),
  ) as ServiceDefinition<Implementation>
}

function tolerantly(method: MethodDefinition<unknown, unknown>): (bytes: Buffer) => unknown {
  return (bytes) => {
    try {
      return method.requestDeserialize(bytes)
    } catch {
      return MALFORMED
    }
  }
}

export function requireMessage<Message>(message: Message): Message {
  if (message !== MALFORMED) return message
  throw new PledgedError(
    'INVALID_REQUEST',
    'the bytes of the message are not what proto/pledged/v1 says: check the version of your client',
  )
}
