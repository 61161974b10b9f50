import { Metadata, type ServiceError, status as STATUS } from '@grpc/grpc-js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES, type ErrorCode, GRPC_STATUS, PledgedError } from '../base/errors.ts'
import { failureToProto, fromServiceError, toStatus } from './errors.ts'
import { TEXT_LENGTH_MAX } from './text.ts'

const codes = Object.keys(ERROR_CODES) as ErrorCode[]

/** As grpc-js makes it of a status. */
function serviceError(code: STATUS, details: string, metadata = new Metadata()): ServiceError {
  return Object.assign(new Error(`${code} ${STATUS[code]}: ${details}`), { code, details, metadata })
}

/** What the code becomes for a client that gets no ErrorInfo. */
function meaning(code: STATUS, details = 'some text'): string {
  const { code: pledged, message } = fromServiceError(serviceError(code, details), '127.0.0.1:7420')
  return `${pledged}: ${message}`
}

describe('errors on the wire', () => {
  it.each(codes)('%s keeps its code, its sentence and its facts', (code) => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 200 }),
        fc.dictionary(fc.stringMatching(/^[a-z][a-z_]{0,20}$/), fc.string({ unit: 'grapheme' })),
        (message, metadata) => {
          const status = toStatus(new PledgedError(code, message, { metadata }))
          expect(status.code).toBe(GRPC_STATUS[ERROR_CODES[code].status])
          const read = fromServiceError(serviceError(status.code, status.details, status.metadata), 'x')
          expect(read.code).toBe(code)
          expect(read.message).toBe(message)
          expect(read.metadata).toEqual(metadata)
        },
      ),
      { numRuns: 20 },
    )
  })

  it('answers what is not a PledgedError as INTERNAL, without its stack', () => {
    const status = toStatus(new TypeError('no such thing'))
    expect(status.code).toBe(STATUS.INTERNAL)
    expect(status.details).toBe('no such thing')
    expect(Object.values(status.metadata.getMap()).join(' ')).not.toMatch(/errors\.test/)
  })

  it('bounds what goes into the trailers', () => {
    const long = '😀'.repeat(100_000)
    const status = toStatus(new PledgedError('INTERNAL', long, { metadata: { long } }))
    expect(status.details.length).toBeLessThanOrEqual(TEXT_LENGTH_MAX)
    expect(() => encodeURI(status.details)).not.toThrow()
    const bytes = Object.values(status.metadata.toHttp2Headers()).join('').length
    expect(bytes).toBeLessThan(16_384)
    expect(failureToProto(new PledgedError('LOG_UNWRITABLE', long)).message.length).toBe(
      status.details.length,
    )
  })

  it('names the address of a daemon that is not there', () => {
    const refused = 'No connection established. Last error: connect ECONNREFUSED 127.0.0.1:7420'
    expect(meaning(STATUS.UNAVAILABLE, refused)).toBe(
      "UNAVAILABLE: the daemon at 127.0.0.1:7420 can't be reached (connection refused): is it running, and is this its address?",
    )
    expect(meaning(STATUS.INTERNAL, 'Received RST_STREAM with code 2 (read ECONNRESET)')).toMatch(
      /^UNAVAILABLE: .*the connection was lost/,
    )
    expect(meaning(STATUS.UNAVAILABLE, 'connect ENOENT /run/x')).toMatch(/there is no such socket/)
  })

  it.each([
    [STATUS.DEADLINE_EXCEEDED, /^OUTCOME_UNKNOWN: .*ask again/],
    [STATUS.CANCELLED, /^OUTCOME_UNKNOWN: .*may have happened/],
    [STATUS.UNIMPLEMENTED, /^NOT_IMPLEMENTED/],
    [STATUS.RESOURCE_EXHAUSTED, /^LIMIT_REACHED: .*some text/],
    [STATUS.UNAUTHENTICATED, /^UNAUTHENTICATED/],
    [STATUS.PERMISSION_DENIED, /^PERMISSION_DENIED/],
    [STATUS.INVALID_ARGUMENT, /^INVALID_REQUEST/],
    [STATUS.INTERNAL, /^INTERNAL: .*some text/],
    [STATUS.UNKNOWN, /^INTERNAL/],
  ] as const)("takes gRPC's own status %d for what it says", (code, expected) => {
    expect(meaning(code)).toMatch(expected)
  })

  it('ignores trailers that are not ours', () => {
    const garbage = new Metadata()
    garbage.set('grpc-status-details-bin', Buffer.from([255, 255, 255]))
    expect(fromServiceError(serviceError(STATUS.INVALID_ARGUMENT, 'no', garbage), 'x').code).toBe(
      'INVALID_REQUEST',
    )
    const { metadata } = toStatus(new PledgedError('INTERNAL', 'x'))
    const foreign = new Metadata()
    const bytes = metadata.get('grpc-status-details-bin')[0] as Buffer
    foreign.set(
      'grpc-status-details-bin',
      Buffer.from(bytes.toString('latin1').replace('pledged.dev', 'example.com')),
    )
    expect(fromServiceError(serviceError(STATUS.NOT_FOUND, 'no', foreign), 'x').code).toBe('INTERNAL')
  })

  it('leaves other errors as they are', () => {
    const error = new PledgedError('DRAINING', 'later')
    expect(fromServiceError(error, 'x')).toBe(error)
    expect(fromServiceError(new Error('bug'), 'x').code).toBe('INTERNAL')
  })
})
