//! What one connection makes of bytes, however they are cut and whenever it is drained.

use crate::config;
use crate::forge;
use crate::input::Input;
use bytes::BytesMut;
use prometheus_rsocket_protocol::Connection;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Config, Event, Framing};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame};
use prometheus_rsocket_protocol::rsocket::framing::encode_prefixed;
use prometheus_rsocket_testkit::heard::{Drain, Heard};
use prometheus_rsocket_testkit::world::{epoch, setup};

/// Rules 1, 2, 4 and 9 of the contract.
pub fn hearing(data: &[u8]) {
    let mut input = Input::new(data);
    let mut config = config::agreed(&mut input);
    config.framing = Framing::LengthPrefixed;
    let is_client = input.flag();
    let cuts = input.bytes();
    let wire = wire(&mut input, &config, is_client);
    let hear = |cuts: &[_], drain| Heard::by(connection(&config, is_client), &wire, cuts, drain);

    let whole = hear(&[], Drain::WhenFull);
    assert_eq!(whole, hear(&[], Drain::WhenFull), "rule 9");
    let every_byte: Vec<_> = (0..wire.len()).map(|at| (at, false, false)).collect();
    assert_eq!(whole, hear(&every_byte, Drain::WhenFull), "rule 4");
    let drained = hear(&anywhere(cuts, wire.len()), Drain::AtCuts);
    assert_eq!(whole.events, drained.events, "rule 1");
    answered(&whole);
}

fn connection(config: &Config, is_client: bool) -> Connection {
    match is_client {
        true => Connection::client(config.clone(), setup(config), epoch()).expect("a good SETUP"),
        false => Connection::server(config.clone(), epoch()),
    }
}

/// Frames, and bytes that are none.
fn wire(input: &mut Input<'_>, config: &Config, is_client: bool) -> Vec<u8> {
    let mut wire = BytesMut::new();
    if !is_client && !input.flag() {
        let setup = Frame::on_connection(Body::Setup(Box::new(setup(config))));
        encode_prefixed(&setup, &mut wire).expect("a short frame");
    }
    while !input.is_empty() && wire.len() < WIRE_MAX {
        match input.below(8) {
            0 => wire.extend_from_slice(input.bytes()),
            _ => {
                let frame = forge::frame(input);
                encode_prefixed(&frame, &mut wire).expect("a short frame");
            }
        }
    }
    wire.to_vec()
}

/// Two bytes for each cut: how far it is from the one before, and what is drained there.
fn anywhere(cuts: &[u8], len: usize) -> Vec<(usize, bool, bool)> {
    let mut at = 0;
    let cuts = cuts.chunks_exact(2).map(|cut| {
        at = len.min(at + usize::from(cut[0]));
        (at, cut[1] & 1 != 0, cut[1] & 2 != 0)
    });
    cuts.collect()
}

/// Rule 2: a violation is answered, and nothing else is.
fn answered(heard: &Heard) {
    let Some(Event::Closed { reason }) = heard.events.last() else {
        panic!("the transport's end was not noticed: {heard:?}");
    };
    let last = heard.output.last().map(|bytes| Frame::decode(bytes.clone()).expect("a frame"));
    let error = last.and_then(|frame| match frame.body {
        Body::Error { code, data } if frame.stream_id.is_connection() => Some((code, data)),
        _ => None,
    });
    match reason {
        CloseReason::Violation(violation) => {
            let (code, text) = error.expect("a violation is answered by ERROR");
            assert_eq!(text, violation.to_string());
            assert!(code <= ErrorCode::CONNECTION_ERROR, "{code} is no connection's");
        }
        CloseReason::Local { code, .. } => {
            assert_eq!(error.expect("our owner's").0, *code);
        }
        _ => assert_eq!(error, None),
    }
}

/// Each byte alone is a call, and that many times.
const WIRE_MAX: usize = 4096;
