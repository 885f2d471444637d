use super::*;
use crate::observe::census::Census;
use crate::observe::probes::ProbeLog;
use crate::observe::telemetry::RegistryState;
use prometheus_rsocket_protocol::Labels;
use prometheus_rsocket_protocol::collector::{
    AppRef, Collector, Config, Peer, PeerTls, PushEviction, PushShare, Transport,
};
use prometheus_rsocket_protocol::report::{Report, ReportKind};
use prometheus_rsocket_protocol::rsocket::connection::StreamFailure;
use prometheus_rsocket_protocol::rsocket::frame::ErrorCode;
use prometheus_rsocket_protocol::rsocket::framing::Foreign;
use std::io;
use std::sync::{Arc, Mutex};
use tracing::Level;

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the lines of INFO and above that these notices cause.
fn lines(notices: &[Notice]) -> Vec<String> {
    lines_at(Instant::now(), &probes(), notices)
}

fn lines_at(now: Instant, probes: &ProbeLog, notices: &[Notice]) -> Vec<String> {
    written(false, now, probes, notices)
}

fn written(json: bool, now: Instant, probes: &ProbeLog, notices: &[Notice]) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::INFO)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_writer(move || writer.clone());
    let all = || notices.iter().for_each(|notice| super::log(probes, now, notice));
    if json {
        tracing::subscriber::with_default(subscriber.json().flatten_event(true).finish(), all);
    } else {
        tracing::subscriber::with_default(subscriber.finish(), all);
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn probes() -> ProbeLog {
    ProbeLog::new(&Arc::new(Telemetry::new("tokio", "rust", None)))
}

fn app() -> AppRef {
    let mut collector = Collector::new(Config::default());
    let address = "10.0.0.1:5000".to_owned();
    let peer = Peer { address, transport: Transport::Tcp, tls: None };
    collector.accept(Instant::now(), peer).unwrap();
    let mut app = AppRef::from(collector.apps().next().unwrap());
    app.path = "shop-1".into();
    app.labels = Labels::new([("instance", "a"), ("job", "shop")]).unwrap();
    app
}

fn gone(reason: CloseReason, was_connected: bool) -> Notice {
    Notice::Gone { app: app(), reason: Some(reason), was_connected }
}

const WHO: &str =
    r#"app=shop-1 labels={instance="a",job="shop"} peer="10.0.0.1:5000" transport="tcp""#;

#[test]
fn each_line_says_who_it_is_about() {
    let app = app();
    let failure = ScrapeFailure::TimedOut;
    let took = Duration::from_secs(1);
    let cases = [
        (
            Notice::Connected { app: app.clone(), came_back: true, is_duplicate: false },
            format!("INFO application connected {WHO} came_back=true"),
        ),
        (
            Notice::ScrapeFailing { app: app.clone(), failure },
            format!("WARN scrape failed {WHO} reason=\"timeout\" error=no answer by the deadline"),
        ),
        (
            Notice::Recovered { app: app.clone() },
            format!("INFO application can be scraped again {WHO}"),
        ),
        (
            Notice::PushHeld { app: app.clone(), acknowledged: true },
            format!("INFO push held {WHO}"),
        ),
        (
            Notice::PushExpired { app: app.clone(), was_served: false },
            format!("WARN push expired without having been scraped {WHO}"),
        ),
        (
            Notice::Reported {
                app: app.clone(),
                report: Report::new(ReportKind::Collided, "3 series"),
            },
            format!("WARN part of the application's metrics is left out {WHO} what=3 series"),
        ),
    ];
    for (notice, line) in cases {
        assert_eq!(lines(&[notice]), [line]);
    }
    let quiet = [
        Notice::PushServed { app: app.clone() },
        Notice::Scraped { app: app.clone(), result: Ok(5), is_push: false, took },
        Notice::Scraped {
            app: app.clone(),
            result: Err(ScrapeFailure::Closed),
            is_push: false,
            took,
        },
        Notice::Reported { app, report: Report::new(ReportKind::Refused, "line 1") },
    ];
    assert_eq!(lines(&quiet), [""; 0]);
}

#[test]
fn an_application_without_identity_has_a_path_and_a_peer() {
    let mut app = app();
    app.labels = Labels::default();
    let notice = Notice::Connected { app, came_back: false, is_duplicate: false };
    let line = r#"app=shop-1 peer="10.0.0.1:5000" transport="tcp" came_back=false"#;
    assert_eq!(lines(&[notice]), [format!("INFO application connected {line}")]);
}

#[test]
fn a_duplicate_is_warned_of() {
    let notice = Notice::Identified { app: app(), came_back: false, is_duplicate: true };
    let lines = lines(&[notice]);
    assert_eq!(
        lines[0],
        format!("INFO application identified by its metrics {WHO} came_back=false")
    );
    assert_eq!(lines[1], format!("WARN another live application has the same identity {WHO}"));
}

#[test]
fn an_ordinary_end_is_one_line_of_info_without_an_error() {
    let (code, message) = (ErrorCode::CONNECTION_ERROR, "Disposed".to_owned());
    for reason in [
        CloseReason::Eof { unfinished: 0 },
        CloseReason::PeerError { code, message },
        CloseReason::PeerError { code: ErrorCode::CONNECTION_CLOSE, message: "bye".to_owned() },
        CloseReason::Local { code, message: "the proxy is shutting down".to_owned() },
    ] {
        let lines = lines(&[gone(reason, true)]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with(&format!("INFO application gone {WHO} reason=")), "{lines:?}");
        assert!(!lines[0].to_lowercase().contains("error"), "{lines:?}");
    }
    let broken = lines(&[gone(CloseReason::Violation(Violation::Overrun), true)]);
    assert!(broken[0].starts_with("WARN application gone"), "{broken:?}");
    let lost = Notice::Gone { app: app(), reason: None, was_connected: true };
    assert!(lines(&[lost])[0].ends_with("reason=its task ended"));
}

#[test]
fn what_a_peer_sent_stays_in_its_line_and_has_a_bound() {
    let forged = "no\n\x1b[31mERROR forged\u{2028}\u{202e}\r";
    let message = format!("{forged}{}", "x".repeat(16 << 20));
    let refused = StreamFailure::Error {
        code: ErrorCode::APPLICATION_ERROR,
        data: message.clone().into_bytes().into(),
    };
    let failure = ScrapeFailure::Refused(refused);
    let mut odd = app();
    odd.labels = Labels::new([("job", &*format!("{forged}{}", "x".repeat(200)))]).unwrap();
    let subject = Peer {
        tls: Some(PeerTls { subject: Some(message.clone()), names: Vec::new() }),
        ..(*odd.peer).clone()
    };
    odd.peer = Arc::new(subject);
    let report = Report::new(ReportKind::Reduced, &*message);
    let notices = [
        Notice::ScrapeFailing { app: app(), failure },
        gone(CloseReason::PeerError { code: ErrorCode::REJECTED, message }, true),
        Notice::Connected { app: odd, came_back: false, is_duplicate: false },
        Notice::Reported { app: app(), report },
    ];
    let as_text = lines(&notices);
    let as_json: Vec<_> = written(true, Instant::now(), &probes(), &notices);
    assert_eq!((as_text.len(), as_json.len()), (4, 4), "{as_text:?} {as_json:?}");
    let escaped = "no\\n\\u{1b}[31mERROR forged\\u{2028}\\u{202e}\\rx";
    for line in as_text {
        assert!(line.contains(escaped), "{line}");
        assert!(line.contains("x…") && line.len() < 700, "{line}");
        assert!(!line.contains(['\x1b', '\u{2028}', '\u{202e}', '\r']), "{line}");
    }
    for line in as_json {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        for value in event.as_object().unwrap().values().filter_map(|value| value.as_str()) {
            assert!(value.len() <= 203, "{value}");
            assert!(!value.contains(['\x1b', '\u{2028}', '\u{202e}', '\r', '\n']), "{value}");
        }
    }
}

#[test]
fn probes_of_one_peer_are_two_lines_per_period() {
    let start = Instant::now();
    let probes = probes();
    let hello = || gone(CloseReason::NotRsocket(Foreign::TlsClientHello), false);
    let header = || gone(CloseReason::NotRsocket(Foreign::ProxyHeader), false);
    let early =
        [hello(), header(), hello(), hello(), gone(CloseReason::Eof { unfinished: 0 }, false)];
    let lines = lines_at(start, &probes, &early);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("kind=\"tls_client_hello\" peer=\"10.0.0.1:5000\""), "{lines:?}");
    assert!(lines[1].contains("kind=\"proxy_header\""), "{lines:?}");
    let lines = lines_at(start + Duration::from_secs(10), &probes, &[hello()]);
    assert!(lines[0].contains("suppressed=2"), "{lines:?}");
    // Failures of RSocket clients are not hidden by peers that are none.
    let failed = gone(CloseReason::Violation(Violation::LeaseUnsupported), false);
    assert_eq!(lines_at(start, &probes, &[failed]).len(), 1);
}

