use super::resume::ResumeConfig;
use crate::rsocket::framing::{MAX_RECEIVED_FRAME, MAX_SENT_FRAME};
use std::time::Duration;

/// How the transport delimits frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A byte stream (TCP, TLS): each frame follows a 24-bit length prefix. Input goes to
    /// [`handle_input`](crate::rsocket::Machine::handle_input).
    LengthPrefixed,
    /// A transport that delivers messages (WebSocket): one frame per message, without prefix. Input goes to
    /// [`handle_frame`](super::Connection::handle_frame).
    Messages,
}

/// The options and limits of one connection. Every limit is enforced; together they bound what a peer can make the connection
/// hold.
///
/// Queue limits below one byte, frame or event are raised to one, since otherwise nothing would move. Durations below a
/// millisecond are raised to a millisecond, since otherwise a timeout would always be due. A duration that overflows `Instant`
/// means no timeout.
///
/// # Memory
///
/// Whatever a peer sends, a connection holds no more than the sum of the following, in addition to the caller's own buffers:
///
/// - events: [`max_event_bytes`](Self::max_event_bytes) and one payload, and a few hundred bytes for each of
///   [`max_events`](Self::max_events) and of the open streams. A payload that arrived in one frame is a slice of the caller's
///   input. Its event also keeps alive what else was read with it, but no earlier frame of 1 KiB or more.
/// - frames to be sent: [`max_queued_output`](Self::max_queued_output), and less than a kilobyte for each of
///   [`max_queued_frames`](Self::max_queued_frames) and of the open streams. Echoes of KEEPALIVEs are at most twice
///   [`max_keepalive_data`](Self::max_keepalive_data) of this;
/// - payloads whose reassembly is not complete: [`max_unfinished`](Self::max_unfinished), in buffers that grow by doubling;
/// - streams: less than a kilobyte for each of twice [`max_open_streams`](Self::max_open_streams);
/// - frames kept for retransmission: [`ResumeConfig::max_stored`] and one frame.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How the transport delimits frames.
    pub framing: Framing,
    /// The longest frame that is accepted, in bytes without its prefix. The default is 16,777,215, the most that a prefix can
    /// announce.
    pub max_frame_len: usize,
    /// The longest frame that a server accepts as the first, in bytes without its prefix; 64 KiB by default. It is small so
    /// that bytes that are not RSocket are refused immediately: `GET ` would announce a frame of 4.6 MB.
    pub max_setup_len: usize,
    /// The MTU, in bytes: frames of streams that are longer are sent in fragments. It includes the 24-bit prefix, on message
    /// transports too, as in rsocket-java. Less than 64 counts as 64; `None`, the default, means the longest legal frame.
    pub mtu: Option<usize>,
    /// The longest payload that is reassembled from fragments, in bytes; 32 MiB by default. Each fragment counts as at least 64
    /// bytes.
    pub max_payload_len: usize,
    /// How many bytes all payloads of the connection may have whose reassembly is not complete; 64 MiB by default. Each
    /// fragment counts as at least 64 bytes.
    pub max_unfinished: usize,
    /// Whether the owner of a server grants leases. If true, the server accepts SETUP with flag L, and rejects the peer's
    /// requests until [`grant_lease`](super::Connection::grant_lease). If false, the default, it refuses such a SETUP. A client
    /// has no need of this: [`Setup::lease`](crate::rsocket::frame::Setup::lease) decides.
    pub serve_leases: bool,
    /// Whether EXT frames are passed to the owner, as [`Event::Extension`](super::Event::Extension). If false, the default, a
    /// frame with flag I is ignored. Without flag I, a frame on an open stream of ours fails that request, a frame on a stream
    /// that the peer could open is answered by ERROR REJECTED, and any other is ignored.
    pub serve_extensions: bool,
    /// Limits of resumption. A server accepts RESUME, and SETUP with a resume token, only if this is set; by default it is not.
    /// A client asks for resumption by the token in its SETUP, and uses the default limits if this is not set.
    pub resume: Option<ResumeConfig>,
    /// Whether the owner serves REQUEST_STREAM and REQUEST_CHANNEL; true by default. If false, they are answered by ERROR
    /// REJECTED.
    pub serve_streams: bool,
    /// How many payloads the peer may send on its channel beyond what the owner [granted](super::Connection::request_n); 1 by
    /// default. rsocket-go and rsocket_rust send one payload before they are granted any, often in one segment with the
    /// request. The specification demands 0.
    pub channel_tolerance: u32,
    /// How many requests each side may have open at once; 256 by default. A further request of the peer's is answered by ERROR
    /// REJECTED, and a further one of ours fails. Fire-and-forget leaves no stream open and does not count.
    pub max_open_streams: usize,
    /// How many bytes of frames may wait for [`poll_transmit`](crate::rsocket::Machine::poll_transmit); 16 MiB by default. Once
    /// it is reached, no more input is wanted. A command that would exceed it fails with
    /// [`RequestError::Saturated`](super::RequestError::Saturated), except [`reject`](super::Connection::reject),
    /// [`cancel`](super::Connection::cancel), [`close`](super::Connection::close) and the commands that resume. A single longer
    /// frame is accepted if nothing else is queued.
    pub max_queued_output: usize,
    /// How many frames may wait for it; 1,024 by default, with the same consequences. ERROR and CANCEL frames are queued beyond
    /// it, at most one per stream, and so is the end of a payload in fragments.
    pub max_queued_frames: usize,
    /// How many events may wait for [`poll_event`](super::Connection::poll_event) before no more input is wanted; 64 by
    /// default. The end of a connection adds one for each of its streams.
    pub max_events: usize,
    /// How many bytes the payloads of these events may have before no more input is wanted; 16 MiB by default. The last payload
    /// may exceed it.
    pub max_event_bytes: usize,
    /// How long a server waits for a whole SETUP; one minute by default, as in rsocket-java.
    pub setup_timeout: Duration,
    /// How long a closing connection waits until queued frames and the final ERROR are taken; 5 s by default.
    pub close_timeout: Duration,
    /// Whether a server sends KEEPALIVEs of its own at the client's interval, as rsocket-java does; true by default. It answers
    /// the client's in either case. Peers built on rsocket-cpp refuse a server that sends its own.
    pub keepalive_as_server: bool,
    /// Lower and upper bound on the interval at which a server sends KEEPALIVEs, which the client's SETUP asks for; one second
    /// to one hour by default. If SETUP asks for 0, which the specification forbids, the server sends none of its own, but
    /// still answers. Within the lifetime that it grants it sends at least two, if the lower bound allows it.
    pub keepalive_interval: (Duration, Duration),
    /// How many of the peer's KEEPALIVEs are answered before reading pauses; 20 by default.
    pub keepalive_burst: u32,
    /// How long it takes until a peer that has used up the burst may have one more answer; 50 ms by default, a second at most.
    /// A peer that sends KEEPALIVEs more often is read more slowly: each is answered, but no more input is wanted until then.
    pub keepalive_pause: Duration,
    /// The longest data of a KEEPALIVE that is echoed, in bytes; 64 KiB by default. A KEEPALIVE that asks for an echo of more
    /// ends the connection. While the queued echoes have this many bytes, no more input is wanted.
    pub max_keepalive_data: usize,
    /// Lower and upper bound on the max lifetime that a client's SETUP may ask for; 200 ms to 10 minutes by default. 0 means
    /// the upper bound.
    pub max_lifetime: (Duration, Duration),
}

impl Config {
    /// The configuration with every limit raised to where something can move.
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

    /// The longest frame of a stream that is sent in one piece, without its prefix.
    pub(super) fn fragment_len(&self) -> usize {
        let longest = self.max_sent_frame();
        self.mtu.map_or(longest, |mtu| (mtu.max(MTU_MIN) - PREFIX_LEN).min(longest))
    }

    /// The longest frame that is sent, without its prefix. On a byte stream it is 3 below the limit of the prefix, since
    /// rsocket-java silently discards longer frames.
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

/// The smallest MTU that rsocket-java accepts.
const MTU_MIN: usize = 64;
const PREFIX_LEN: usize = 3;
/// The length of a KEEPALIVE before its data: the header and a position.
const ECHO_HEADER: usize = 14;
