use super::{
    AnswerBody, AppFailure, Backend, Negotiated, Readiness, ScrapeBody, ScrapeRefused,
    ScrapeRequest,
    discovery::{self, APP_PATH},
    negotiate::prefers_gzip,
    pages,
};
use crate::auth::failures::PERIOD;
use crate::auth::scrapers::Refused;
use crate::{
    gzip,
    observe::telemetry::{HttpCode, HttpPath, Label, Telemetry},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use prometheus_rsocket_protocol::collector::Scraper;
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Answers requests. It knows no sockets, and takes time as an argument.
#[derive(Debug)]
pub struct Router<B> {
    backend: Arc<B>,
    telemetry: Arc<Telemetry>,
    targets: TargetAddress,
    pages: Pages,
}

/// What a listener serves in addition to what all listeners serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Metrics and pages.
    All,
    /// Metrics and service discovery.
    Metrics,
    /// Pages for people.
    Admin,
}

impl Pages {
    fn have(self, path: HttpPath) -> bool {
        match path {
            HttpPath::Index | HttpPath::StatusJson | HttpPath::App => self != Self::Metrics,
            HttpPath::MetricsConnected | HttpPath::MetricsApp | HttpPath::ServiceDiscovery => {
                self != Self::Admin
            }
            _ => true,
        }
    }
}

/// The address at which the targets of service discovery are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetAddress {
    /// Host and port; if `None`, those that the request was sent to.
    pub advertised: Option<String>,
    /// Whether the listener speaks TLS.
    pub is_https: bool,
}

impl<B: Backend> Router<B> {
    /// Returns a router to `backend`. `telemetry` counts its answers.
    pub fn new(backend: Arc<B>, telemetry: Arc<Telemetry>, targets: TargetAddress) -> Self {
        Self { backend, telemetry, targets, pages: Pages::All }
    }

    /// Returns a router that serves only a part of the pages.
    pub fn with_pages(self, pages: Pages) -> Self {
        Self { pages, ..self }
    }

    /// Answers the request with this head, which `peer` sent and which was received at `now`. A request's body is not read.
    pub async fn answer(&self, head: &Parts, peer: Client, now: Instant) -> Response<AnswerBody> {
        let path = route(head.uri.path());
        let answer = self.find(path, head, peer, now).await;
        self.telemetry.http_answered(path, answer.code);
        answer.into_response()
    }

    /// Answers a request that has only a spare place: with the proxy's own state, and nothing that takes long.
    pub(super) async fn answer_briefly(
        &self,
        head: &Parts,
        peer: Client,
        now: Instant,
    ) -> Response<AnswerBody> {
        let path = route(head.uri.path());
        let mut response = match path {
            HttpPath::MetricsConnected
            | HttpPath::MetricsApp
            | HttpPath::ServiceDiscovery
            | HttpPath::App
            | HttpPath::Other => {
                let answer = unavailable(&ScrapeRefused { reason: BUSY, retry_after: SOON });
                self.telemetry.http_answered(path, answer.code);
                answer.into_response()
            }
            HttpPath::Index
            | HttpPath::StatusJson
            | HttpPath::MetricsProxy
            | HttpPath::Healthy
            | HttpPath::Ready
            | HttpPath::ActuatorHealth
            | HttpPath::ActuatorLiveness
            | HttpPath::ActuatorReadiness
            | HttpPath::ActuatorPrometheus => self.answer(head, peer, now).await,
        };
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }

    /// Whether the path of a request needs credentials, if some are required. Only the paths that load balancers request do not.
    pub(super) fn is_protected(head: &Parts) -> bool {
        !matches!(
            route(head.uri.path()),
            HttpPath::Healthy
                | HttpPath::Ready
                | HttpPath::ActuatorHealth
                | HttpPath::ActuatorLiveness
                | HttpPath::ActuatorReadiness
        )
    }

