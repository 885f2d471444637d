use crate::endpoint::endpoint;
use crate::log::Log;
use crate::program::{command, terminate};
use prometheus_rsocket_protocol::rsocket::connection::{Event, StreamFailure};
use prometheus_rsocket_testkit::proxy::FakeProxy;
use std::process::Stdio;

#[test]
fn what_is_filtered_is_never_sent() {
    let proxy = FakeProxy::new();
    let url = endpoint(&[
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n# HELP a A\n# TYPE a gauge\na{pod=\"1\"} 1\na{pod=\"2\"} 2\n# TYPE go_x gauge\ngo_x 1\nb 1\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text\r\n\r\n# TYPE go_y counter\ngo_y_total 1\n# TYPE a counter\na_total 1\n# EOF\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\na{ 1\n",
    ]);
    let args = [
        "--allow-metrics=a* /go_.+/",
        "--deny-metrics=go_*",
        "--drop-label=pod",
        "--no-help",
        "--log=debug",
        "--listen=127.0.0.1:0",
    ];
    let mut child = command(&proxy, &url, &args).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = Log::of(&mut child);
    let line = log.wait_for("listening");
    let own = line.rsplit_once("address=").unwrap().1.trim().to_owned();
    let mut peer = proxy.accept_with_key();
    assert_eq!(peer.scraped(), "# TYPE a gauge\na 1\n");
    let line = log.wait_for("left out by the filters");
    assert!(line.contains("families=2 series=2 duplicates=1"), "{line}");
    let (_, text) = crate::modes::get(&own, "/metrics");
    for (of, value) in [("families", 2), ("series", 2), ("duplicates", 1)] {
        let series = format!("\nprometheus_rsocket_client_filtered_{of} {value}\n");
        assert!(text.contains(&series), "{text}");
    }
    assert_eq!(peer.scraped(), "# TYPE a_total counter\na_total 1\n");
    let Event::RequestFailed { error: StreamFailure::Error { data, .. }, .. } = peer.scrape()
    else {
        panic!("what cannot be read cannot be filtered");
    };
    let message = String::from_utf8(data.to_vec()).unwrap();
    assert!(message.contains("cannot be filtered: line 1"), "{message}");
    terminate(&child);
    while !matches!(peer.next(), Event::Closed { .. }) {}
    drop(peer);
    child.wait().unwrap();
}
