use async_tungstenite::tungstenite::{
    handshake::derive_accept_key,
    http::{
        HeaderMap, Method, Request, Response, StatusCode, Version,
        header::{
            ALLOW, CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
            SEC_WEBSOCKET_VERSION, UPGRADE,
        },
    },
};
use std::fmt;

/// Returns a server's answer to a request for a WebSocket: 101 without a sub-protocol or extension, whatever was offered. Once
/// it is sent, pass the stream to [`WebSocket::server`](super::WebSocket::server).
///
/// # Errors
///
/// The request is not for a WebSocket, or RFC 6455, section 4.2.1, does not allow it.
pub fn answer<B>(request: &Request<B>) -> Result<Response<()>, Refusal> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(Refusal::Method);
    }
    if !has_token(headers, UPGRADE, "websocket") {
        return Err(Refusal::NotWebSocket);
    }
    if request.version() != Version::HTTP_11 {
        return Err(Refusal::HttpVersion);
    }
    if !has_token(headers, CONNECTION, "upgrade") {
        return Err(Refusal::Connection);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::Version);
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().ok_or(Refusal::KeyMissing)?.as_bytes();
    if !is_key(key) || keys.next().is_some() {
        return Err(Refusal::KeyInvalid);
    }
    let accept = HeaderValue::try_from(derive_accept_key(key)).map_err(|_| Refusal::KeyInvalid)?;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// Why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no `Connection: Upgrade`.
    Connection,
    /// The request is not HTTP/1.1.
    HttpVersion,
    /// `Sec-WebSocket-Key` is not 16 bytes in Base64, or occurs twice.
    KeyInvalid,
    /// There is no `Sec-WebSocket-Key`.
    KeyMissing,
    /// The method is not GET.
    Method,
    /// There is no `Upgrade: websocket`: an ordinary request.
    NotWebSocket,
    /// `Sec-WebSocket-Version` is missing or not 13, the only version.
    Version,
}

impl Refusal {
    /// Returns the answer for the peer, without a body. Close the connection after it.
    pub fn response(self) -> Response<()> {
        let mut response = Response::new(());
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let status = match self {
            Self::Connection | Self::KeyInvalid | Self::KeyMissing => StatusCode::BAD_REQUEST,
            Self::HttpVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET"));
                StatusCode::METHOD_NOT_ALLOWED
            }
            Self::NotWebSocket | Self::Version => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade, close"));
                StatusCode::UPGRADE_REQUIRED
            }
        };
        if self == Self::Version {
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        *response.status_mut() = status;
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "the header Connection: Upgrade is missing",
            Self::HttpVersion => "only HTTP/1.1 can be upgraded to a WebSocket",
            Self::KeyInvalid => "the header Sec-WebSocket-Key is not 16 bytes in Base64, once",
            Self::KeyMissing => "the header Sec-WebSocket-Key is missing",
            Self::Method => "only a GET request can be upgraded to a WebSocket",
            Self::NotWebSocket => "the header Upgrade: websocket is missing",
            Self::Version => "the header Sec-WebSocket-Version is not 13",
        })
    }
}

impl std::error::Error for Refusal {}

/// Whether one of the headers of this name lists `token`.
pub(super) fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// 16 bytes are 22 digits of Base64 and two padding characters.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(is_digit)
}
