/** The link port's conformance suite; run by the test of each link. Not part of the program. */
export { linkCases } from './cases.ts'
export { DIE, Peer, peerIdentity } from './peer.ts'
