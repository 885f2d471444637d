use super::*;
use crate::http::discovery::targets;
use ::http::{HeaderMap, Request, Response, StatusCode, header};
use futures_lite::future::block_on;
use http_body_util::BodyExt;
use prometheus_rsocket_protocol::Labels;

fn listed(path: &str, labels: &[(&str, &str)], is_up: bool) -> Listed {
    let labels = Labels::new(labels.iter().copied()).unwrap();
    Listed { path: path.into(), labels, transport: "tcp", source: "hello", is_up }
}

fn get(setup: &Setup, path: &str, headers: HeaderMap) -> Response<AnswerBody> {
    let (mut head, ()) = Request::get(path).body(()).unwrap().into_parts();
    head.headers = headers;
    block_on(setup.router.answer(&head, CLIENT, Instant::now()))
}

fn host() -> HeaderMap {
    HeaderMap::from_iter([(header::HOST, "proxy:8080".parse().unwrap())])
}

fn text(response: Response<AnswerBody>) -> String {
    let bytes = block_on(response.into_body().collect()).unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn each_application_is_a_target_with_its_identity() {
    let listed = [
        listed("orders-a1", &[("application", "orders"), ("instance", "a\"1")], true),
        listed("c7", &[], false),
    ];
    let list: serde_json::Value =
        serde_json::from_str(&targets(&listed, "proxy:8080", "https")).unwrap();
    assert_eq!(
        list,
        serde_json::json!([
            {
                "targets": ["proxy:8080"],
                "labels": {
                    "application": "orders",
                    "instance": "a\"1",
                    "__metrics_path__": "/metrics/app/orders-a1",
                    "__scheme__": "https",
                    "__meta_prometheus_rsocket_identity": "hello",
                    "__meta_prometheus_rsocket_app": "orders-a1",
                    "__meta_prometheus_rsocket_state": "up",
                    "__meta_prometheus_rsocket_transport": "tcp",
                },
            },
            {
                "targets": ["proxy:8080"],
                "labels": {
                    "instance": "c7",
                    "__metrics_path__": "/metrics/app/c7",
                    "__scheme__": "https",
                    "__meta_prometheus_rsocket_identity": "hello",
                    "__meta_prometheus_rsocket_app": "c7",
                    "__meta_prometheus_rsocket_state": "gone",
                    "__meta_prometheus_rsocket_transport": "tcp",
                },
            },
        ])
    );
}

#[test]
fn the_list_is_empty_only_when_there_is_nothing_to_list() {
    let setup = setup();
    for (readiness, status) in [
        (Readiness::Starting, StatusCode::SERVICE_UNAVAILABLE),
        (Readiness::Draining, StatusCode::SERVICE_UNAVAILABLE),
        (Readiness::Ready, StatusCode::OK),
    ] {
        *setup.fake.readiness.lock().unwrap() = readiness;
        let response = get(&setup, "/sd", host());
        assert_eq!(response.status(), status);
        if status == StatusCode::OK {
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
            assert_eq!(text(response), "[]");
        }
    }
}

#[test]
fn targets_are_where_the_request_went_unless_an_address_is_advertised() {
    let mut setup = setup();
    *setup.fake.listed.lock().unwrap() = vec![listed("c1", &[], true)];
    assert!(text(get(&setup, "/sd", host())).contains("\"proxy:8080\""));
    assert!(text(get(&setup, "http://other:1/sd", host())).contains("\"other:1\""));
    assert_eq!(get(&setup, "/sd", HeaderMap::new()).status(), StatusCode::BAD_REQUEST);
    let advertised = Some("public:80".to_owned());
    let targets = TargetAddress { advertised, is_https: false };
    let (fake, telemetry) = (Arc::clone(&setup.fake), Arc::clone(&setup.telemetry));
    setup.router = Arc::new(Router::new(fake, telemetry, targets));
    assert!(text(get(&setup, "/sd", host())).contains("\"public:80\""));
}

#[test]
fn an_application_that_is_down_answers_with_a_status_and_the_reason() {
    let setup = setup();
    let down = |reason| AppFailure::Down { reason, message: "why".to_owned() };
    let failures = [
        ("gone", down("gone"), StatusCode::SERVICE_UNAVAILABLE),
        ("slow", down("timeout"), StatusCode::GATEWAY_TIMEOUT),
        ("bad", down("exposition"), StatusCode::BAD_GATEWAY),
        ("none", AppFailure::Unknown, StatusCode::NOT_FOUND),
    ];
    for (path, failure, status) in failures {
        setup.fake.failures.lock().unwrap().insert(path, failure.clone());
        let response = get(&setup, &format!("/metrics/app/{path}"), host());
        assert_eq!(response.status(), status);
        let text = text(response);
        if let AppFailure::Down { reason, .. } = failure {
            assert_eq!(text, format!("the application is down ({reason}): why\n"));
        }
    }
    setup.assert_metric(
        "prometheus_proxy_http_requests_total{code=\"504\",path=\"/metrics/app/\"} 1",
    );
}

#[test]
fn an_application_that_answers_is_served_in_the_format_that_was_negotiated() {
    let setup = setup();
    let mut headers = host();
    headers.insert(header::ACCEPT, "application/openmetrics-text".parse().unwrap());
    let response = get(&setup, "/metrics/app/c1", headers);
    assert_eq!(response.status(), StatusCode::OK);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(response.headers()[header::CONTENT_TYPE], content_type);
    let (request, _) = setup.scrapes.try_recv().unwrap();
    assert!(request.format.is_open_metrics());
    assert_eq!(request.peer, PEER);
}

#[test]
fn probes_of_spring_boot_are_answered() {
    let setup = setup();
    *setup.fake.readiness.lock().unwrap() = Readiness::Draining;
    for path in ["/actuator/health", "/actuator/health/liveness"] {
        assert_eq!(text(get(&setup, path, host())), "{\"status\":\"UP\"}");
    }
    let readiness = get(&setup, "/actuator/health/readiness", host());
    assert_eq!(readiness.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(readiness), "{\"status\":\"OUT_OF_SERVICE\"}");
    assert!(
        text(get(&setup, "/actuator/prometheus", host())).contains("prometheus_proxy_build_info")
    );
}
