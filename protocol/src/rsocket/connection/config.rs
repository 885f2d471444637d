use super::resume::ResumeConfig;
use crate::rsocket::framing::{MAX_RECEIVED_FRAME, MAX_SENT_FRAME};
use std::time::Duration;

/// How frames are told apart on the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A byte stream (TCP, TLS): each frame behind a length of 24 bits. Input goes to
    /// [`handle_input`](crate::rsocket::Machine::handle_input).
    LengthPrefixed,
    /// A transport that keeps messages apart (WebSocket): one frame a message, no prefix. Input goes to
    /// [`handle_frame`](super::Connection::handle_frame).
    Messages,
}

/// The limits of one connection. Every one is enforced; together they bound what a peer can make it hold.
///
/// What may wait is at least one byte, frame or event, and a time at least a millisecond, whatever is set: with less
/// nothing would move, or the clock never rest. A time beyond what an `Instant` can say is never.
///
/// # Memory
///
/// Whatever a peer sends, a connection holds no more than the sum of these, beside the caller's own buffers:
///
/// - events: [`max_event_bytes`](Self::max_event_bytes) and one payload, and a few hundred bytes for each of
///   [`max_events`](Self::max_events) and of the open streams. Payloads that came in one frame are slices of what the caller read: an
///   event also keeps alive what else was read with it, but no frame of 1 KiB or more that came before it.
/// - frames to be sent: [`max_queued_output`](Self::max_queued_output), and less than a kilobyte for each of
///   [`max_queued_frames`](Self::max_queued_frames) and of the open streams. Echoes of KEEPALIVEs are at most twice
///   [`max_keepalive_data`](Self::max_keepalive_data) of it;
/// - payloads that are not whole, in buffers that grow by doubling: [`max_unfinished`](Self::max_unfinished);
/// - streams: less than a kilobyte for each of twice [`max_open_streams`](Self::max_open_streams);
/// - frames to be sent again: [`ResumeConfig::max_stored`] and one frame.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How frames are told apart.
    pub framing: Framing,
    /// The longest frame that is accepted, in bytes without its prefix; at most, and by default, 16,777,215.
    pub max_frame_len: usize,
    /// The longest frame accepted as a server's first, in bytes. Small by default (64 KiB), so that bytes that are not
    /// RSocket are refused on sight: `GET ` would announce a frame of 4.6 MB.
    pub max_setup_len: usize,
    /// Frames of streams that are longer than this are sent in fragments, each of this length with its 24-bit prefix (which
    /// counts on message transports, too, as in rsocket-java). At least 64; `None`, the default, for the longest that a frame may be.
    pub mtu: Option<usize>,
    /// The longest payload that is joined from fragments, in bytes; 32 MiB by default. Each fragment counts for 64 at least.
    pub max_payload_len: usize,
    /// How many bytes all payloads of a connection may have that are not whole yet; 64 MiB by default.
    pub max_unfinished: usize,
    /// Whether the owner grants leases: a server then accepts SETUP with flag L, and rejects the peer's requests until
    /// [`grant_lease`](super::Connection::grant_lease). Not by default; such a SETUP is then refused. A client says it in its SETUP.
    pub serve_leases: bool,
    /// Whether EXT frames are handed to the owner. Not by default: they are ignored where they may be, and refused elsewhere.
    pub serve_extensions: bool,
    /// How far a connection goes to be resumed. A server accepts SETUP and RESUME with a token only if this is set; it is not by
    /// default. A client says it by the token in its SETUP, and then goes by the defaults where this is not set.
    pub resume: Option<ResumeConfig>,
    /// Whether the owner serves REQUEST_STREAM and REQUEST_CHANNEL; it does by default. If not, they are answered by ERROR REJECTED.
    pub serve_streams: bool,
    /// How many payloads the peer may send on its channel beyond what the owner [granted](super::Connection::request_n); 1 by default.
    /// rsocket-go and rsocket_rust send one before they were granted any, often in one segment with the request. 0 is the
    /// specification's word.
    pub channel_tolerance: u32,
    /// How many requests either side may have open at once; 256 by default. One of the peer's above that is answered by
    /// ERROR REJECTED, one of ours fails. Fire-and-forget leaves nothing open and does not count.
    pub max_open_streams: usize,
    /// Bytes of frames that wait for [`poll_transmit`](crate::rsocket::Machine::poll_transmit); 16 MiB by default. Above it no more input is
    /// wanted, and commands with a payload fail. A single frame above it passes where nothing else waits.
    pub max_queued_output: usize,
    /// Frames that may wait likewise; 1,024 by default. Errors and cancellations are queued beyond it, at most one a stream, and so is
    /// the end of a payload in fragments.
    pub max_queued_frames: usize,
    /// Events that wait for [`poll_event`](super::Connection::poll_event) before no more input is wanted; 64 by default. Ending a
    /// connection adds one for each of its streams.
    pub max_events: usize,
    /// Bytes of payloads in those events; 16 MiB by default, and one payload of any legal size passes.
    pub max_event_bytes: usize,
    /// How long a server waits for a whole SETUP; one minute by default, as rsocket-java.
    pub setup_timeout: Duration,
    /// How long closing waits until queued frames and the final ERROR were taken; 5 s by default.
    pub close_timeout: Duration,
    /// Whether a server sends KEEPALIVE by itself at the client's interval, as rsocket-java does; on by default. It answers
    /// the client's in any case. Peers built on rsocket-cpp refuse a server that ticks.
    pub keepalive_as_server: bool,
    /// Bounds on the keepalive interval that a client's SETUP may ask of a server; one second to one hour by default.
    /// 0, which the specification forbids, stops the ticking, not the answers. The server ticks at least twice in the
    /// lifetime that it grants, if the lower bound allows it.
    pub keepalive_interval: (Duration, Duration),
    /// How many of the peer's KEEPALIVEs are answered without a pause; 20 by default.
    pub keepalive_burst: u32,
    /// How long it takes until a peer that has used up the burst is owed one more answer; 50 ms by default, a second at most. A peer
    /// that sends KEEPALIVEs more often than this is read more slowly: each is answered, but no more input is wanted until then.
    pub keepalive_pause: Duration,
    /// The longest data of a KEEPALIVE that is echoed, in bytes; 64 KiB by default. A KEEPALIVE that asks for the echo of more ends the
    /// connection. While the echoes that wait to be sent are as long as this, no more input is wanted.
    pub max_keepalive_data: usize,
    /// Bounds on the lifetime that a client's SETUP may ask for; 200 ms to 10 minutes by default. 0 counts as the upper one.
    pub max_lifetime: (Duration, Duration),
}

