//! The client library, against a proxy made of the protocol crate on plain blocking sockets.

#[cfg(all(feature = "tokio", feature = "_tls"))]
#[cfg(feature = "aws-lc-rs")]
mod providers;
#[cfg(any(feature = "metrics", feature = "prometheus", feature = "prometheus-client"))]
mod sources;
#[cfg(feature = "tokio")]
mod spawn;

#[path = "."]
mod smol {
    use prometheus_rsocket_smol::Smol as Leaf;

    mod library;
    mod proxies;
}

#[path = "."]
mod tokio {
    use prometheus_rsocket_tokio::Tokio as Leaf;

    #[expect(clippy::duplicate_mod, reason = "each case is compiled for each runtime")]
    mod library;
    #[expect(clippy::duplicate_mod, reason = "each case is compiled for each runtime")]
    mod proxies;
}
