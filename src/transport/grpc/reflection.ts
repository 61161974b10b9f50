/**
 * grpc.reflection.v1 and v1alpha: grpcurl and buf curl learn from it what can be called, without the proto files.
 *
 * To take the files apart costs a third of a second, which no start of a daemon should pay: it is done at the first question.
 * Until then the services are known here by their paths alone, and their messages are bytes.
 */
import { EventEmitter } from 'node:events'
import type { MethodDefinition, Server, ServerDuplexStream } from '@grpc/grpc-js'
import { PledgedError } from '../../base/errors.ts'
import { toStatus } from '../../wire/index.ts'

const VERSIONS = ['v1', 'v1alpha'] as const
type Version = (typeof VERSIONS)[number]

type Question = Buffer
type Answer = Buffer
/** Throws where the bytes are no question. */
type Reflector = (question: Question) => Answer

/** `services`: by their full names; the daemon's proto files hold others, too. */
export function serveReflection(server: Server, services: readonly string[]): void {
  let reflectors: Promise<Readonly<Record<Version, Reflector>>> | undefined
  for (const version of VERSIONS) {
    server.addService(
      { ServerReflectionInfo: definition(version) },
      {
        ServerReflectionInfo: (stream: ServerDuplexStream<Question, Answer>) => {
          reflectors ??= import('./reflected-files.ts').then((files) =>
            reflectorsOf(files.reflection(services)),
          )
          void answer(
            stream,
            reflectors.then((all) => all[version]),
          )
        },
      },
    )
  }
}

function definition(version: Version): MethodDefinition<Question, Answer> {
  const asIs = (bytes: Buffer): Buffer => bytes
  return {
    path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
}

/** One question is answered at a time, and none is read while its asker reads no answers. */
async function answer(
  stream: ServerDuplexStream<Question, Answer>,
  ready: Promise<Reflector>,
): Promise<void> {
  try {
    const reflector = await ready
    // What goes wrong is said over the stream: the loop must not destroy it.
    const questions: AsyncIterable<Question> = stream.iterator({ destroyOnReturn: false })
    for await (const question of questions) {
      if (!stream.write(reflector(question))) await drained(stream)
    }
    stream.end()
  } catch (error) {
    stream.emit('error', toStatus(error))
  }
}

/** Or gone. */
function drained(stream: ServerDuplexStream<Question, Answer>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.once('drain', done)
    stream.once('close', done)
  })
}

interface ReflectedService {
  addToServer(server: Pick<Server, 'addService'>): void
}

/** What the library would do with a server's streams, done with one question. */
function reflectorsOf(service: ReflectedService): Record<Version, Reflector> {
  const found: Partial<Record<Version, Reflector>> = {}
  service.addToServer({
    addService: ({ ServerReflectionInfo: method }, { ServerReflectionInfo: handler }) => {
      if (method === undefined || typeof handler !== 'function') return
      const version = VERSIONS.find((each) => method.path === definition(each).path)
      if (version !== undefined) found[version] = reflectorOf(method, handler as (stream: unknown) => void)
    },
  })
  return { ...found } as Record<Version, Reflector>
}

function reflectorOf(
  method: MethodDefinition<unknown, unknown>,
  handler: (stream: unknown) => void,
): Reflector {
  const stream = new EventEmitter()
  let answered: unknown
  handler(Object.assign(stream, { write: (response: unknown) => (answered = response) }))
  return (question) => {
    stream.emit('data', decoded(method, question))
    return method.responseSerialize(answered)
  }
}

function decoded(method: MethodDefinition<unknown, unknown>, question: Question): unknown {
  try {
    return method.requestDeserialize(question)
  } catch (error) {
    throw new PledgedError('INVALID_REQUEST', 'the bytes are no question of grpc.reflection', {
      cause: error,
    })
  }
}
