//! What texts are made of. There are few names, so that applications of one set meet in them.

/// Names of families, each fit for any type.
pub(crate) const NAMES: &[&str] =
    &["a", "b", "a_b", "a:b", "orders", "http_requests", "jvm_memory_used_bytes", "_x", "up", "le", "process_cpu_seconds"];
/// Names that are taken for part of another family, or for something else; and such that are none.
pub(crate) const ODD_NAMES: &[&str] = &[
    "a_total", "a_total_total", "a_count", "a_sum", "a_bucket", "a_created", "a_info", "a_max", "orders_total", "orders_count", "orders_bucket", "_total", "_count",
    "_sum", "_bucket", "_created", "_info", "total", "prometheus_proxy_app_up", "prometheus_proxy_x", "__name__", "__x", ":", "A", "NaN", "Inf", "HELP", "TYPE", "EOF",
    "inf", "a.b", "a-b", "ä", "1a", "a__b", "a_", "U__a", "U__a_2e_b", "EOF_total", "gauge",
];
/// Names in quotes, as Prometheus 3 has them, with the quotes.
pub(crate) const QUOTED_NAMES: &[&str] = &[
    "\"a.b\"", "\"a_b\"", "\"a\"", "\"a_total\"", "\"a.b_total\"", "\"ä\"", "\"a\\\\b\"", "\"a\\\"b\"", "\"a b\"", "\"1a\"", "\"a{b\"", "\"a}b\"", "\"a,b\"", "\"a=b\"", "\"a#b\"",
    "\"日本\"", "\"a.b_bucket\"", "\"a\\nb\"", "\"__name__\"", "\"U__a\"",
];
/// Quoted names that are not right.
pub(crate) const BAD_QUOTED_NAMES: &[&str] = &["\"\"", "\"a", "a\"", "\"a\\qb\"", "\"a\nb\"", "\"a\" \"b\"", "\"a\"b", "\"\\\"", "'a'"];

pub(crate) const LABELS: &[&str] = &["x", "y", "app", "instance", "job", "code", "method", "_u"];
pub(crate) const ODD_LABELS: &[&str] =
    &["le", "quantile", "__name__", "__x__", "__", "a", "exported_instance", "X", "reason", "\"x\"", "\"x.y\"", "\"ä\"", "\"le\"", "\"\"", "\"x y\"", "x.y", "1x", "x:y", "ä", "", "\"x\\\"y\""];

/// Values of labels, without the quotes, escaped as they have to be.
pub(crate) const VALUES: &[&str] = &["1", "2", "a", "b", "GET", "/api/v1/query?x=1&y=2", "with space", "ä", "日本語", "\\\\", "\\\"", "\\n", "C:\\\\dir\\\\x", "{}", "a,b=\\\"c\\\"", "#"];
pub(crate) const ODD_VALUES: &[&str] = &[
    "", " ", "\\d+", "\\", "a\\", "\\x", "\\t", "\\r", "\\u00e4", "line\nbreak", "\n", "\t", "\r", "\r\n", "\u{feff}", "\u{7f}", "\u{1}", "\u{0}", "\u{fffd}", "\u{85}", "\u{2028}", "\u{1f600}",
    "\"", "a\"b", "\\\\\"", "\\\\\\", "# EOF", "\n# EOF\n", "\\\n", "} 1", "\\\\n", "'",
];

pub(crate) const NUMBERS: &[&str] = &["0", "1", "2", "42", "1.5", "-1", "1e3", "1.0E-9", "NaN", "+Inf", "-Inf", "1234567890123456789", "0.1", "1e308", "4.9e-324"];
pub(crate) const ODD_NUMBERS: &[&str] = &[
    "nan", "inf", "Inf", "-inf", "INF", "infinity", "+Infinity", "-NaN", "+NaN", "0x10", "0x1p3", "0X1.8P1", "1_000", "1e400", "-1e400", "1e-400", "00", "+1", ".5", "5.", "-.5e-3",
    "1d", "1f", "", "-", "+", "e", "1e", "1e+", "0b1", "0o7", "1,5", "1 2 3", "true", "\"1\"", "1.", "0x", "0x1", "0x1.8", "1__0", "_1", "٣", "1e5_0", "-0", "+0x1p-2", "1p3", "0x_1p3",
    "179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
];
/// Times in milliseconds.
pub(crate) const TIMES: &[&str] = &["1700000000000", "0", "1", "-1", "1700000000123"];
pub(crate) const ODD_TIMES: &[&str] = &["1.5", "1e3", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "99999999999999999999", "x", "+1", "1 ", "0x10", "-0", "1_0", "007", "NaN", "١"];
/// Times in seconds.
pub(crate) const SECONDS: &[&str] = &["1700000000", "1700000000.123", "0", "-1.5", "1.7e9", "0.001"];
pub(crate) const ODD_SECONDS: &[&str] = &["1e400", "9223372036854775.807", "1e19", "-1e19", "NaN", "+Inf", "x", "1_0", "0.0000001", "1.0005", "0x1p3", "-0.0001"];

