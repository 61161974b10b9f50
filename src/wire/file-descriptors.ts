/**
 * The proto files of the contract and of grpc.health, as descriptors: what reflection tells of. Imported where it is, and only
 * when somebody asks: nothing else needs it.
 */
import { BinaryReader } from '@bufbuild/protobuf/wire'
import { HEALTH_FILES, PLEDGED_FILES } from './generated/file-descriptors.ts'

/** Each a google.protobuf.FileDescriptorProto. */
export function fileDescriptors(): Uint8Array[] {
  return [PLEDGED_FILES, HEALTH_FILES].flatMap((set) => filesOf(Buffer.from(set, 'base64')))
}

/** google.protobuf.FileDescriptorSet: `repeated FileDescriptorProto file = 1`. */
function filesOf(set: Uint8Array): Uint8Array[] {
  const reader = new BinaryReader(set)
  const files: Uint8Array[] = []
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field === 1) files.push(reader.bytes())
    else reader.skip(type)
  }
  return files
}
