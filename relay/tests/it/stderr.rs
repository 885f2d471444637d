//! Nothing that happens to standard error ends or freezes the relay.

use crate::endpoint::endpoint;
use crate::program::{command, program, terminate};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::Event;
use prometheus_rsocket_testkit::proxy::FakeProxy;
use std::fs::OpenOptions;
use std::io::{Write, pipe};
use std::process::Stdio;

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n";

/// Loses its proxy over and over, is scraped in between, and pushes in the end.
fn relays(stderr: impl Into<Stdio>) {
    let (proxy, endpoint) = (FakeProxy::new(), endpoint(&[ANSWER; 4]));
    let args = ["--log=debug", "--backoff-min=10ms", "--backoff-max=20ms"];
    let mut child = command(&proxy, &endpoint, &args).stderr(stderr).spawn().unwrap();
    for _ in 0..3 {
        let mut peer = proxy.accept_with_key();
        assert_eq!(peer.scraped(), "a 1\n");
    }
    let mut peer = proxy.accept_with_key();
    terminate(&child);
    let (stream_id, text) = peer.pushed();
    assert_eq!(text, "a 1\n");
    peer.connection.respond(stream_id, Payload::default()).unwrap();
    assert!(matches!(peer.next(), Event::Closed { .. }));
    drop(peer);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_changes_nothing() {
    relays(pipe().unwrap().1);
}

#[test]
fn a_reader_that_does_not_read_holds_nothing_up() {
    let (_reader, mut writer) = pipe().unwrap();
    // What a pipe holds on Linux, unless it was told otherwise.
    writer.write_all(&[b'x'; 65_536]).unwrap();
    relays(writer);
}

#[test]
fn a_full_disk_changes_nothing() {
    relays(OpenOptions::new().write(true).open("/dev/full").unwrap());
}

#[test]
fn the_exit_status_is_the_same_whatever_becomes_of_the_output() {
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let good = ["--proxy=tcp://localhost", "--scrape=http://localhost/metrics"];
    for (arg, status) in
        [("--no-such-flag", 2), ("--scrape-ca=/dev/zero", 2), ("--help", 0), ("--version", 0)]
    {
        let (_reader, mut writer) = pipe().unwrap();
        writer.write_all(&[b'x'; 65_536]).unwrap();
        let mut commands = [program(), program(), program()];
        commands[0].stdout(writer.try_clone().unwrap()).stderr(writer);
        commands[1].stdout(full()).stderr(full());
        commands[2].stdout(pipe().unwrap().1).stderr(pipe().unwrap().1);
        for command in &mut commands {
            let ended = command.args(good).arg(arg).status().unwrap();
            assert_eq!(ended.code(), Some(status), "{arg}");
        }
    }
}
