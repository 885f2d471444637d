use super::*;
use crate::websocket::{answer, connect};
use async_tungstenite::tungstenite::{
    handshake::{derive_accept_key, machine::TryParse},
    http::Request,
};
use std::io::ErrorKind;

type Connecting = Task<io::Result<WebSocket<Duplex>>>;

/// A client that has sent its request, the server's end, and the request.
fn connecting(authority: &'static str, path: &'static str) -> (Connecting, Duplex, String) {
    let (near, far) = duplex(usize::MAX / 2);
    near.outgoing.buffer();
    let config = WebSocketConfig::default();
    let mut task = Task::new(async move { connect(near, authority, path, &config).await });
    run(&mut [&mut task]);
    let request = String::from_utf8(far.incoming.take()).unwrap();
    (task, far, request)
}

fn accept_of(request: &str) -> String {
    let line = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    derive_accept_key(line.unwrap().as_bytes())
}

fn good_answer(request: &str) -> String {
    let accept = accept_of(request);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

#[track_caller]
fn failure(answer: impl FnOnce(&str) -> Vec<u8>) -> io::Error {
    let (mut task, far, request) = connecting("h", "/");
    far.outgoing.push(&answer(&request));
    far.outgoing.end();
    run(&mut [&mut task]);
    task.output().expect("an end").unwrap_err()
}

#[test]
fn the_request_is_what_servers_expect() {
    let (_, _, request) = connecting("proxy.example:8081", "/apps?x=1");
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let expected = format!(
        "GET /apps?x=1 HTTP/1.1\r\nHost: proxy.example:8081\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    assert_eq!(request, expected);
    let (_, parsed) = Request::try_parse(request.as_bytes()).unwrap().unwrap();
    assert_eq!(answer(&parsed).unwrap().headers()["sec-websocket-accept"], accept_of(&request));
    let (_, _, other) = connecting("proxy.example:8081", "/apps?x=1");
    assert_ne!(request, other, "each key is new");
}

#[test]
fn what_the_server_sends_after_its_answer_is_not_lost() {
    let wire = [frame(Role::Client, BINARY, b"at once"), frame(Role::Client, BINARY, b"and")];
    let expected = [prefixed(b"at once"), prefixed(b"and")].concat();
    for piece in [1, 2, 10, 1000, 10_000] {
        let (mut task, far, request) = connecting("h", "/");
        let bytes = [good_answer(&request).as_bytes(), &wire.concat()].concat();
        for piece in bytes.chunks(piece) {
            far.outgoing.push(piece);
            run(&mut [&mut task]);
        }
        let mut socket = task.output().unwrap().unwrap();
        assert_eq!(read(&mut socket, 100).0, expected);
        write_all(&mut socket, &prefixed(b"back"));
        assert_eq!(take_frames(Role::Client, far.incoming.take()), [(BINARY, b"back".to_vec())]);
    }
}

#[test]
fn other_ways_to_write_the_answer_are_understood() {
    let (mut task, far, request) = connecting("h", "/");
    let answer = good_answer(&request)
        .replace("Upgrade: websocket", "UPGRADE:WebSocket\r\nServer: x")
        .replace("Connection: Upgrade", "connection: keep-alive, upgrade");
    far.outgoing.push(answer.as_bytes());
    run(&mut [&mut task]);
    assert!(task.output().unwrap().is_ok());
}

#[test]
fn an_answer_that_does_not_fit_is_an_error_that_says_what() {
    let cases: [(&str, &str, &str); 8] = [
        ("Upgrade: websocket\r\n", "", "Upgrade: websocket"),
        ("Upgrade: websocket", "Upgrade: h2c", "Upgrade: websocket"),
        ("Connection: Upgrade\r\n", "", "Connection: Upgrade"),
        ("Connection: Upgrade", "Connection: close", "Connection: Upgrade"),
        ("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x", "Sec-WebSocket-Accept"),
        ("Sec-WebSocket-Accept", "X-Accept", "Sec-WebSocket-Accept"),
        ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n", "sec-websocket-protocol"),
        ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n", "sec-websocket-extensions"),
    ];
    for (from, to, text) in cases {
        let error = failure(|request| good_answer(request).replace(from, to).into_bytes());
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_refusal_is_an_error_with_the_status_and_what_the_server_says() {
    let cases: [(&str, &str); 8] = [
        ("404 Not Found\r\nContent-Length: 9\r\n\r\nnot  here", ": not here"),
        ("404 Not Found\r\nContent-Length: 3\r\n\r\nno!", ": no!"),
        ("404 Not Found\r\nContent-Length: 99\r\n\r\ncut\r\n off", ": cut off"),
        ("404 Not Found\r\n\r\nwhatever came", ": whatever came"),
        ("404 Not Found\r\nContent-Length: 0\r\n\r\n", ""),
        ("404 Not Found\r\nContent-Length: 4\r\n\r\n\x1b[2J", ""),
        ("404 Not Found\r\nContent-Length: x\r\n\r\n", ""),
        ("404 Not Found\r\nContent-Length: 999999999999\r\n\r\nlong", ": long"),
    ];
    for (answer, text) in cases {
        let error = failure(|_| format!("HTTP/1.1 {answer}").into_bytes());
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let expected = format!("WebSocket: the server answered 404 Not Found, not 101{text}");
        assert_eq!(error.to_string(), expected);
    }
    let error = failure(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe".to_vec());
    assert_eq!(error.to_string(), "WebSocket: the server answered 200 OK, not 101");
}

#[test]
fn no_more_of_a_refusal_is_read_than_is_told() {
    let (mut task, far, _) = connecting("h", "/");
    far.outgoing.push(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100000\r\n\r\n");
    run(&mut [&mut task]);
    assert!(task.output().is_none(), "the text is on its way");
    far.outgoing.push("ä".repeat(150).as_bytes());
    run(&mut [&mut task]);
    let error = task.output().unwrap().unwrap_err().to_string();
    assert!(error.ends_with(&format!("403 Forbidden, not 101: {}", "ä".repeat(100))), "{error}");
    // Cut in the middle of a character.
    let error = failure(|_| {
        format!("HTTP/1.1 403 No\r\nContent-Length: 9999\r\n\r\n.{}", "ä".repeat(150)).into_bytes()
    });
    assert!(error.to_string().ends_with(&format!("not 101: .{}", "ä".repeat(99))), "{error}");
}

#[test]
fn what_is_not_http_is_an_error() {
    for answer in
        [&b"\x15\x03\x01\x00\x02\x02\x50"[..], b"SSH-2.0-x\r\n\r\n", b"HTTP/1.0 101 x\r\n\r\n"]
    {
        let error = failure(|_| answer.to_vec());
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("HTTP/1.1 server"), "{error}");
    }
}

#[test]
fn an_answer_is_not_read_without_end() {
    let (mut task, far, _) = connecting("h", "/");
    far.outgoing.push(b"HTTP/1.1 101 Switching Protocols\r\nX: ");
    far.outgoing.push(&[b'x'; 100_000]);
    run(&mut [&mut task]);
    let error = task.output().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("head of more than 16384 bytes"), "{error}");
}

#[test]
fn a_server_that_closes_instead_is_an_error() {
    for answer in [&b""[..], b"HTTP/1.1 101 Switching Protocols\r\nUpgra"] {
        let error = failure(|_| answer.to_vec());
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("instead of answering"), "{error}");
    }
}

#[test]
fn what_cannot_be_asked_for_is_not_sent() {
    let cases = [
        ("h", ""),
        ("h", "path"),
        ("h", "/a b"),
        ("h", "/\r\nX: y"),
        ("h", "/#x"),
        ("h", "*"),
        ("", "/"),
        ("h x", "/"),
        ("h\r\nX: y", "/"),
        ("user:secret@h", "/"),
        ("h/x", "/"),
    ];
    for (authority, path) in cases {
        let (mut task, far, request) = connecting(authority, path);
        let error = task.output().expect("an end").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{authority} {path}");
        assert!(request.is_empty());
        drop(far);
    }
    for authority in ["localhost", "127.0.0.1:80", "[::1]:8081", "a-b.example"] {
        assert!(connecting(authority, "/").2.contains(&format!("\r\nHost: {authority}\r\n")));
    }
}

#[test]
fn client_and_server_understand_each_other() {
    let (near, far) = duplex(50);
    near.shake(3);
    let config = WebSocketConfig::default();
    let mut client = Task::new(async move { connect(near, "h", "/", &config).await.unwrap() });
    let mut server = Task::new(async move {
        let mut far = far;
        let mut input = Vec::new();
        let (len, request) = loop {
            let mut buf = [0; 30];
            let read = std::future::poll_fn(|cx| Pin::new(&mut far).poll_read(cx, &mut buf));
            let len = read.await.unwrap();
            input.extend(&buf[..len]);
            if let Some(parsed) = Request::try_parse(&input).unwrap() {
                break parsed;
            }
        };
        let response = answer(&request).unwrap();
        let mut head = Vec::new();
        async_tungstenite::tungstenite::handshake::server::write_response(&mut head, &response)
            .unwrap();
        futures_lite::AsyncWriteExt::write_all(&mut far, &head).await.unwrap();
        WebSocket::server(far, input.split_off(len).into(), &WebSocketConfig::default())
    });
    run(&mut [&mut client, &mut server]);
    assert!(client.output().is_some() && server.output().is_some());
}
