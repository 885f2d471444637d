//! What is refused of version 2 of the envelope.

use super::child::{Proxy, Seen};
use crate::app::App;
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::envelope::PeerKey;
use prometheus_rsocket_protocol::envelope::v2::{
    self, Binding, ContentKey, IdempotencyKey, Message, Purpose,
};

pub(super) const SCENARIOS: &[fn() -> Seen] = &[bad_seals];

fn bad_seals() -> Seen {
    let proxy = Proxy::start(&[]);
    let mut app = App::connect_with(proxy.tcp, App::setup_v2());
    let content_key = |seed| ContentKey::generate(&PeerKey::parse(&app.key).unwrap(), [seed; 32]);
    let (key, other) = (content_key(1).unwrap(), content_key(2).unwrap());
    let number = app.offer.unwrap().binding;
    let seal = |key, binding, counter, attach_key| {
        let purpose = Purpose::Push(IdempotencyKey::new([counter as u8; 16]));
        let message = Message { text: b"a 1\n", purpose, binding, counter, attach_key };
        v2::seal(key, &message).unwrap()
    };
    let good = seal(&key, number, 0, true);
    for (payload, cause) in [
        (Payload::from_data("a 1\n"), "seal"),
        (seal(&other, number, 0, false), "unknown_key"),
        (seal(&key, Binding::new([0; 16]), 1, true), "tampered"),
        (good.clone(), ""),
        (good, "replayed"),
    ] {
        app.connection().fire_and_forget(payload).unwrap();
        app.flush();
        if cause.is_empty() {
            proxy.wait_line("push held");
        } else {
            let series = "prometheus_proxy_application_error_total";
            proxy.wait_counted(&format!("{series}{{cause=\"{cause}\"}}"));
        }
    }
    proxy.seen()
}
