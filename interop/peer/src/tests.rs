//! Both roles of this peer against each other, which says whether its checks can be passed, and failed.

use crate::{CallArgs, ServeArgs, call, serve, transport::Url};
use prometheus_rsocket_runtime::{Listener, Runtime};
use prometheus_rsocket_smol::Smol;
use prometheus_rsocket_tokio::Tokio;
use std::net::SocketAddr;

async fn passes<R: Runtime>(runtime: R, websocket: bool, change: fn(&mut CallArgs)) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = runtime.bind(address).await.unwrap();
    let scheme = if websocket { "ws" } else { "tcp" };
    let url = format!("{scheme}://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let args = ServeArgs { address, websocket, mtu: Some(1000), lease: 5 };
    let server = runtime.clone();
    runtime.spawn(async move {
        let _ = serve::serve_all(server, listener, args).await;
    });
    let mut args = CallArgs {
        url,
        mtu: vec![0, 200],
        only: Vec::new(),
        skip: Vec::new(),
        loses_metadata: false,
        lease: true,
        resume: true,
    };
    change(&mut args);
    call::run(runtime, args).await.unwrap()
}

#[test]
fn our_server_passes_on_tokio() {
    for websocket in [false, true] {
        assert!(Tokio::block_on(Some(1), |runtime| passes(runtime, websocket, |_| {})).unwrap());
    }
}

#[test]
fn our_server_passes_on_smol() {
    for websocket in [false, true] {
        assert!(Smol::block_on(Some(1), |runtime| passes(runtime, websocket, |_| {})).unwrap());
    }
}

#[test]
fn a_check_that_fails_or_none_at_all_is_no_success() {
    let wrongly = |args: &mut CallArgs| args.loses_metadata = true;
    assert!(!Tokio::block_on(Some(1), |runtime| passes(runtime, false, wrongly)).unwrap());
    let nothing = |args: &mut CallArgs| args.only.push("no such check".to_owned());
    assert!(!Tokio::block_on(Some(1), |runtime| passes(runtime, false, nothing)).unwrap());
}

#[test]
fn urls_are_of_two_schemes_and_have_a_port() {
    for good in ["tcp://127.0.0.1:7000", "ws://localhost:80/path"] {
        assert!(good.parse::<Url>().is_ok(), "{good}");
    }
    for bad in ["127.0.0.1:7000", "http://127.0.0.1:7000", "tcp://127.0.0.1", "ws:///path", ""] {
        assert!(bad.parse::<Url>().is_err(), "{bad}");
    }
}
