//! The targets, and nothing that they share.

mod agent;
mod connection;
mod envelope;
mod frame;
mod framing;
mod handshake;
mod hearing;
mod hello;
mod metadata;
mod peers;
mod record;
mod render;
mod resume;
mod rsa;
mod sealed;
mod session;
mod snappy;
mod text;
mod websocket;

pub use agent::agent;
pub use connection::connection;
pub use envelope::envelope;
pub use frame::frame;
pub use framing::framing;
pub use handshake::handshake;
pub use hearing::hearing;
pub use hello::hello;
pub use metadata::metadata;
pub use peers::peers;
pub use record::record;
pub use render::render_texts as render;
pub use resume::resume;
pub use rsa::rsa;
pub use sealed::sealed;
pub use session::session;
pub use snappy::snappy;
pub use text::text;
pub use websocket::websocket;

/// What a fuzzer calls: takes any bytes, and panics where something is wrong.
pub type Target = fn(&[u8]);

/// All targets, by the names of their corpora.
pub const TARGETS: [(&str, Target); 19] = [
    ("agent", agent),
    ("connection", connection),
    ("envelope", envelope),
    ("frame", frame),
    ("framing", framing),
    ("handshake", handshake),
    ("hearing", hearing),
    ("hello", hello),
    ("metadata", metadata),
    ("peers", peers),
    ("record", record),
    ("render", render),
    ("resume", resume),
    ("rsa", rsa),
    ("sealed", sealed),
    ("session", session),
    ("snappy", snappy),
    ("text", text),
    ("websocket", websocket),
];
