//! Registries and recorders of other crates as sources.

use futures_lite::future::block_on;
use prometheus_rsocket_client::Source;

fn text_of(source: &mut impl Source) -> String {
    block_on(source.metrics()).unwrap()
}

#[cfg(feature = "prometheus")]
mod prometheus_registry {
    use super::text_of;
    use prometheus::{HistogramOpts, HistogramVec, IntCounter, Registry, register_int_gauge};

    #[test]
    fn a_registry_is_followed() {
        let mut registry = Registry::new_custom(Some("shop".to_owned()), None).unwrap();
        let orders = IntCounter::new("orders_total", "Orders taken.").unwrap();
        registry.register(Box::new(orders.clone())).unwrap();
        let opts = HistogramOpts::new("took_seconds", "How long.").buckets(vec![0.5]);
        let took = HistogramVec::new(opts, &["path"]).unwrap();
        registry.register(Box::new(took.clone())).unwrap();
        took.with_label_values(&["/a\"b\\c"]).observe(0.25);
        let orders_at = |count| {
            format!(
                "# HELP shop_orders_total Orders taken.\n# TYPE shop_orders_total counter\nshop_orders_total {count}\n"
            )
        };
        let histogram = "# HELP shop_took_seconds How long.\n# TYPE shop_took_seconds histogram\n\
             shop_took_seconds_bucket{path=\"/a\\\"b\\\\c\",le=\"0.5\"} 1\n\
             shop_took_seconds_bucket{path=\"/a\\\"b\\\\c\",le=\"+Inf\"} 1\n\
             shop_took_seconds_sum{path=\"/a\\\"b\\\\c\"} 0.25\n\
             shop_took_seconds_count{path=\"/a\\\"b\\\\c\"} 1\n";
        assert_eq!(text_of(&mut registry), orders_at(0) + histogram);
        orders.inc_by(3);
        assert_eq!(text_of(&mut registry), orders_at(3) + histogram);
    }

    #[test]
    fn the_default_registry_has_what_macros_register() {
        let idle = register_int_gauge!("idle_connections", "Idle.").unwrap();
        idle.set(4);
        let text = text_of(&mut prometheus::default_registry());
        assert!(text.contains("# TYPE idle_connections gauge\nidle_connections 4\n"), "{text}");
    }
}

#[cfg(feature = "prometheus-client")]
mod prometheus_client_registry {
    use super::text_of;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::exemplar::CounterWithExemplar;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::{Registry, Unit};
    use prometheus_rsocket_protocol::exposition::{
        Inject, Policy, Source, SourceFormat, read, to_text004,
    };
    use std::sync::{Arc, Mutex, RwLock};

    /// One metric of each kind that the crate has.
    fn registry() -> Registry {
        let mut registry = Registry::with_prefix("shop");
        registry.register("build", "What runs", Info::new(vec![("version", "1.2 \"x\"\\y\n")]));
        let orders = CounterWithExemplar::<Vec<(String, String)>>::default();
        orders.inc_by(2, Some(vec![("trace_id".to_owned(), "3f".to_owned())]), None);
        registry.register("orders", "Orders \"taken\"", orders);
        let took = Histogram::new([0.5, 2.0]);
        took.observe(1.5);
        registry.register_with_unit("took", "How long", Unit::Seconds, took);
        let sent = Family::<Vec<(String, String)>, Counter>::default();
        sent.get_or_create(&vec![("path".to_owned(), "/a\"b\\c".to_owned())]).inc();
        registry.register_with_unit("sent", "Sent", Unit::Bytes, sent);
        let idle = Gauge::<i64>::default();
        idle.set(-4);
        registry
            .sub_registry_with_label(("pool".into(), "a".into()))
            .register("idle", "Idle", idle);
        registry
    }

