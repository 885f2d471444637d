use super::*;
use ::http::{Request, Response, StatusCode, header};
use bytes::Bytes;
use futures_lite::future::block_on;
use http_body_util::BodyExt;

fn ask(setup: &Setup, request: ::http::request::Builder) -> Response<AnswerBody> {
    let (head, ()) = request.body(()).unwrap().into_parts();
    block_on(setup.router.answer(&head, CLIENT, Instant::now()))
}

fn get(setup: &Setup, path: &str) -> Response<AnswerBody> {
    ask(setup, Request::get(path))
}

fn text(response: Response<AnswerBody>) -> String {
    String::from_utf8(bytes(response).unwrap().to_vec()).unwrap()
}

fn bytes(response: Response<AnswerBody>) -> Result<Bytes, BodyAborted> {
    Ok(block_on(response.into_body().collect())?.to_bytes())
}

#[track_caller]
fn assert_header(response: &Response<AnswerBody>, name: header::HeaderName, value: &str) {
    assert_eq!(response.headers().get(name).map(|v| v.to_str().unwrap()), Some(value));
}

#[test]
fn healthy_is_always_so() {
    let setup = setup();
    *setup.fake.readiness.lock().unwrap() = Readiness::Draining;
    let response = get(&setup, "/-/healthy");
    assert_eq!(response.status(), StatusCode::OK);
    assert_header(&response, header::CONTENT_TYPE, "text/plain; charset=utf-8");
    assert_eq!(text(response), "healthy\n");
}

#[test]
fn readiness_says_why_not() {
    let setup = setup();
    for (readiness, status, start) in [
        (Readiness::Starting, StatusCode::SERVICE_UNAVAILABLE, "starting: "),
        (Readiness::Ready, StatusCode::OK, "ready\n"),
        (Readiness::Draining, StatusCode::SERVICE_UNAVAILABLE, "draining: "),
    ] {
        *setup.fake.readiness.lock().unwrap() = readiness;
        let response = get(&setup, "/-/ready");
        assert_eq!(response.status(), status);
        let text = text(response);
        assert!(text.starts_with(start) && text.lines().count() == 1, "{text:?}");
    }
}