    /// Refuses a request that lacks valid credentials.
    pub(super) fn refuse(&self, head: &Parts, refused: Refused) -> Response<AnswerBody> {
        let answer = match refused {
            Refused::Unauthorized => {
                Answer::text(HttpCode::Unauthorized, "credentials are needed\n")
                    .with(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE))
            }
            Refused::Throttled => {
                Answer::text(HttpCode::TooManyRequests, "too many wrong credentials\n")
                    .with(header::RETRY_AFTER, HeaderValue::from(PERIOD.as_secs()))
            }
        };
        self.telemetry.http_answered(route(head.uri.path()), answer.code);
        answer.into_response()
    }

    pub(super) fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    async fn find(&self, path: HttpPath, head: &Parts, peer: Client, now: Instant) -> Answer {
        if path != HttpPath::Other && head.method != Method::GET && head.method != Method::HEAD {
            let text = "only GET and HEAD are answered here\n";
            return Answer::text(HttpCode::MethodNotAllowed, text)
                .with(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        if !self.pages.have(path) {
            return Answer::text(HttpCode::NotFound, "this is served on another port\n");
        }
        match path {
            HttpPath::Index | HttpPath::StatusJson | HttpPath::App => {
                pages::answer(&*self.backend, path, head, peer.address).await
            }
            HttpPath::MetricsConnected => self.scrape(head, peer, now).await,
            HttpPath::MetricsApp => self.scrape_app(head, peer, now).await,
            HttpPath::ServiceDiscovery => self.discover(head),
            HttpPath::MetricsProxy | HttpPath::ActuatorPrometheus => {
                own_metrics(self.backend.own_metrics(), &head.headers)
            }
            HttpPath::Healthy => Answer::text(HttpCode::Ok, "healthy\n"),
            HttpPath::Ready => ready(self.backend.readiness()),
            HttpPath::ActuatorHealth | HttpPath::ActuatorLiveness => {
                Answer::actuator(HttpCode::Ok, "UP")
            }
            HttpPath::ActuatorReadiness => match self.backend.readiness() {
                Readiness::Ready => Answer::actuator(HttpCode::Ok, "UP"),
                Readiness::Draining | Readiness::Starting => {
                    Answer::actuator(HttpCode::Unavailable, "OUT_OF_SERVICE")
                }
            },
            HttpPath::Other => Answer::text(HttpCode::NotFound, NOT_FOUND),
        }
    }

    async fn scrape(&self, head: &Parts, peer: Client, now: Instant) -> Answer {
        let request = match self.request(head, peer, now) {
            Ok(request) => request,
            Err(BadScraper) => return bad_scraper(),
        };
        if head.method == Method::HEAD {
            // The headers are known without asking the applications.
            return Answer::metrics(AnswerBody::Unsent, &request);
        }
        match self.backend.scrape(request.clone()).await {
            Ok(body) => scraped(body, &request),
            Err(refused) => unavailable(&refused),
        }
    }

    async fn scrape_app(&self, head: &Parts, peer: Client, now: Instant) -> Answer {
        let path = head.uri.path().strip_prefix(APP_PATH).unwrap_or_default();
        let request = match self.request(head, peer, now) {
            Ok(request) => request,
            Err(BadScraper) => return bad_scraper(),
        };
        if head.method == Method::HEAD && self.backend.listed().iter().any(|app| &*app.path == path)
        {
            return Answer::metrics(AnswerBody::Unsent, &request);
        }
        match self.backend.scrape_app(path, request.clone()).await {
            Ok(body) => scraped(body, &request),
            Err(AppFailure::Refused(refused)) => unavailable(&refused),
            Err(AppFailure::Unknown) => {
                let text = "no application of this path is known, or no longer; /sd lists them\n";
                Answer::text(HttpCode::NotFound, text)
            }
            Err(AppFailure::Down { reason, message }) => {
                let code = match reason {
                    "timeout" => HttpCode::GatewayTimeout,
                    "closed" | "connecting" | "gone" | "not_asked" | "overloaded" | "worker" => {
                        HttpCode::Unavailable
                    }
                    _ => HttpCode::BadGateway,
                };
                Answer::text(code, format!("the application is down ({reason}): {message}\n"))
            }
        }
    }

    fn request(
        &self,
        head: &Parts,
        peer: Client,
        now: Instant,
    ) -> Result<ScrapeRequest, BadScraper> {
        let timeout = head.headers.get(SCRAPE_TIMEOUT).and_then(|value| value.to_str().ok());
        Ok(ScrapeRequest {
            peer: peer.address,
            scraper: scraper(head, peer)?,
            format: Negotiated::of(&head.headers),
            deadline: now + self.backend.timeouts().budget(timeout),
            gzip: prefers_gzip(&head.headers),
        })
    }

    /// Returns the list of targets. While the proxy is not ready, it answers with an error, since an empty list would delete all targets.
    fn discover(&self, head: &Parts) -> Answer {
        let readiness = self.backend.readiness();
        if readiness != Readiness::Ready {
            return ready(readiness);
        }
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = head.uri.authority().map(|authority| authority.as_str()).or(host);
        let Some(address) = self.targets.advertised.as_deref().or(host) else {
            let text = "a request without Host needs --advertise-http to say where targets are\n";
            return Answer::text(HttpCode::BadRequest, text);
        };
        let scheme = if self.targets.is_https { "https" } else { "http" };
        let list = discovery::targets(&self.backend.listed(), address, scheme);
        Answer::new(HttpCode::Ok, HeaderValue::from_static(JSON), AnswerBody::Full(list.into()))
    }
}

/// The answer to a request.
pub(super) struct Answer {
    code: HttpCode,
    headers: HeaderMap,
    body: AnswerBody,
}

impl Answer {
    pub(super) fn new(code: HttpCode, content_type: HeaderValue, body: AnswerBody) -> Self {
        let answer = Self { code, headers: HeaderMap::new(), body };
        answer.with(header::CONTENT_TYPE, content_type)
    }

    pub(super) fn text(code: HttpCode, text: impl Into<Bytes>) -> Self {
        Self::new(code, HeaderValue::from_static(PLAIN_TEXT), AnswerBody::Full(text.into()))
    }

    /// Answers as Spring Boot's actuator does for a component.
    fn actuator(code: HttpCode, status: &str) -> Self {
        let body = format!("{{\"status\":\"{status}\"}}");
        Self::new(code, HeaderValue::from_static(ACTUATOR), AnswerBody::Full(body.into()))
    }

    fn metrics(body: AnswerBody, request: &ScrapeRequest) -> Self {
        Self::exposition(body, request.format, request.gzip)
            .with(header::VARY, HeaderValue::from_static("accept, accept-encoding"))
    }

    fn exposition(body: AnswerBody, format: Negotiated, gzip: bool) -> Self {
        let answer = Self::new(HttpCode::Ok, format.content_type(), body);
        if gzip {
            // Prometheus decodes only this exact name.
            answer.with(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))
        } else {
            answer
        }
    }

    pub(super) fn with(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    fn into_response(self) -> Response<AnswerBody> {
        let mut response = Response::new(self.body);
        *response.status_mut() = match self.code {
            HttpCode::Ok => StatusCode::OK,
            HttpCode::BadRequest => StatusCode::BAD_REQUEST,
            HttpCode::Unauthorized => StatusCode::UNAUTHORIZED,
            HttpCode::NotFound => StatusCode::NOT_FOUND,
            HttpCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            HttpCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            HttpCode::BadGateway => StatusCode::BAD_GATEWAY,
            HttpCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            HttpCode::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
        };
        *response.headers_mut() = self.headers;
        response
    }
}

fn route(path: &str) -> HttpPath {
    if path.starts_with(APP_PATH) {
        return HttpPath::MetricsApp;
    }
    if path.starts_with(pages::APP_PATH) {
        return HttpPath::App;
    }
    let mut served = HttpPath::ALL.iter().copied().filter(|known| *known != HttpPath::Other);
    served.find(|known| known.value() == path).unwrap_or(HttpPath::Other)
}

/// The sender of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// The number of its connection. No other connection ever has it.
    pub connection: u64,
}

