/**
 * The services that have a long-lived stream, and their clients: as generated, but for the streams' messages, whose codec is written
 * by hand. Whoever serves or calls one of them takes it from here; on the wire, nobody can tell.
 */
import { makeGenericClientConstructor } from '@grpc/grpc-js'
import { attachParticipantRequests, attachParticipantResponses } from './attachment-codec.ts'
import * as gateway from './generated/pledged/v1/participant_gateway_service.ts'
import * as transactions from './generated/pledged/v1/transaction_service.ts'
import { openSessionRequests, openSessionResponses } from './session-codec.ts'

export type TransactionServiceClient = transactions.TransactionServiceClient
export type ParticipantGatewayServiceClient = gateway.ParticipantGatewayServiceClient

export const TransactionServiceService = {
  ...transactions.TransactionServiceService,
  openSession: {
    ...transactions.TransactionServiceService.openSession,
    requestSerialize: openSessionRequests.serialize,
    requestDeserialize: openSessionRequests.deserialize,
    responseSerialize: openSessionResponses.serialize,
    responseDeserialize: openSessionResponses.deserialize,
  },
} satisfies typeof transactions.TransactionServiceService

export const ParticipantGatewayServiceService = {
  attachParticipant: {
    ...gateway.ParticipantGatewayServiceService.attachParticipant,
    requestSerialize: attachParticipantRequests.serialize,
    requestDeserialize: attachParticipantRequests.deserialize,
    responseSerialize: attachParticipantResponses.serialize,
    responseDeserialize: attachParticipantResponses.deserialize,
  },
} satisfies typeof gateway.ParticipantGatewayServiceService

/** gRPC makes the methods after the definition; what types they have is the generated client's to say. */
export const TransactionServiceClient = makeGenericClientConstructor(
  TransactionServiceService,
  transactions.TransactionServiceClient.serviceName,
) as unknown as typeof transactions.TransactionServiceClient

export const ParticipantGatewayServiceClient = makeGenericClientConstructor(
  ParticipantGatewayServiceService,
  gateway.ParticipantGatewayServiceClient.serviceName,
) as unknown as typeof gateway.ParticipantGatewayServiceClient
