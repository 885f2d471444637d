use super::{window::WindowMax, *};
use std::collections::BTreeSet;

fn telemetry() -> Telemetry {
    Telemetry::new("tokio", "rust", SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
}

#[test]
fn names_of_the_original_dashboard_are_there_from_the_start() {
    let text = telemetry().encode(Instant::now());
    for line in [
        "prometheus_proxy_scrape_active_connections 0",
        "prometheus_proxy_scrape_payload_bytes_max 0",
        "prometheus_proxy_scrape_payload_bytes_count 0",
        "prometheus_proxy_scrape_seconds_count{outcome=\"success\"} 0",
        "prometheus_proxy_scrape_seconds_count{outcome=\"error\"} 0",
        "prometheus_proxy_scrape_seconds_count{outcome=\"closed\"} 0",
        "prometheus_proxy_scrape_seconds_max{outcome=\"timeout\"} 0",
        "rsocket_request_response_seconds_count{signal_type=\"ON_COMPLETE\"} 0",
        "rsocket_request_response_seconds_count{signal_type=\"ON_ERROR\"} 0",
        "rsocket_request_response_seconds_count{signal_type=\"CANCEL\"} 0",
        "rsocket_request_fnf_total{signal_type=\"ON_COMPLETE\"} 0",
        "prometheus_proxy_connection_error_total{cause=\"not_rsocket\"} 0",
        "prometheus_proxy_application_error_total{cause=\"plaintext_refused\"} 0",
        "prometheus_proxy_pushes_total{kind=\"fire_and_forget\",outcome=\"rejected\"} 0",
        "prometheus_proxy_http_requests_total{code=\"200\",path=\"/metrics/connected\"} 0",
        "prometheus_proxy_http_requests_total{code=\"404\",path=\"other\"} 0",
        "prometheus_proxy_applications{state=\"gone\"} 0",
        "prometheus_proxy_app_scrape_failures_total{reason=\"timeout\"} 0",
        "prometheus_proxy_collisions_total 0",
        "prometheus_proxy_identity_duplicates 0",
        "prometheus_proxy_probes_total{kind=\"tls_client_hello\",listener=\"websocket\"} 0",
        "prometheus_proxy_reduced_texts_total 0",
        "prometheus_proxy_type_conflicts_total 0",
    ] {
        assert_line(&text, line);
    }
}

#[test]
fn every_event_shows() {
    let now = Instant::now();
    let telemetry = telemetry();
    telemetry.active_connections(7);
    telemetry.applications(RegistryState::Connecting, 4);
    telemetry.identity_duplicates(2);
    telemetry.app_scrape_failed(FailureReason::Exposition);
    telemetry.probed(ListenerName::Http, ProbeKind::Ssh);
    telemetry.collided(12);
    telemetry.types_conflicted(5);
    telemetry.text_reduced();
    telemetry.application_scraped(ScrapeOutcome::Timeout, Duration::from_secs(3), now);
    telemetry.payload_received(2_000, now);
    telemetry.round_ended(RoundOutcome::Partial, Duration::from_millis(9_500));
    telemetry.connection_failed(ConnectionErrorCause::FrameTooLong);
    telemetry.application_failed(ApplicationErrorCause::Decompress);
    telemetry.pushed(PushKind::RequestResponse, PushOutcome::Held);
    telemetry.push_dropped(PushDropCause::Expired);
    telemetry.pushes_held(2);
    telemetry.pushes_served(3);
    telemetry.http_answered(HttpPath::Ready, HttpCode::Unavailable);
    telemetry.http_malformed();
    telemetry.http_refused();
    telemetry.http_tls_failed();
    telemetry.request_response_ended(SignalType::Cancel, Duration::from_secs(1));
    telemetry.fire_and_forget_ended(SignalType::OnError);
    let text = telemetry.encode(now);
    for line in [
        "prometheus_proxy_scrape_active_connections 7",
        "prometheus_proxy_applications{state=\"connecting\"} 4",
        "prometheus_proxy_identity_duplicates 2",
        "prometheus_proxy_app_scrape_failures_total{reason=\"exposition\"} 1",
        "prometheus_proxy_probes_total{kind=\"ssh\",listener=\"http\"} 1",
        "prometheus_proxy_collisions_total 12",
        "prometheus_proxy_type_conflicts_total 5",
        "prometheus_proxy_reduced_texts_total 1",
        "prometheus_proxy_scrape_seconds_count{outcome=\"timeout\"} 1",
        "prometheus_proxy_scrape_seconds_sum{outcome=\"timeout\"} 3",
        "prometheus_proxy_scrape_seconds_max{outcome=\"timeout\"} 3",
        "prometheus_proxy_scrape_seconds_max{outcome=\"success\"} 0",
        "prometheus_proxy_scrape_payload_bytes_sum 2000",
        "prometheus_proxy_scrape_payload_bytes_max 2000",
        "prometheus_proxy_scrape_rounds_seconds_bucket{outcome=\"partial\",le=\"10\"} 1",
        "prometheus_proxy_connection_error_total{cause=\"frame_too_long\"} 1",
        "prometheus_proxy_application_error_total{cause=\"decompress\"} 1",
        "prometheus_proxy_pushes_total{kind=\"request_response\",outcome=\"held\"} 1",
        "prometheus_proxy_pushes_dropped_total{cause=\"expired\"} 1",
        "prometheus_proxy_pushes_held 2",
        "prometheus_proxy_pushes_served_total 3",
        "prometheus_proxy_http_requests_total{code=\"503\",path=\"/-/ready\"} 1",
        "prometheus_proxy_http_malformed_total 1",
        "prometheus_proxy_http_refused_total 1",
        "prometheus_proxy_http_tls_failed_total 1",
        "rsocket_request_response_seconds_count{signal_type=\"CANCEL\"} 1",
        "rsocket_request_fnf_total{signal_type=\"ON_ERROR\"} 1",
    ] {
        assert_line(&text, line);
    }
}

#[test]
fn the_build_and_the_process_are_told() {
    let text = telemetry().encode(Instant::now());
    let version = env!("CARGO_PKG_VERSION");
    assert_line(
        &text,
        &format!(
            "prometheus_proxy_build_info{{rsa_backend=\"rust\",runtime=\"tokio\",version=\"{version}\"}} 1"
        ),
    );
    assert_line(&text, "process_start_time_seconds 1700000000");
    if cfg!(target_os = "linux") {
        assert!(text.contains("\nprocess_resident_memory_bytes "));
        assert!(text.contains("\nprocess_cpu_seconds_total "));
    }
}

#[test]
fn each_family_is_one_group_with_help_and_type() {
    let text = telemetry().encode(Instant::now());
    let mut seen = BTreeSet::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().unwrap();
            assert!(seen.insert(family), "{family} comes twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert!(kind.starts_with(family), "{line} under {family}");
        } else {
            assert!(line.starts_with(family), "{line} under {family}");
        }
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn label_values_are_distinct() {
    fn check<L: Label>() {
        let values: BTreeSet<_> = L::ALL.iter().map(|label| label.value()).collect();
        assert_eq!(values.len(), L::ALL.len(), "{values:?}");
    }
    check::<FailureReason>();
    check::<ListenerName>();
    check::<ProbeKind>();
    check::<RegistryState>();
    check::<ScrapeOutcome>();
    check::<RoundOutcome>();
    check::<ConnectionErrorCause>();
    check::<ApplicationErrorCause>();
    check::<PushKind>();
    check::<PushOutcome>();
    check::<PushDropCause>();
    check::<SignalType>();
    check::<HttpPath>();
    check::<HttpCode>();
}

#[test]
fn a_maximum_is_forgotten_after_two_minutes() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut max = WindowMax::default();
    assert_eq!(max.max(start), 0.0);
    max.record(at(0), 5.0);
    max.record(at(1), 3.0);
    assert_eq!(max.max(at(79)), 5.0);
    max.record(at(81), 4.0);
    assert_eq!(max.max(at(119)), 5.0);
    assert_eq!(max.max(at(120)), 4.0);
    assert_eq!(max.max(at(199)), 4.0);
    assert_eq!(max.max(at(200)), 0.0);
}

#[test]
fn a_maximum_survives_no_long_silence_and_no_clock_that_runs_back() {
    let start = Instant::now();
    let mut max = WindowMax::default();
    max.record(start + Duration::from_secs(50), 5.0);
    assert_eq!(max.max(start), 5.0);
    assert_eq!(max.max(start + Duration::from_secs(86_400)), 0.0);
    max.record(start + Duration::from_secs(86_401), 1.0);
    assert_eq!(max.max(start + Duration::from_secs(86_402)), 1.0);
}

#[test]
fn the_text_of_proc_is_read_as_the_kernel_writes_it() {
    let stat = "4711 (a (b) c) S 1 4711 4711 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 5 0 1000 1 2";
    assert_eq!(process::cpu_seconds(stat), Some(3.0));
    assert_eq!(process::cpu_seconds("4711 (cut off) S 1"), None);
    assert_eq!(process::cpu_seconds(""), None);
    let status = "Name:\tx\nVmHWM:\t  9000 kB\nVmRSS:\t    1234 kB\nRssAnon:\t 1 kB\n";
    assert_eq!(resident_bytes(status), Some(1234 * 1024));
    assert_eq!(resident_bytes("VmRSS:\t many kB"), None);
    assert_eq!(resident_bytes("Name:\tx\n"), None);
}
