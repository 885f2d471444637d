use super::{WebSocket, WebSocketConfig, upgrade::has_token};
use async_tungstenite::tungstenite::{
    handshake::{
        client::{Response, generate_key},
        derive_accept_key,
        machine::TryParse,
    },
    http::{
        StatusCode,
        header::{
            CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
            SEC_WEBSOCKET_PROTOCOL, UPGRADE,
        },
        uri::{Authority, PathAndQuery},
    },
};
use futures_io::{AsyncRead, AsyncWrite};
use std::{future::poll_fn, io, pin::Pin};

/// Performs the opening handshake with the server at the other end of `stream`.
///
/// `authority` is the server's name, with its port unless that is the default one: `proxy.example:8081`. `path` begins with `/`
/// and may have a query. There is no time limit; use [`timeout`](crate::timeout).
///
/// # Errors
///
/// - [`InvalidInput`](io::ErrorKind::InvalidInput): `authority` or `path` is invalid. Nothing was sent.
/// - [`ConnectionRefused`](io::ErrorKind::ConnectionRefused): the server answered with another status than 101. The text has
///   the status and the beginning of the answer's body.
/// - [`InvalidData`](io::ErrorKind::InvalidData): the answer is invalid; the text says how.
/// - [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): the server closed the connection without an answer.
/// - Errors of the stream.
pub async fn connect<S>(
    mut stream: S,
    authority: &str,
    path: &str,
    config: &WebSocketConfig,
) -> io::Result<WebSocket<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let key = generate_key();
    send(&mut stream, request(authority, path, &key)?.as_bytes()).await?;
    let mut input = Vec::new();
    let response = loop {
        receive(&mut stream, &mut input, HEAD_MAX).await?;
        let parsed = Response::try_parse(&input);
        let parsed = parsed.map_err(|_| bad("is not that of an HTTP/1.1 server"))?;
        if let Some((len, response)) = parsed {
            input.drain(..len);
            break response;
        }
        if input.len() >= HEAD_MAX {
            return Err(bad(&format!("has a head of more than {HEAD_MAX} bytes")));
        }
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let excerpt = excerpt(&mut stream, &response, input).await;
        return Err(refused(response.status(), excerpt));
    }
    check(&response, &key)?;
    Ok(WebSocket::client(stream, input.into(), config))
}

fn request(authority: &str, path: &str, key: &str) -> io::Result<String> {
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, format!("WebSocket: {what}"));
    if Authority::try_from(authority).is_err() || authority.contains('@') {
        return Err(invalid(format!("{authority:?} is not a host with or without a port")));
    }
    if PathAndQuery::try_from(path).is_err() || !path.starts_with('/') || path.contains('#') {
        return Err(invalid(format!("{path:?} is not an absolute path")));
    }
    Ok(format!(
        "GET {path} HTTP/1.1\r\n\
         Host: {authority}\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\n\
         Sec-WebSocket-Version: 13\r\n\
         \r\n"
    ))
}

/// RFC 6455, section 4.1, "the client MUST validate the server's response".
fn check(response: &Response, key: &str) -> io::Result<()> {
    let headers = response.headers();
    if !has_token(headers, UPGRADE, "websocket") {
        return Err(bad("lacks the header Upgrade: websocket"));
    }
    if !has_token(headers, CONNECTION, "upgrade") {
        return Err(bad("lacks the header Connection: Upgrade"));
    }
    let expected = derive_accept_key(key.as_bytes());
    if headers.get(SEC_WEBSOCKET_ACCEPT).is_none_or(|accept| *accept != expected) {
        return Err(bad("has a Sec-WebSocket-Accept that does not fit the key"));
    }
    for name in [SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_EXTENSIONS] {
        if headers.contains_key(&name) {
            return Err(bad(&format!("has the header {name}, which was not asked for")));
        }
    }
    Ok(())
}

fn bad(what: &str) -> io::Error {
    let text = format!("WebSocket: the server's answer to the handshake {what}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn refused(status: StatusCode, excerpt: Option<String>) -> io::Error {
    let excerpt = excerpt.map_or_else(String::new, |excerpt| format!(": {excerpt}"));
    let text = format!("WebSocket: the server answered {status}, not 101{excerpt}");
    io::Error::new(io::ErrorKind::ConnectionRefused, text)
}

/// The beginning of an answer's body on one line, if it is text. Without a content length, what has arrived of it.
async fn excerpt<S: AsyncRead + Unpin>(
    stream: &mut S,
    response: &Response,
    mut body: Vec<u8>,
) -> Option<String> {
    let len =
        response.headers().get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
    let wanted = len.unwrap_or(0_usize).min(EXCERPT_MAX);
    while body.len() < wanted && receive(stream, &mut body, wanted).await.is_ok() {}
    body.truncate(EXCERPT_MAX);
    let text = match std::str::from_utf8(&body) {
        Ok(text) => text,
        // Cut within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&body[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let words: Vec<_> = text.split_whitespace().collect();
    let line = words.join(" ");
    (!line.is_empty() && !line.contains(char::is_control)).then_some(line)
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, bytes)).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            len => bytes = bytes.split_at(len).1,
        }
    }
    poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)).await
}

/// Appends available input up to a length of `len_max`; the end of the stream is an error.
async fn receive<S: AsyncRead + Unpin>(
    stream: &mut S,
    input: &mut Vec<u8>,
    len_max: usize,
) -> io::Result<()> {
    let mut chunk = [0; 1024];
    let room = len_max.saturating_sub(input.len()).min(chunk.len());
    let (chunk, _) = chunk.split_at_mut(room);
    match poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, chunk)).await? {
        0 => {
            let what = "WebSocket: the server closed the connection instead of answering";
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
        }
        len => {
            input.extend_from_slice(chunk.split_at(len).0);
            Ok(())
        }
    }
}

/// The maximum length of the head of an answer, in bytes.
const HEAD_MAX: usize = 16 * 1024;

/// The maximum length of the excerpt of an answer's body in an error, in bytes.
const EXCERPT_MAX: usize = 200;
