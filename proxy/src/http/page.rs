use super::Status;
use std::fmt::Write;

/// The page at `/`.
pub(super) fn render(status: &Status) -> String {
    let mut listeners = String::new();
    for (name, address) in &status.listeners {
        let row = format_args!("<tr><td>{}</td><td>{}</td></tr>\n", escape(name), escape(address));
        listeners.write_fmt(row).expect("a String takes all");
    }
    let connected = applications(status.connected_applications, "is", "are");
    let key = match &status.key_sha256 {
        Some(sha256) => format!(
            "<p>Applications seal with the key whose SHA-256 is <code>{}</code>.</p>\n",
            escape(sha256)
        ),
        None => "<p>Applications seal nothing.</p>\n".to_owned(),
    };
    let demo = match status.demo_applications {
        0 => String::new(),
        count => format!(
            "<p class=\"note\">Demo mode: {} inside this process and make up their metrics.</p>\n",
            applications(count, "runs", "run")
        ),
    };
    format!(
        "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>Prometheus RSocket Proxy</title>
<style>{STYLE}</style>
</head>
<body>
<h1>Prometheus RSocket Proxy</h1>
<p>Version {VERSION}. {connected} connected.</p>
{key}{demo}<h2>What is served here</h2>
<ul>
<li><a href=\"/metrics/connected\">/metrics/connected</a>: the metrics of all connected applications</li>
<li>/metrics/app/&lt;id&gt;: the metrics of one application</li>
<li><a href=\"/sd\">/sd</a>: the applications as targets, for Prometheus' HTTP service discovery</li>
<li><a href=\"/metrics/proxy\">/metrics/proxy</a>: the proxy's own metrics</li>
<li><a href=\"/-/healthy\">/-/healthy</a>: whether the process serves</li>
<li><a href=\"/-/ready\">/-/ready</a>: whether it is ready to be scraped</li>
</ul>
<h2>Where it listens</h2>
<table>
{listeners}</table>
</body>
</html>
"
    )
}

fn applications(count: usize, one: &str, many: &str) -> String {
    match count {
        0 => format!("No application {one}"),
        1 => format!("1 application {one}"),
        count => format!("{count} applications {many}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

const STYLE: &str = "
body { font-family: system-ui, sans-serif; line-height: 1.5; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.1rem; margin-top: 1.8rem; }
td { padding: 0 1.5rem 0 0; }
.note { background: #fff3cd; color: #332701; padding: .5rem .8rem; border-radius: .3rem; }
";
