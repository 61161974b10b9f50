/** What reflection answers from: apart, so that it is loaded only when somebody asks. */
import { ReflectionService } from '@grpc/reflection'
import { fileDescriptors } from '../../wire/file-descriptors.ts'

/** The library takes what proto-loader would have read; of that it looks at the files alone. */
type Files = ConstructorParameters<typeof ReflectionService>[0]

export function reflection(services: readonly string[]): ReflectionService {
  const files = { files: { fileDescriptorProtos: fileDescriptors() } } as unknown as Files
  return new ReflectionService(files, { services: [...services] })
}
