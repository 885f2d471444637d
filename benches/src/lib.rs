//! What the benches and the load generator have in common: metrics like those of a Java application.

mod world;

pub use world::World;

use std::fmt::Write as _;

/// Text of about 132 bytes a series, as Micrometer writes it: families of 20 series with a HELP and a TYPE line each.
///
/// ```
/// let text = prometheus_rsocket_benches::metrics("orders-1", 1000);
/// assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 1000);
/// ```
pub fn metrics(app: &str, series: usize) -> String {
    let mut text = String::new();
    for number in 0..series {
        let family = number / 20;
        if number % 20 == 0 {
            let _ =
                writeln!(text, "# HELP http_server_requests_{family}_seconds Duration of requests");
            let _ = writeln!(text, "# TYPE http_server_requests_{family}_seconds gauge");
        }
        let _ = writeln!(
            text,
            "http_server_requests_{family}_seconds{{application=\"{app}\",method=\"GET\",outcome=\"SUCCESS\",\
             status=\"200\",uri=\"/api/v1/{number}\",}} {}.{}",
            number * 7919 % 1000,
            number * 104_729 % 997,
        );
    }
    text
}
