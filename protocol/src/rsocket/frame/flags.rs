//! The ten flag bits of a frame's header. The bits below M have different meanings in different frame types.

/// I: a receiver that does not understand the frame may ignore it.
pub(super) const IGNORE: u16 = 0x200;
/// M: metadata is present.
pub(super) const METADATA: u16 = 0x100;
/// F: more fragments of the payload follow (requests, PAYLOAD).
pub(super) const FOLLOWS: u16 = 0x080;
/// R: a resume token is present (SETUP).
pub(super) const RESUME: u16 = 0x080;
/// R: the receiver must answer (KEEPALIVE).
pub(super) const RESPOND: u16 = 0x080;
/// C: the sender sends no further payload (REQUEST_CHANNEL, PAYLOAD).
pub(super) const COMPLETE: u16 = 0x040;
/// L: the client honours leases (SETUP).
pub(super) const LEASE: u16 = 0x040;
/// N: a payload is present (PAYLOAD).
pub(super) const NEXT: u16 = 0x020;
