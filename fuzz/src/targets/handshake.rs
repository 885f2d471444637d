//! The two sides of the request to become a WebSocket.

use crate::input::Input;
use crate::wire::{Wire, accept, drained};
use async_tungstenite::tungstenite::handshake::machine::TryParse;
use async_tungstenite::tungstenite::http::Request;
use prometheus_rsocket_runtime::websocket::{self, Refusal, WebSocketConfig};
use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::task::Poll;

/// Any request is answered or refused; any answer is taken or named wrong, however it is cut.
pub fn handshake(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() {
        0..100 => request(input.rest()),
        kind => answer(&mut input, kind),
    }
}

/// A server looks at a request that somebody else has read.
fn request(text: &[u8]) {
    let Ok(Some((_, request))) = Request::try_parse(text) else { return };
    match websocket::answer(&request) {
        Ok(response) => {
            assert_eq!(response.status(), 101);
            assert_eq!(response.headers().len(), 3, "nothing that was offered is taken");
            let header = |name| request.headers().get(name).and_then(|it| it.to_str().ok());
            assert_eq!(header("sec-websocket-version"), Some("13"));
            assert_eq!(header("sec-websocket-key").map(str::len), Some(24));
        }
        Err(refusal) => {
            let status = refusal.response().status();
            assert!(status.is_client_error() || refusal == Refusal::HttpVersion);
            assert!(!refusal.to_string().is_empty());
        }
    }
}

/// A client hears what may be an answer, and then what may be messages.
fn answer(input: &mut Input<'_>, kind: u8) {
    let cuts = input.bytes();
    let outcomes = [&[][..], cuts, &[1]].map(|cuts| {
        let mut input = input.clone();
        let wire = Wire::new();
        let config = WebSocketConfig::default();
        let mut connecting =
            pin!(websocket::connect(wire.clone(), "host:1", "/path?query", &config));
        assert!(drained(|cx| connecting.as_mut().poll(cx)).is_pending());
        let right = accept(&wire.take());
        let bytes = answered(&mut input, kind, &right);
        let mut cuts = cuts.iter().filter(|cut| **cut > 0).cycle();
        let mut rest = &bytes[..];
        loop {
            if rest.is_empty() {
                wire.end();
            }
            let len = cuts.next().map_or(rest.len(), |cut| rest.len().min((*cut).into()));
            let (piece, after) = rest.split_at(len);
            wire.push(piece);
            rest = after;
            if let Poll::Ready(result) = drained(|cx| connecting.as_mut().poll(cx)) {
                let is_right = has_line(&bytes, &right);
                assert!(result.is_err() || is_right, "taken from whom it does not know");
                break result.map(drop);
            }
        }
    });
    for outcome in &outcomes {
        if let Err(error) = outcome {
            let kinds =
                [ErrorKind::ConnectionRefused, ErrorKind::InvalidData, ErrorKind::UnexpectedEof];
            assert!(kinds.contains(&error.kind()), "{error}");
            let text = error.to_string();
            assert!(text.starts_with("WebSocket: ") && !text.contains(char::is_control));
            assert!(text.len() < 1_000, "{} bytes of an error", text.len());
        }
    }
    let kinds = outcomes.map(|outcome| outcome.err().map(|error| error.kind()));
    assert!(kinds.iter().all(|kind| *kind == kinds[0]), "{kinds:?}");
}

/// Whether an answer has what proves that the server has read the request.
fn has_line(answer: &[u8], right: &str) -> bool {
    answer.starts_with(b"HTTP/1.") && position(answer, proof(right).as_bytes()).is_some()
}

/// The value of the header Sec-WebSocket-Accept, which is another for each connection.
fn proof(right: &str) -> &str {
    let mut lines = right.lines();
    lines.find_map(|line| line.strip_prefix("sec-websocket-accept: ")).expect("it is right")
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The right answer with some of it changed, or anything.
fn answered(input: &mut Input<'_>, kind: u8, right: &str) -> Vec<u8> {
    if kind < 160 {
        return input.rest().to_vec();
    }
    // What is changed is so whatever the proof is: something stands for it that it never has in it.
    let proof = proof(right);
    let blank = "?".repeat(proof.len());
    let mut bytes = right.replace(proof, &blank).into_bytes();
    // Behind the first line.
    let at = right.find('\n').map_or(0, |at| at + 1);
    let headers = input.bytes();
    bytes.splice(at..at, headers.iter().copied());
    for _ in 0..kind % 4 {
        let (at, byte) = (input.below(256), input.byte());
        if let Some(old) = bytes.get_mut(at) {
            *old = byte;
        }
    }
    if let Some(at) = position(&bytes, blank.as_bytes()) {
        bytes.splice(at..at + proof.len(), proof.bytes());
    }
    bytes.extend_from_slice(input.rest());
    bytes
}
