use super::{
    AnswerBody, Backend, Readiness, ScrapeBody, ScrapeRefused, ScrapeRequest, ScrapeTimeouts,
    negotiate::prefers_gzip, page,
};
use crate::{
    gzip::{Member, deflate_part},
    telemetry::{HttpCode, HttpPath, Label, Telemetry},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use std::{sync::Arc, time::Instant};

/// Finds the answer to a request. It knows no sockets, and time only as an argument.
#[derive(Debug)]
pub struct Router<B> {
    backend: Arc<B>,
    telemetry: Arc<Telemetry>,
    timeouts: ScrapeTimeouts,
}

impl<B: Backend> Router<B> {
    /// A router to `backend`, which counts its answers.
    pub fn new(backend: Arc<B>, telemetry: Arc<Telemetry>, timeouts: ScrapeTimeouts) -> Self {
        Self { backend, telemetry, timeouts }
    }

    /// Answers the request with this head, which was received at `now`. A request's body is of no interest.
    pub async fn answer(&self, head: &Parts, now: Instant) -> Response<AnswerBody> {
        let path = route(head.uri.path());
        let answer = self.find(path, head, now).await;
        self.telemetry.http_answered(path, answer.code);
        answer.into_response()
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    async fn find(&self, path: HttpPath, head: &Parts, now: Instant) -> Answer {
        if path != HttpPath::Other && head.method != Method::GET && head.method != Method::HEAD {
            let text = "only GET and HEAD are answered here\n";
            return Answer::text(HttpCode::MethodNotAllowed, text)
                .with(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        match path {
            HttpPath::Index => Answer::html(page::render(&self.backend.status())),
            HttpPath::MetricsConnected => self.scrape(head, now).await,
            HttpPath::MetricsProxy => own_metrics(self.backend.own_metrics(), &head.headers),
            HttpPath::Healthy => Answer::text(HttpCode::Ok, "healthy\n"),
            HttpPath::Ready => ready(self.backend.readiness()),
            HttpPath::Other => Answer::text(HttpCode::NotFound, NOT_FOUND),
        }
    }

    async fn scrape(&self, head: &Parts, now: Instant) -> Answer {
        let gzip = prefers_gzip(&head.headers);
        if head.method == Method::HEAD {
            // The headers are known without bothering the applications.
            return Answer::metrics(AnswerBody::Unsent, gzip);
        }
        let timeout = head.headers.get(SCRAPE_TIMEOUT).and_then(|value| value.to_str().ok());
        let deadline = now + self.timeouts.budget(timeout);
        match self.backend.scrape(ScrapeRequest { deadline, gzip }).await {
            Ok(body) => scraped(body),
            Err(refused) => unavailable(&refused),
        }
    }
}

/// What a request is answered with.
struct Answer {
    code: HttpCode,
    headers: HeaderMap,
    body: AnswerBody,
}

impl Answer {
    fn new(code: HttpCode, content_type: &'static str, body: AnswerBody) -> Self {
        let answer = Self { code, headers: HeaderMap::new(), body };
        answer.with(header::CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    fn text(code: HttpCode, text: impl Into<Bytes>) -> Self {
        Self::new(code, PLAIN_TEXT, AnswerBody::Full(text.into()))
    }

    fn html(page: String) -> Self {
        Self::new(HttpCode::Ok, HTML, AnswerBody::Full(page.into()))
    }

    fn metrics(body: AnswerBody, gzip: bool) -> Self {
        let vary = HeaderValue::from_static("accept-encoding");
        let answer = Self::new(HttpCode::Ok, EXPOSITION, body).with(header::VARY, vary);
        if gzip {
            // Prometheus decodes only what is called exactly this.
            answer.with(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))
        } else {
            answer
        }
    }

    fn with(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    fn into_response(self) -> Response<AnswerBody> {
        let mut response = Response::new(self.body);
        *response.status_mut() = match self.code {
            HttpCode::Ok => StatusCode::OK,
            HttpCode::NotFound => StatusCode::NOT_FOUND,
            HttpCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            HttpCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        *response.headers_mut() = self.headers;
        response
    }
}

fn route(path: &str) -> HttpPath {
    let mut served = HttpPath::ALL.iter().copied().filter(|known| *known != HttpPath::Other);
    served.find(|known| known.value() == path).unwrap_or(HttpPath::Other)
}

fn scraped(body: ScrapeBody) -> Answer {
    let gzip = body.is_gzip();
    Answer::metrics(AnswerBody::Scrape(body), gzip)
}

fn unavailable(refused: &ScrapeRefused) -> Answer {
    // Rounded up: 0 would be an invitation to come again at once.
    let seconds = refused.retry_after.as_millis().div_ceil(1000).max(1) as u64;
    Answer::text(HttpCode::Unavailable, format!("{}\n", refused.reason))
        .with(header::RETRY_AFTER, HeaderValue::from(seconds))
}

fn own_metrics(text: String, headers: &HeaderMap) -> Answer {
    if !prefers_gzip(headers) {
        return Answer::metrics(AnswerBody::Full(text.into()), false);
    }
    let mut member = Member::new();
    let deflated = member.append(&deflate_part(text.as_bytes()));
    let whole = [Member::header(), deflated, member.finish()].concat();
    Answer::metrics(AnswerBody::Full(whole.into()), true)
}

fn ready(readiness: Readiness) -> Answer {
    let code = match readiness {
        Readiness::Ready => HttpCode::Ok,
        Readiness::Draining | Readiness::Starting => HttpCode::Unavailable,
    };
    Answer::text(code, format!("{readiness}\n"))
}

const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

const NOT_FOUND: &str =
    "not found; there are /metrics/connected, /metrics/proxy, /-/healthy, /-/ready and /\n";
