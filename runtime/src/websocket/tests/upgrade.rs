use crate::websocket::{Refusal, answer};
use async_tungstenite::tungstenite::http::{Request, Version, request::Builder};

/// The example of RFC 6455, section 1.3.
fn request() -> Builder {
    Request::get("/chat")
        .header("Host", "server.example.com")
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Origin", "http://example.com")
        .header("Sec-WebSocket-Protocol", "chat, superchat")
        .header("Sec-WebSocket-Extensions", "permessage-deflate")
        .header("Sec-WebSocket-Version", "13")
}

fn with(name: &'static str, value: Option<&str>) -> Request<()> {
    let mut request = request().body(()).unwrap();
    request.headers_mut().remove(name);
    if let Some(value) = value {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

#[test]
fn a_request_is_answered_without_what_it_offers() {
    let response = answer(&request().body(()).unwrap()).unwrap();
    assert_eq!(response.status(), 101);
    let headers = response.headers();
    assert_eq!(headers["Sec-WebSocket-Accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(headers["Upgrade"], "websocket");
    assert_eq!(headers["Connection"], "Upgrade");
    assert_eq!(headers.len(), 3);
}

#[test]
fn headers_may_be_written_as_others_do() {
    for (name, value) in [
        ("Upgrade", "WebSocket"),
        ("Upgrade", "h2c, websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Connection", "keep-alive,upgrade"),
    ] {
        assert!(answer(&with(name, Some(value))).is_ok(), "{name}: {value}");
    }
    let mut twice = with("Connection", Some("keep-alive"));
    twice.headers_mut().append("Connection", "Upgrade".parse().unwrap());
    assert!(answer(&twice).is_ok());
}

#[test]
fn other_requests_are_refused_and_told_why() {
    use Refusal::*;
    let cases = [
        (with("Upgrade", None), NotWebSocket, 426),
        (with("Upgrade", Some("h2c")), NotWebSocket, 426),
        (with("Upgrade", Some("websockets")), NotWebSocket, 426),
        (with("Connection", None), Connection, 400),
        (with("Connection", Some("keep-alive")), Connection, 400),
        (with("Sec-WebSocket-Version", None), Version, 426),
        (with("Sec-WebSocket-Version", Some("8")), Version, 426),
        (with("Sec-WebSocket-Key", None), KeyMissing, 400),
        (with("Sec-WebSocket-Key", Some("")), KeyInvalid, 400),
        (with("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZQ")), KeyInvalid, 400),
        (with("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZTEy")), KeyInvalid, 400),
        (with("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZ!Bub25jZQ==")), KeyInvalid, 400),
        (with("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZSBmb3I=")), KeyInvalid, 400),
        (request().method("POST").body(()).unwrap(), Method, 405),
        (request().method("HEAD").body(()).unwrap(), Method, 405),
        (request().version(http(10)).body(()).unwrap(), HttpVersion, 505),
        (request().version(http(20)).body(()).unwrap(), HttpVersion, 505),
    ];
    for (request, expected, status) in cases {
        let refusal = answer(&request).unwrap_err();
        assert_eq!(refusal, expected);
        let response = refusal.response();
        assert_eq!(response.status(), status);
        let headers = response.headers();
        let header = |name| headers.get(name).map(|value| value.to_str().unwrap());
        assert!(header("Connection").unwrap().ends_with("close"));
        assert_eq!(header("Upgrade"), (status == 426).then_some("websocket"));
        assert_eq!(header("Connection").unwrap().contains("upgrade"), status == 426);
        assert_eq!(header("Sec-WebSocket-Version"), (expected == Version).then_some("13"));
        assert_eq!(header("Allow"), (status == 405).then_some("GET"));
    }
}

#[test]
fn a_refusal_names_the_header() {
    let names = [
        (Refusal::Connection, "Connection: Upgrade"),
        (Refusal::KeyInvalid, "Sec-WebSocket-Key"),
        (Refusal::KeyMissing, "Sec-WebSocket-Key"),
        (Refusal::Version, "Sec-WebSocket-Version"),
        (Refusal::NotWebSocket, "Upgrade: websocket"),
    ];
    for (refusal, name) in names {
        assert!(refusal.to_string().contains(name), "{refusal}");
    }
}

#[test]
fn a_key_must_be_there_once() {
    let mut twice = with("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZQ=="));
    twice.headers_mut().append("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap());
    assert_eq!(answer(&twice).unwrap_err(), Refusal::KeyInvalid);
}

fn http(version: u8) -> Version {
    if version == 10 { Version::HTTP_10 } else { Version::HTTP_2 }
}
