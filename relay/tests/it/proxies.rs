use crate::endpoint::endpoint;
use crate::program::{start, terminate};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::Event;
use prometheus_rsocket_testkit::proxy::{FakeProxy, Peer};

const ANSWERS: [&str; 4] = [
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n",
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 2\n",
    "HTTP/1.1 503 Gone\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 503 Gone\r\nContent-Length: 0\r\n\r\n",
];

/// Takes the last push.
fn take_push(mut peer: Peer, is_stored: bool) {
    let (stream_id, text) = peer.pushed();
    // The program is gone, and each proxy gets what it last had.
    assert_eq!(text, "a 2\n");
    if is_stored {
        peer.connection.respond(stream_id, Payload::default()).unwrap();
    } else {
        let code = prometheus_rsocket_protocol::rsocket::frame::ErrorCode::APPLICATION_ERROR;
        peer.connection.reject(stream_id, code, "no room").unwrap();
    }
    assert!(matches!(peer.next(), Event::Closed { .. }));
}

#[test]
fn all_proxies_scrape_and_get_the_last_push() {
    for is_stored in [true, false] {
        let proxies = [FakeProxy::new(), FakeProxy::new()];
        let second = proxies[1].url();
        let args = ["--proxy", &second, "--proxy-mode", "all"];
        let mut child = start(&proxies[0], &endpoint(&ANSWERS), &args);
        let [mut first, mut second] = proxies.each_ref().map(FakeProxy::accept_with_key);
        assert_eq!(first.scraped(), "a 1\n");
        assert_eq!(second.scraped(), "a 2\n");
        terminate(&child);
        take_push(first, true);
        take_push(second, is_stored);
        assert_eq!(child.wait().unwrap().code(), Some(i32::from(!is_stored)));
    }
}

#[test]
fn the_next_proxy_stands_in_for_one_that_cannot_be_reached() {
    let gone = FakeProxy::new();
    let proxy = FakeProxy::new();
    let args = ["--proxy", &proxy.url(), "--backoff-min", "1h", "--backoff-max", "1h"];
    // It listens no more.
    let url = gone.url();
    drop(gone);
    let mut command = crate::program::program();
    command.args(["--proxy", &url]).args(args).args(["--scrape", &endpoint(&ANSWERS)]);
    let mut child = command.spawn().unwrap();
    let mut peer = proxy.accept_with_key();
    assert_eq!(peer.scraped(), "a 1\n");
    assert_eq!(peer.scraped(), "a 2\n");
    terminate(&child);
    take_push(peer, true);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
