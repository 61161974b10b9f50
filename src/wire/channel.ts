/** Options of gRPC's connections that both ends have to agree on. */
import type { ChannelOptions, ServerOptions } from '@grpc/grpc-js'
import type { Limits } from '../base/limits.ts'

export type ConnectionLimits = Pick<
  Limits,
  'messageBytesMax' | 'workBytesMax' | 'keepaliveTimeMs' | 'keepaliveTimeoutMs'
>

/** What a message has besides the one work that fills it. */
const MESSAGE_OVERHEAD_BYTES = 1 << 16

/**
 * A silent connection is probed from both ends, with or without calls: a peer that lost its power, or its
 * network, closes nothing, and its branches would wait for it unnoticed.
 *
 * What is sent isn't bounded here: batches are by their own limits, and a refusal to send would break a stream.
 */
function commonOptions(limits: ConnectionLimits): ChannelOptions {
  return {
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': limits.keepaliveTimeMs,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
    'grpc.keepalive_permit_without_calls': 1,
  }
}

export function serverOptions(limits: ConnectionLimits): ServerOptions {
  return { ...commonOptions(limits), 'grpc.max_receive_message_length': receivedBytesMax(limits) }
}

/** Bytes of one message that a server takes. */
export function receivedBytesMax(limits: Pick<Limits, 'messageBytesMax' | 'workBytesMax'>): number {
  return Math.max(limits.messageBytesMax, limits.workBytesMax + MESSAGE_OVERHEAD_BYTES)
}

/** `reconnectMaxMs`: the longest that a client waits between two tries to connect. */
export function clientOptions(
  limits: ConnectionLimits,
  options: { readonly reconnectMaxMs: number },
): ChannelOptions {
  const reconnectMinMs = Math.min(100, options.reconnectMaxMs)
  return {
    ...commonOptions(limits),
    // The daemon's own limits hold, and a client can't know how they are set.
    'grpc.max_receive_message_length': -1,
    // Whoever closes a client closes its connection, not one that is shared with another client.
    'grpc.use_local_subchannel_pool': 1,
    // http_proxy is meant for the web: what is on loopback or a unix socket isn't behind it.
    'grpc.enable_http_proxy': 0,
    // Our own retries know what a repeated request means; gRPC's don't.
    'grpc.enable_retries': 0,
    'grpc.initial_reconnect_backoff_ms': reconnectMinMs,
    'grpc.min_reconnect_backoff_ms': reconnectMinMs,
    'grpc.max_reconnect_backoff_ms': options.reconnectMaxMs,
  }
}