fn counted(notices: &[Notice]) -> String {
    let telemetry = Telemetry::new("tokio", "rust", None);
    let now = Instant::now();
    notices.iter().for_each(|notice| count(&telemetry, now, notice));
    telemetry.encode(now)
}

#[track_caller]
fn assert_counted(notice: Notice, line: &str) {
    let text = counted(&[notice]);
    assert!(text.lines().any(|counted| counted == line), "no {line:?} in\n{text}");
}

#[test]
fn probes_are_counted_by_kind_and_listener() {
    for foreign in Foreign::ALL {
        let line = format!(
            "prometheus_proxy_probes_total{{kind=\"{}\",listener=\"tcp\"}} 1",
            foreign.name()
        );
        assert_counted(gone(CloseReason::NotRsocket(foreign), false), &line);
    }
    let after = Duration::from_secs(10);
    for (reason, kind) in [
        (CloseReason::Eof { unfinished: 0 }, "empty"),
        (CloseReason::Eof { unfinished: 1 }, "unknown"),
        (CloseReason::SetupTimeout { after }, "silent"),
    ] {
        let line = format!("prometheus_proxy_probes_total{{kind=\"{kind}\",listener=\"tcp\"}} 1");
        assert_counted(gone(reason, false), &line);
    }
    let text = counted(&[gone(CloseReason::Eof { unfinished: 0 }, true)]);
    assert!(text.contains("kind=\"empty\",listener=\"tcp\"} 0"), "an application is no probe");
}