pub(crate) const HELP: &[&str] = &["Some help.", "", "Orders taken", "ä and 日本", "with \\\\ and \\n", "# TYPE b gauge", "a \"quoted\" word", "{x=\"1\"} 1"];
pub(crate) const ODD_HELP: &[&str] = &["\\d+", "\\", "a\\\"b", "\\x", "  twice  spaced  ", "\t", "tab\tin it", "a\r", "\u{0}", "a\u{0}b", "\u{feff}", "\u{85}", "ends in \\", "\\\\\\", " "];

pub(crate) const KINDS: &[&str] = &["counter", "gauge", "histogram", "summary", "untyped"];
pub(crate) const ODD_KINDS: &[&str] = &["unknown", "info", "stateset", "gaugehistogram", "Counter", "GAUGE", "", "gauge ", " gauge", "gauge\r", "gauge x", "bool", "\"gauge\"", "gauge\u{0}", "gauge\\n", "#"];
pub(crate) const OPEN_KINDS: &[&str] = &["counter", "gauge", "histogram", "summary", "unknown", "info", "stateset", "gaugehistogram"];

pub(crate) const COMMENTS: &[&str] = &["#", "# ", "# a comment", "#HELP a x", "#  HELP a x", "# help a x", "# EOF", "# UNIT a seconds", "# ä", "##", "# HELPa b", "# TYPES a gauge"];
pub(crate) const ODD_LINES: &[&str] = &[
    "", " ", "\t", "   ", "\r", "\u{feff}", "# HELP", "# HELP ", "# TYPE", "# TYPE a", "# TYPE  a  gauge", "# HELP a", "# HELP a.b c", "# TYPE a.b gauge", "# HELP \"a.b\" c", "# TYPE \"a.b\" gauge",
    "#\tHELP a b", "#\tTYPE a gauge", "# \tTYPE\ta\tgauge", " # TYPE a gauge", "\t# HELP a b", "# HELP a b\r", "# TYPE a gauge\r", "a", "a ", "{", "}", "a{", "a{}", "a{} ", "a{}1", "a1", "a\t1", "a 1\r", "1", "NaN", "# UNIT", "# UNIT a",
    "# EOF ", "#EOF", "# EOF\r", "\u{0}", "a\u{0} 1", "# \u{0}", "#\u{0}", "{\"a\"} 1", "{\"a\",x=\"1\"} 1", "{x=\"1\"} 1", "{x=\"1\",\"a\"} 1", "{\"a\"}", "a{\"b\"} 1", "a{\"b\"=\"1\"} 1", "{} 1", "{,} 1", "a{,} 1", "a {x=\"1\"} 1", "a { x = \"1\" } 1",
    "a{x=\"1\",} 1", "a{x=\"1\",,} 1", "a{,x=\"1\"} 1", "a{x=\"1\"}1", "a{x=\"1\" y=\"2\"} 1", "a{x=\"1\"y=\"2\"} 1", "a{x='1'} 1", "a{x=1} 1", "a{x} 1", "a{x=\"1\"} 1 # {} 1", "a 1 # {trace_id=\"x\"} 1 2", "a 1 1 # {} 1", "<html>", "HTTP/1.1 200 OK",
    "# TYPE a counter # comment", "# HELP a", "a 1 # comment", "a{__name__=\"b\"} 1", "a{\"__name__\"=\"b\"} 1", "{\"a\",\"b\"} 1", "{\"a\",} 1", "{ \"a\" , x=\"1\" } 1", "{\"a\"x=\"1\"} 1", "\"a\" 1", "\"a\"{x=\"1\"} 1",
];
