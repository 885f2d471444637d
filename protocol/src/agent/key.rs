//! The proxy's key, and whether the proxy that sends it may receive the metrics.

use super::{Agent, Event, Key, ProxyRefusal, State};
use crate::Payload;
use crate::envelope::PeerKey;
use crate::envelope::v2::{Binding, Offer};
use crate::rsocket::frame::ErrorCode;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

impl Agent {
    /// Takes a key and the offer that comes with it, and returns both. If the key cannot be parsed, the previous one stays.
    /// `None` also if the proxy is refused or its offer cannot be decoded.
    pub(super) fn on_key(
        &mut self,
        now: Instant,
        payload: &Payload,
        is_for_pushes: bool,
    ) -> Option<(Arc<PeerKey>, Option<Binding>)> {
        let bytes = &payload.data;
        // Each scrape carries the same key.
        let known = self.key.as_ref().filter(|key| key.bytes == *bytes);
        let is_new = known.is_none();
        let key = match known
            .map_or_else(|| PeerKey::parse(bytes).map(Arc::new), |key| Ok(Arc::clone(&key.parsed)))
        {
            Ok(key) => key,
            Err(error) => {
                self.events.push_back(Event::KeyRefused { error });
                return None;
            }
        };
        // A known key is checked, too: it may be that of another proxy.
        if let Err(error) = self.check_pin(&key) {
            self.refuse_proxy(now, error.into());
            return None;
        }
        let offer = self.offer(now, &key, payload)?;
        if is_new {
            // Copied: a slice would keep the whole input buffer alive.
            let bytes = Bytes::copy_from_slice(bytes);
            self.key = Some(Key { bytes, parsed: Arc::clone(&key) });
        }
        self.pin_key(&key);
        let State::Connected { has_key, seals, .. } = &mut self.state else { return None };
        let binding = offer.map(|offer| offer.binding);
        if is_for_pushes {
            seals.pushes = binding;
        } else if let Some(offer) = offer {
            seals.on_offer(offer.known);
        }
        if !std::mem::replace(has_key, true) {
            self.failures = 0;
            self.events.push_back(Event::Ready);
            self.plan_return(now);
            self.go_on_with_push(now);
        }
        Some((key, binding))
    }

    /// Decodes the offer that came with a key. The outer `None` means that the proxy gets no metrics: its connection is being
    /// closed, or its offer cannot be decoded.
    fn offer(&mut self, now: Instant, key: &PeerKey, payload: &Payload) -> Option<Option<Offer>> {
        let metadata = payload.metadata.clone().filter(|_| !key.is_plaintext());
        let offer = match metadata.map(Offer::decode).transpose() {
            Ok(offer) => offer.flatten(),
            Err(error) => {
                self.events.push_back(Event::OfferRefused { error });
                return None;
            }
        };
        if offer.is_none() && self.config.min_envelope >= 2 {
            self.refuse_proxy(now, ProxyRefusal::Envelope);
            return None;
        }
        Some(offer)
    }

    /// Closes the connection to a proxy that may not receive the metrics.
    fn refuse_proxy(&mut self, now: Instant, reason: ProxyRefusal) {
        let message = reason.to_string();
        // The connection does not count as stable, however long it has lasted.
        if let State::Connected { has_key, .. } = &mut self.state {
            *has_key = false;
        }
        if let Some(connection) = self.connection() {
            connection.close(now, ErrorCode::CONNECTION_ERROR, &message);
        }
        self.events.push_back(Event::ProxyRefused { reason });
    }
}