#[test]
fn pushes_that_are_not_kept_are_counted_by_cause() {
    let app = app();
    let evicted = |cause| Notice::PushEvicted { app: app.clone(), cause };
    let dropped = [
        (evicted(PushEviction::Delivered), "delivered"),
        (evicted(PushEviction::LivesOn), "lives_on"),
        (evicted(PushEviction::PartlyDelivered), "partly_delivered"),
        (Notice::PushExpired { app: app.clone(), was_served: false }, "expired"),
        (Notice::PushExpired { app: app.clone(), was_served: true }, "expired_served"),
        (Notice::PushReplaced { app: app.clone() }, "replaced"),
    ];
    for (notice, cause) in dropped {
        let line = format!("prometheus_proxy_pushes_dropped_total{{cause=\"{cause}\"}} 1");
        assert_counted(notice, &line);
    }
    let error = PushError::OverShare(PushShare::Rate { limit: 10 });
    let refused = Notice::PushRejected { app, acknowledged: false, error };
    for line in [
        "prometheus_proxy_application_error_total{cause=\"over_share\"} 1",
        "prometheus_proxy_pushes_total{kind=\"fire_and_forget\",outcome=\"rejected\"} 1",
    ] {
        assert_counted(refused.clone(), line);
    }
}

#[test]
fn failed_scrapes_are_counted_by_the_reasons_of_the_collector() {
    let reasons: Vec<_> = FailureReason::ALL.iter().map(|reason| reason.value()).collect();
    assert_eq!(reasons, ScrapeFailure::REASONS);
    for failure in [
        ScrapeFailure::Closed,
        ScrapeFailure::TimedOut,
        ScrapeFailure::Job(JobError::Worker),
        ScrapeFailure::Job(JobError::Open(OpenError::PlaintextRefused)),
    ] {
        let line = format!(
            "prometheus_proxy_app_scrape_failures_total{{reason=\"{}\"}} 1",
            failure.reason()
        );
        let took = Duration::ZERO;
        assert_counted(
            Notice::Scraped { app: app(), result: Err(failure), is_push: false, took },
            &line,
        );
    }
}

#[test]
fn the_census_tells_states_and_duplicates() {
    let telemetry = Telemetry::new("tokio", "rust", None);
    let mut collector = Collector::new(Config::default());
    for _ in 0..3 {
        let peer = Peer { address: String::new(), transport: Transport::WebSocket, tls: None };
        collector.accept(Instant::now(), peer).unwrap();
    }
    let mut census = Census::default();
    collector.apps().for_each(|app| census.add(app));
    census.tell(&telemetry);
    let text = telemetry.encode(Instant::now());
    for (state, count) in RegistryState::ALL.iter().zip([3, 0, 0]) {
        let line = format!("prometheus_proxy_applications{{state=\"{}\"}} {count}", state.value());
        assert!(text.contains(&line), "no {line:?} in\n{text}");
    }
}