/// The value of `scraper` in the query is empty or too long.
struct BadScraper;

/// Identifies a scraper by `scraper` in the query, compared as it was sent, or else by its address and User-Agent. A scraper that sends neither is
/// identified by its connection.
fn scraper(head: &Parts, peer: Client) -> Result<Scraper, BadScraper> {
    let Client { address, connection } = peer;
    let mut fields = head.uri.query().unwrap_or_default().split('&');
    if let Some(name) = fields.find_map(|field| field.strip_prefix("scraper=")) {
        let is_short = (1..=MAX_SCRAPER_BYTES).contains(&name.len());
        let scraper = is_short.then(|| Scraper::named(format!("?{name}"), address.to_string()));
        return scraper.ok_or(BadScraper);
    }
    Ok(match head.headers.get(header::USER_AGENT).map(HeaderValue::as_bytes) {
        None => Scraper::unnamed(address.to_string(), connection),
        Some(agent) => {
            let agent = agent.get(..MAX_AGENT_BYTES).unwrap_or(agent).escape_ascii();
            Scraper::named(format!("{address} {agent}"), address.to_string())
        }
    })
}

fn bad_scraper() -> Answer {
    let text = format!("the query parameter `scraper` has 1 to {MAX_SCRAPER_BYTES} bytes\n");
    Answer::text(HttpCode::BadRequest, text)
}

fn scraped(body: ScrapeBody, request: &ScrapeRequest) -> Answer {
    Answer::metrics(AnswerBody::Scrape(body), request)
}

fn unavailable(refused: &ScrapeRefused) -> Answer {
    // Rounded up, since 0 would invite the scraper to come back immediately.
    let seconds = refused.retry_after.as_millis().div_ceil(1000).max(1) as u64;
    Answer::text(HttpCode::Unavailable, format!("{}\n", refused.reason))
        .with(header::RETRY_AFTER, HeaderValue::from(seconds))
}

fn own_metrics(text: String, headers: &HeaderMap) -> Answer {
    let gzip = prefers_gzip(headers);
    let body = if gzip { gzip::whole(text.as_bytes()) } else { text.into() };
    Answer::exposition(AnswerBody::Full(body), Negotiated::TEXT, gzip)
        .with(header::VARY, HeaderValue::from_static("accept-encoding"))
}

fn ready(readiness: Readiness) -> Answer {
    let code = match readiness {
        Readiness::Ready => HttpCode::Ok,
        Readiness::Draining | Readiness::Starting => HttpCode::Unavailable,
    };
    Answer::text(code, format!("{readiness}\n"))
}

/// The longest name of a scraper, in bytes.
const MAX_SCRAPER_BYTES: usize = 128;

/// How many bytes of a User-Agent distinguish scrapers.
const MAX_AGENT_BYTES: usize = 256;

const CHALLENGE: &str = "Basic realm=\"prometheus-rsocket-proxy\", charset=\"UTF-8\"";

const BUSY: &str = "all HTTP connections are busy (--max-http-connections)";

const SOON: Duration = Duration::from_secs(1);

const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const ACTUATOR: &str = "application/vnd.spring-boot.actuator.v3+json";

const NOT_FOUND: &str = "not found; there are /metrics/connected, /metrics/app/<id>, /sd, /metrics/proxy, /-/healthy, /-/ready, /status.json, /app/<id> and /\n";