    #[test]
    fn whatever_it_has_is_openmetrics_to_the_proxy() {
        let text = text_of(&mut Arc::new(registry()));
        for line in [
            "# TYPE shop_build info",
            "shop_build_info{version=\"1.2 \\\"x\\\"\\\\y\\n\"} 1",
            "shop_orders_total 2 # {trace_id=\"3f\"} 2.0",
            "# UNIT shop_took_seconds seconds",
            "shop_sent_bytes_total{path=\"/a\\\"b\\\\c\"} 1",
            "shop_idle{pool=\"a\"} -4",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
        }
        assert!(text.ends_with("\n# EOF\n"), "{text}");
        let identity = Default::default();
        let source =
            Source { text: text.as_bytes(), identity: &identity, inject: Inject::Never, seed: 0 };
        let facts = read(&source, &Policy::default()).unwrap();
        assert_eq!((facts.format, facts.families), (SourceFormat::OpenMetrics, 5));
        assert_eq!(facts.reduced, None);
    }

    #[test]
    fn for_the_original_proxy_it_keeps_names_values_and_types() {
        let text = text_of(&mut Arc::new(registry()));
        let text = String::from_utf8(to_text004(text.as_bytes()).unwrap()).unwrap();
        for line in [
            "# TYPE shop_build_info gauge",
            "shop_build_info{version=\"1.2 \\\"x\\\"\\\\y\\n\"} 1",
            "# HELP shop_orders_total Orders \"taken\".",
            "# TYPE shop_orders_total counter",
            "shop_orders_total 2",
            "# TYPE shop_took_seconds histogram",
            "shop_took_seconds_bucket{le=\"2.0\"} 1",
            "shop_took_seconds_count 1",
            "# TYPE shop_sent_bytes_total counter",
            "shop_sent_bytes_total{path=\"/a\\\"b\\\\c\"} 1",
            "# TYPE shop_idle gauge",
            "shop_idle{pool=\"a\"} -4",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
        }
        assert!(!text.contains("trace_id") && !text.contains("UNIT"), "{text}");
    }

    #[test]
    fn a_registry_behind_a_lock_may_grow_even_after_a_panic() {
        let mutex = Arc::new(Mutex::new(Registry::default()));
        let lock = Arc::new(RwLock::new(Registry::default()));
        assert_eq!(text_of(&mut Arc::clone(&mutex)), "# EOF\n");
        assert_eq!(text_of(&mut Arc::clone(&lock)), "# EOF\n");
        mutex.lock().unwrap().register("jobs", "Jobs", Counter::<u64>::default());
        lock.write().unwrap().register("jobs", "Jobs", Counter::<u64>::default());
        let (held_mutex, held_lock) = (Arc::clone(&mutex), Arc::clone(&lock));
        let panicking = std::thread::spawn(move || {
            let _held = (held_mutex.lock().unwrap(), held_lock.write().unwrap());
            panic!("for a test");
        });
        assert!(panicking.join().is_err());
        let expected = "# HELP jobs Jobs.\n# TYPE jobs counter\njobs_total 0\n# EOF\n";
        assert_eq!(text_of(&mut Arc::clone(&mutex)), expected);
        assert_eq!(text_of(&mut Arc::clone(&lock)), expected);
    }
}

#[cfg(feature = "metrics")]
mod metrics_recorder {
    use super::text_of;
    use prometheus_rsocket_client::{InstallRecorderError, install_metrics_recorder};

    #[test]
    fn what_the_macros_record_is_had_from_the_recorder_that_is_installed_once() {
        let mut recorder = install_metrics_recorder().unwrap();
        metrics::describe_counter!("orders_total", "Orders taken.");
        metrics::counter!("orders_total", "kind" => "a \"b\"").increment(3);
        metrics::gauge!("idle").set(4.5);
        metrics::histogram!("took_seconds").record(1.5);
        let text = text_of(&mut recorder);
        for line in [
            "# HELP orders_total Orders taken.",
            "# TYPE orders_total counter",
            "orders_total{kind=\"a \\\"b\\\"\"} 3",
            "# TYPE idle gauge",
            "idle 4.5",
            "# TYPE took_seconds summary",
            "took_seconds_count 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
        }
        let again = install_metrics_recorder();
        assert!(matches!(again, Err(InstallRecorderError::Install(_))), "{again:?}");
    }
}
