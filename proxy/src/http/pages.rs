//! The pages for people, and the same data as JSON.

use super::negotiate::prefers_gzip;
use super::router::Answer;
use super::{AnswerBody, Backend};
use crate::gzip;
use crate::observe::telemetry::HttpCode;
use crate::observe::telemetry::HttpPath;
use crate::status::{Query, csp, html};
use bytes::Bytes;
use http::header;
use http::{HeaderValue, request::Parts};
use prometheus_rsocket_runtime::JobLost;
use std::net::IpAddr;

/// The path of the pages of single applications, before their own paths.
pub(super) const APP_PATH: &str = "/app/";

/// Answers a request for a page.
pub(super) async fn answer<B: Backend>(
    backend: &B,
    path: HttpPath,
    head: &Parts,
    peer: IpAddr,
) -> Answer {
    let gzip = prefers_gzip(&head.headers);
    if path == HttpPath::App {
        let id = head.uri.path().strip_prefix(APP_PATH).unwrap_or_default();
        let made = backend.app_page(id, peer, move |page| pack(html::app(page), gzip)).await;
        return match made {
            Ok(Some(page)) => html_page(HttpCode::Ok, page, gzip),
            Ok(None) => html_page(HttpCode::NotFound, pack(html::unknown_app(id), gzip), gzip),
            Err(JobLost) => lost(),
        };
    }
    let query = match Query::parse(head.uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return Answer::text(HttpCode::BadRequest, format!("{error}\n")),
    };
    let shown = query.clone();
    let is_json = path == HttpPath::StatusJson;
    let made = backend.overview(query, move |overview| {
        let text = match is_json {
            true => serde_json::to_string(overview).expect("plain data is JSON"),
            false => html::overview(overview, &shown),
        };
        pack(text, gzip)
    });
    match made.await {
        Ok(body) if is_json => answer_of(HttpCode::Ok, JSON, body, gzip),
        Ok(body) => html_page(HttpCode::Ok, body, gzip),
        Err(JobLost) => lost(),
    }
}

fn pack(text: String, gzip: bool) -> Bytes {
    if gzip { gzip::whole(text.as_bytes()) } else { text.into() }
}

fn html_page(code: HttpCode, body: Bytes, gzip: bool) -> Answer {
    let policy = HeaderValue::from_str(&csp::POLICY).expect("a policy is visible ASCII");
    answer_of(code, HTML, body, gzip)
        .with(header::CONTENT_SECURITY_POLICY, policy)
        .with(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"))
}

fn answer_of(code: HttpCode, content_type: &'static str, body: Bytes, gzip: bool) -> Answer {
    let answer = Answer::new(code, HeaderValue::from_static(content_type), AnswerBody::Full(body))
        .with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with(header::VARY, HeaderValue::from_static("accept-encoding"))
        .with(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
        .with(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    match gzip {
        true => answer.with(header::CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        false => answer,
    }
}

fn lost() -> Answer {
    Answer::text(HttpCode::Unavailable, "the page was not made: a thread was lost\n")
}

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
