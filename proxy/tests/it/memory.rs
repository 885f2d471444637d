use super::world::World;
use crate::app::App;
use bytes::BytesMut;
use prometheus_rsocket_protocol::rsocket::frame::{Body, Frame, Setup};
use prometheus_rsocket_protocol::rsocket::framing::encode_prefixed;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the frames are that are never finished: two of them fit.
const FRAME: usize = 1024 * 1024;

/// An application that begins a long frame, and leaves it at that.
fn stall(proxy: SocketAddr) -> TcpStream {
    let mut bytes = BytesMut::new();
    let setup = Frame::on_connection(Body::Setup(Box::<Setup>::default()));
    encode_prefixed(&setup, &mut bytes).unwrap();
    bytes.extend_from_slice(&(FRAME as u32).to_be_bytes()[1..]);
    let mut stream = TcpStream::connect(proxy).unwrap();
    stream.write_all(&bytes).unwrap();
    stream
}

#[test]
fn frames_that_are_never_finished_are_held_up_to_a_sum_and_then_not_for_long() {
    let world = World::start(&["--max-memory=16MiB"]);
    let mut good = App::connect(world.tcp);
    let stalled: Vec<TcpStream> = (0..5).map(|_| stall(world.tcp)).collect();
    world.wait_tables(|tables| tables.connections == 6 && tables.connection_bytes > 2 * FRAME);
    world.wait_tables(|tables| {
        assert!(tables.connection_bytes < 3 * FRAME, "{tables:?}");
        tables.connections == 3
    });
    // Three had to go to make room for the others; those that hold up nobody stay.
    let evicted = "prometheus_proxy_connection_error_total{cause=\"memory\"}";
    world.wait_own(evicted, 3.0);
    let mut told = 0;
    for mut stream in stalled {
        let mut answer = Vec::new();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        match stream.read_to_end(&mut answer) {
            Ok(_) => told += usize::from(String::from_utf8_lossy(&answer).contains("--max-memory")),
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "{error}"
            ),
        }
    }
    assert_eq!(told, 3);
    let scraping = world.scrape_with("X-Prometheus-Scrape-Timeout-Seconds: 2\r\n");
    good.answer_text("good 1\n");
    assert_eq!(scraping.text(), "good 1\n");
    world.wait_tables(|tables| tables.connections == 1 && tables.connection_bytes == 0);
}