#[test]
fn own_metrics_in_plain_text_and_gzip() {
    let setup = setup();
    let plain = get(&setup, "/metrics/proxy");
    assert_header(&plain, header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    assert_header(&plain, header::VARY, "accept-encoding");
    assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
    assert!(text(plain).contains("\nprometheus_proxy_scrape_active_connections 0\n"));

    let request = Request::get("/metrics/proxy").header(header::ACCEPT_ENCODING, "gzip");
    let gzip = ask(&setup, request);
    assert_header(&gzip, header::CONTENT_ENCODING, "gzip");
    assert!(gunzip(&bytes(gzip).unwrap()).contains("\nprometheus_proxy_build_info{"));
}

#[test]
fn a_scrape_streams_what_the_core_sends() {
    let setup = setup();
    let response = get(&setup, "/metrics/connected");
    assert_eq!(response.status(), StatusCode::OK);
    assert_header(&response, header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    let (request, sender) = setup.scrapes.try_recv().unwrap();
    assert!(!request.gzip);
    block_on(async {
        sender.send("a 1\n".into()).await.unwrap();
        sender.send("b 2\n".into()).await.unwrap();
    });
    let sending = std::thread::spawn(|| block_on(sender.finish(nobody())));
    assert_eq!(text(response), "a 1\nb 2\n");
    // The body was read, but no transport has flushed it.
    assert_eq!(sending.join().unwrap(), Err(ScraperGone));
}

#[test]
fn a_scrape_that_breaks_off_does_not_look_complete() {
    let setup = setup();
    let response = get(&setup, "/metrics/connected");
    let (_, sender) = setup.scrapes.try_recv().unwrap();
    block_on(sender.send("a 1\n".into())).unwrap();
    drop(sender);
    assert_eq!(bytes(response), Err(BodyAborted));
}

#[test]
fn a_core_learns_that_the_scraper_is_gone() {
    let setup = setup();
    drop(get(&setup, "/metrics/connected"));
    let (_, sender) = setup.scrapes.try_recv().unwrap();
    assert_eq!(block_on(sender.send("a 1\n".into())), Err(ScraperGone));
    assert_eq!(block_on(sender.finish(nobody())), Err(ScraperGone));
}

#[test]
fn the_core_is_told_the_deadline_and_the_coding() {
    let setup = setup();
    let now = Instant::now();
    let request = Request::get("/metrics/connected")
        .header("X-Prometheus-Scrape-Timeout-Seconds", "4.000000")
        .header(header::ACCEPT_ENCODING, "gzip");
    let (head, ()) = request.body(()).unwrap().into_parts();
    let response = block_on(setup.router.answer(&head, CLIENT, now));
    assert_header(&response, header::CONTENT_ENCODING, "gzip");
    let (request, _) = setup.scrapes.try_recv().unwrap();
    let deadline = now + Duration::from_millis(3_500);
    assert_eq!(
        request,
        ScrapeRequest {
            peer: PEER,
            scraper: prometheus_rsocket_protocol::collector::Scraper::unnamed(PEER.to_string(), 7),
            format: Negotiated::TEXT,
            deadline,
            gzip: true
        }
    );
}

#[test]
fn a_refused_scrape_says_when_to_come_again() {
    let setup = setup();
    for (retry_after, expected) in
        [(Duration::from_secs(5), "5"), (Duration::from_millis(1_200), "2"), (Duration::ZERO, "1")]
    {
        let refusal = ScrapeRefused { reason: "too many scrapes at once", retry_after };
        *setup.fake.refusal.lock().unwrap() = Some(refusal);
        let response = get(&setup, "/metrics/connected");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_header(&response, header::RETRY_AFTER, expected);
        assert_eq!(text(response), "too many scrapes at once\n");
    }
    setup.assert_metric(
        "prometheus_proxy_http_requests_total{code=\"503\",path=\"/metrics/connected\"} 3",
    );
}

#[test]
fn head_asks_no_application() {
    let setup = setup();
    let request = Request::head("/metrics/connected").header(header::ACCEPT_ENCODING, "gzip");
    let response = ask(&setup, request);
    assert_eq!(response.status(), StatusCode::OK);
    assert_header(&response, header::CONTENT_ENCODING, "gzip");
    assert!(setup.scrapes.is_empty());
}

#[test]
fn the_index_links_to_all_that_is_served() {
    let setup = setup();
    let response = get(&setup, "/?query=ignored");
    assert_header(&response, header::CONTENT_TYPE, "text/html; charset=utf-8");
    let page = text(response);
    for path in ["/metrics/connected", "/sd", "/metrics/proxy", "/status.json", "/-/healthy"] {
        assert!(page.contains(&format!("href=\"{path}\"")), "no {path} in\n{page}");
    }
}

#[test]
fn pages_may_do_nothing_but_what_is_in_them_and_are_not_kept() {
    let setup = setup();
    setup.fake.apps.lock().unwrap().insert("a", AppPage::default());
    for path in ["/", "/app/a", "/app/other", "/status.json"] {
        let response = get(&setup, path);
        assert_header(&response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        assert_header(&response, header::REFERRER_POLICY, "no-referrer");
        assert_header(&response, header::CACHE_CONTROL, "no-store");
        if path == "/status.json" {
            continue;
        }
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        for part in [
            "default-src 'none'; ",
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
            "script-src 'sha256-",
            "style-src 'sha256-",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
    }
}

#[test]
fn the_status_is_there_as_json_and_compressed() {
    let setup = setup();
    let row = AppRow { id: "a".to_owned(), ..AppRow::default() };
    setup.fake.overview.lock().unwrap().applications.push(row);
    let plain = get(&setup, "/status.json");
    assert_header(&plain, header::CONTENT_TYPE, "application/json");
    let plain = text(plain);
    let value: serde_json::Value = serde_json::from_str(&plain).unwrap();
    assert_eq!(value["applications"][0]["id"], "a");
    let request = Request::get("/status.json").header(header::ACCEPT_ENCODING, "gzip");
    let gzip = ask(&setup, request);
    assert_header(&gzip, header::CONTENT_ENCODING, "gzip");
    assert_eq!(gunzip(&bytes(gzip).unwrap()), plain);
}

#[test]
fn an_unknown_application_and_a_bad_query_are_told() {
    let setup = setup();
    let response = get(&setup, "/app/nobody");
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(text(response).contains("<bdi>nobody</bdi>"));
    for path in ["/?state=bad", "/status.json?sort=bad", "/?page=x"] {
        let response = get(&setup, path);
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        assert!(text(response).starts_with("the query parameter `"));
    }
    setup.assert_metric("prometheus_proxy_http_requests_total{code=\"404\",path=\"/app/\"} 1");
}

#[test]
fn unknown_paths_are_answered_with_the_known_ones() {
    let setup = setup();
    for path in ["/metrics", "/metrics/connected/", "//", "/-/Ready", "/other", "/%2F"] {
        let response = get(&setup, path);
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let text = text(response);
        for known in ["/metrics/connected", "/metrics/proxy", "/-/healthy", "/-/ready"] {
            assert!(text.contains(known), "{text:?}");
        }
        assert_eq!(text.lines().count(), 1);
    }
    let post = ask(&setup, Request::post("/nowhere"));
    assert_eq!(post.status(), StatusCode::NOT_FOUND);
    setup.assert_metric("prometheus_proxy_http_requests_total{code=\"404\",path=\"other\"} 7");
}

#[test]
fn other_methods_are_not_allowed() {
    let setup = setup();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let response = ask(&setup, Request::builder().method(method).uri("/metrics/proxy"));
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_header(&response, header::ALLOW, "GET, HEAD");
        assert_eq!(text(response).lines().count(), 1);
    }
    setup.assert_metric(
        "prometheus_proxy_http_requests_total{code=\"405\",path=\"/metrics/proxy\"} 5",
    );
}
