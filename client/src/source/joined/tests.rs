use super::{JoinError, Joined};
use crate::source::{MetricsError, Source, from_async};
use futures_lite::future::{block_on, poll_once, yield_now};
use prometheus_rsocket_protocol::labels::LabelError;

fn joined(mut joined: Joined) -> Result<String, String> {
    block_on(joined.metrics()).map_err(|error| error.to_string())
}

fn text(text: &'static str) -> impl Source {
    move || text.to_owned()
}

#[test]
fn a_family_of_several_sources_is_written_once_with_the_labels_of_each() {
    let pool = "# HELP idle Idle connections.\n# TYPE idle gauge\nidle 3\nidle{pool=\"own\"} 1\n";
    let source = Joined::new()
        .source(text("# TYPE orders_total counter\norders_total 42"))
        .and_then(|joined| joined.labelled([("pool", "a")], text(pool)))
        .and_then(|joined| {
            joined.labelled([("pool", "b \"2\"")], text("# TYPE idle gauge\nidle 5\n"))
        });
    let expected = "# HELP idle Idle connections.\n# TYPE idle gauge\n\
         idle{pool=\"a\"} 3\nidle{pool=\"own\"} 1\nidle{pool=\"b \\\"2\\\"\"} 5\n\
         # TYPE orders_total counter\norders_total 42\n";
    assert_eq!(joined(source.unwrap()).unwrap(), expected);
}

#[test]
fn one_openmetrics_source_makes_all_of_it_openmetrics() {
    let open = "# TYPE jobs counter\njobs_total 1.0 # {trace=\"t\"} 1.0\n# TYPE build info\nbuild_info{v=\"1\"} 1\n# EOF\n";
    let source = Joined::new()
        .source(text("# TYPE jobs_total counter\njobs_total{pool=\"b\"} 2\n"))
        .and_then(|joined| joined.labelled([("pool", "a")], text(open)));
    let expected = "# TYPE build info\nbuild_info{v=\"1\",pool=\"a\"} 1\n# TYPE jobs counter\n\
         jobs_total{pool=\"b\"} 2\njobs_total{pool=\"a\"} 1.0 # {trace=\"t\"} 1.0\n# EOF\n";
    assert_eq!(joined(source.unwrap()).unwrap(), expected);
}

#[test]
fn a_histogram_of_two_sources_stays_one() {
    let histogram = "# TYPE took histogram\ntook_bucket{le=\"+Inf\"} 2\ntook_sum 3\ntook_count 2\n";
    let source = Joined::new()
        .labelled([("pool", "a")], text(histogram))
        .and_then(|joined| joined.labelled([("pool", "b")], text(histogram)));
    let text = joined(source.unwrap()).unwrap();
    assert_eq!(text.matches("# TYPE").count(), 1, "{text}");
    assert!(text.starts_with("# TYPE took histogram\n"), "{text}");
    assert!(text.contains("took_count{pool=\"b\"} 2\n"), "{text}");
}

#[test]
fn the_same_series_in_two_sources_is_an_error_that_names_it() {
    let series = |first, second| {
        let source = Joined::new()
            .source(text("up_since 1\n"))
            .and_then(|joined| joined.source(text(first)))
            .and_then(|joined| joined.labelled([("pool", "a")], text(second)));
        joined(source.unwrap())
    };
    let same = "# TYPE idle gauge\nidle 1\nidle{zone=\"{north} 1\",pool=\"a\"} 2\n";
    let found = series("idle{pool=\"a\",zone=\"{north} 1\"} 3\n", same);
    let expected = "sources 2 and 3 both have idle{zone=\"{north} 1\",pool=\"a\"}";
    assert_eq!(found.unwrap_err(), expected);
    let found = series("busy 1\n", "other{pool=\"a\"} 1\nother{pool=\"a\"} 2\n");
    assert!(found.is_ok(), "twice in one source is its own affair: {found:?}");
    let source =
        Joined::new().source(text("idle 1\n")).and_then(|joined| joined.source(text("idle 2\n")));
    assert_eq!(joined(source.unwrap()).unwrap_err(), "sources 1 and 2 both have idle");
}

#[test]
fn a_source_that_fails_fails_the_scrape_and_is_named() {
    let with = |source: Joined| {
        let source = source.source(text("jobs 1\n"));
        joined(source.unwrap()).unwrap_err()
    };
    let first = || Joined::new().source(text("orders 1\n")).unwrap();
    let failing = || Err::<String, MetricsError>("the database is away".into());
    assert_eq!(with(first().source(failing).unwrap()), "source 2: the database is away");
    let panicking = || -> String { panic!("for a test") };
    let panicked = "source 2: the application panicked over its metrics";
    assert_eq!(with(first().source(panicking).unwrap()), panicked);
    let unreadable = with(first().source(text("fine 1\n1 wrong\n")).unwrap());
    assert!(unreadable.starts_with("source 2: line 2, byte 1: "), "{unreadable}");
    // If sources are joined in turn, the number within the inner one follows.
    let inner = first().source(failing).unwrap();
    assert_eq!(with(first().source(inner).unwrap()), "source 2: source 2: the database is away");
}

#[test]
fn all_are_asked_at_the_same_time() {
    let (sender, receiver) = async_channel::bounded(1);
    let waiting = from_async(move || {
        let receiver = receiver.clone();
        async move { Ok::<_, MetricsError>(format!("from_other {}\n", receiver.recv().await?)) }
    });
    let sending = from_async(move || {
        let sender = sender.clone();
        async move {
            yield_now().await;
            sender.send(7).await?;
            Ok::<_, MetricsError>("sent 1\n".to_owned())
        }
    });
    let mut source = Joined::new().source(waiting).unwrap().source(sending).unwrap();
    for time in ["once", "again"] {
        let text = block_on(source.metrics()).unwrap();
        assert!(text.contains("\nfrom_other 7\n") && text.contains("\nsent 1\n"), "{time}: {text}");
    }
    let mut never = Joined::new().source(from_async(std::future::pending::<String>)).unwrap();
    assert!(block_on(poll_once(never.metrics())).is_none());
}

#[test]
fn nothing_joined_is_nothing() {
    assert_eq!(joined(Joined::new()).unwrap(), "");
}

#[test]
fn what_cannot_be_joined_is_said_at_once() {
    let twice = Joined::new().labelled([("a", "1"), ("a", "2")], text(""));
    assert_eq!(twice.unwrap_err(), JoinError::Label(LabelError::Twice { name: "a".into() }));
    let mut source = Joined::new();
    for _ in 0..Joined::MAX_SOURCES {
        source = source.source(text("")).unwrap();
    }
    let error = source.source(text("")).unwrap_err();
    assert_eq!((error.to_string(), error), ("more than 64 sources".to_owned(), JoinError::TooMany));
}
