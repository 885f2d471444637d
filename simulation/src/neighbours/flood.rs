//! Neighbours that push without a pause, whatever they answer.

use super::Bad;
use crate::text::HEAD;
use bytes::Bytes;
use fastrand::Rng;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::{self, AesKeySize, PeerKey};
use prometheus_rsocket_protocol::rsocket::connection::Connection;

/// The endless pushes of one connection of such a neighbour.
pub(super) struct Flood {
    bad: Bad,
    payload: Option<Payload>,
}

impl Flood {
    pub(super) fn new(bad: Bad) -> Self {
        Self { bad, payload: None }
    }

    /// The proxy's key has arrived. If this neighbour floods, it begins now.
    pub(super) fn on_key(&mut self, key: &[u8], app: usize, serial: usize, rng: &mut Rng) {
        let head = format!("{HEAD}{app}\",serial=\"{serial}\"}} 1\n");
        let mut seed = [0; 32];
        rng.fill(&mut seed);
        let seal = |text: &str| {
            let key = PeerKey::parse(key).ok()?;
            envelope::seal(&key, text.as_bytes(), AesKeySize::Aes128, seed).ok()
        };
        self.payload = match self.bad {
            Bad::FloodBig => seal(&(head + &comment())),
            Bad::FloodBroken => Some(Payload::new(vec![7; 256], Bytes::from_static(&[7; 160]))),
            Bad::FloodSmall | Bad::FloodWaiting => seal(&head),
            _ => None,
        };
    }

    /// Pushes some more. The connection accepts no more than it can send, and keeps what waits.
    pub(super) fn go_on(&self, connection: &mut Connection) {
        let Some(payload) = &self.payload else { return };
        for _ in 0..AT_ONCE {
            let sent = match self.bad {
                Bad::FloodWaiting => connection.request_response(payload.clone()).map(drop),
                _ => connection.fire_and_forget(payload.clone()).map(drop),
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

/// Returns a comment that makes a text long, and is passed through.
pub(super) fn comment() -> String {
    format!("# {}\n", "flood ".repeat(10_000))
}

/// How many pushes are added each time that the connection makes progress.
const AT_ONCE: usize = 8;