impl Config {
    /// With every limit large enough for something to move.
    pub(super) fn workable(mut self) -> Self {
        for limit in [
            &mut self.max_queued_output,
            &mut self.max_queued_frames,
            &mut self.max_events,
            &mut self.max_event_bytes,
        ] {
            *limit = (*limit).max(1);
        }
        for time in [
            &mut self.setup_timeout,
            &mut self.close_timeout,
            &mut self.keepalive_interval.0,
            &mut self.keepalive_interval.1,
            &mut self.keepalive_pause,
            &mut self.max_lifetime.0,
            &mut self.max_lifetime.1,
        ] {
            *time = (*time).max(Duration::from_millis(1));
        }
        self.keepalive_burst = self.keepalive_burst.max(1);
        self.keepalive_pause = self.keepalive_pause.min(Duration::from_secs(1));
        self.max_keepalive_data = self.max_keepalive_data.min(self.max_sent_frame() - ECHO_HEADER);
        if let Some(resume) = &mut self.resume {
            resume.timeout = resume.timeout.max(Duration::from_millis(1));
        }
        self
    }

    /// The longest frame of a stream that is sent whole, without its prefix.
    pub(super) fn fragment_len(&self) -> usize {
        let longest = self.max_sent_frame();
        self.mtu.map_or(longest, |mtu| (mtu.max(MTU_MIN) - PREFIX_LEN).min(longest))
    }

    /// The longest frame that is sent, without its prefix. On a byte stream 3 below the limit of the prefix: longer
    /// ones are swallowed silently by rsocket-java.
    pub(crate) fn max_sent_frame(&self) -> usize {
        match self.framing {
            Framing::LengthPrefixed => MAX_SENT_FRAME,
            Framing::Messages => MAX_RECEIVED_FRAME,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            framing: Framing::LengthPrefixed,
            max_frame_len: MAX_RECEIVED_FRAME,
            max_setup_len: 64 * 1024,
            mtu: None,
            max_payload_len: 32 * 1024 * 1024,
            max_unfinished: 64 * 1024 * 1024,
            serve_leases: false,
            serve_extensions: false,
            resume: None,
            serve_streams: true,
            channel_tolerance: 1,
            max_open_streams: 256,
            max_queued_output: 16 * 1024 * 1024,
            max_queued_frames: 1024,
            max_events: 64,
            max_event_bytes: 16 * 1024 * 1024,
            setup_timeout: Duration::from_secs(60),
            close_timeout: Duration::from_secs(5),
            keepalive_as_server: true,
            keepalive_interval: (Duration::from_secs(1), Duration::from_secs(3600)),
            keepalive_burst: 20,
            keepalive_pause: Duration::from_millis(50),
            max_keepalive_data: 64 * 1024,
            max_lifetime: (Duration::from_millis(200), Duration::from_secs(600)),
        }
    }
}

/// What rsocket-java takes at least.
const MTU_MIN: usize = 64;
const PREFIX_LEN: usize = 3;
/// What a KEEPALIVE has before its data: the header and a position.
const ECHO_HEADER: usize = 14;
