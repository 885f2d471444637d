//! Through an HTTP proxy.

use crate::endpoint::endpoint;
use crate::log::Log;
use crate::program::{built_in, program, terminate};
use prometheus_rsocket_protocol::Payload;
use prometheus_rsocket_protocol::rsocket::connection::Event;
use prometheus_rsocket_testkit::proxy::FakeProxy;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n";
/// `name:pass`.
const CREDENTIALS: &str = "Proxy-Authorization: Basic bmFtZTpwYXNz";

/// An HTTP proxy, which knows some hosts.
struct HttpProxy {
    address: SocketAddr,
    /// The heads of requests.
    heard: Mutex<Receiver<Vec<String>>>,
    /// Whether the first host can be reached.
    is_first_up: Arc<AtomicBool>,
}

impl HttpProxy {
    fn new(hosts: Vec<(&'static str, SocketAddr)>, wants_credentials: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, heard) = channel();
        let is_first_up = Arc::new(AtomicBool::new(true));
        let is_up = Arc::clone(&is_first_up);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let head = head(&mut stream);
                let target = head[0].split(' ').nth(1).unwrap_or_default().to_owned();
                let found = hosts.iter().position(|(host, _)| *host == target);
                let found = found.filter(|host| *host > 0 || is_up.load(Ordering::SeqCst));
                let is_known = head.iter().any(|line| line == CREDENTIALS);
                let refusal = match found {
                    _ if wants_credentials && !is_known => "407 Proxy Authentication Required",
                    None => "502 Bad\u{7} Gateway",
                    Some(host) => {
                        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
                        tunnel(stream, TcpStream::connect(hosts[host].1).unwrap());
                        let _ = tell.send(head);
                        continue;
                    }
                };
                // Whoever asked may be gone.
                let _ = write!(stream, "HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n");
                let _ = tell.send(head);
            }
        });
        Self { address, heard: Mutex::new(heard), is_first_up }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().recv().unwrap()
    }
}

fn head(stream: &mut TcpStream) -> Vec<String> {
    // Byte by byte, as what follows is for somebody else.
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        head.extend(byte);
    }
    String::from_utf8(head).unwrap().lines().map(str::to_owned).collect()
}

fn tunnel(one: TcpStream, other: TcpStream) {
    for (mut from, mut to) in [(one.try_clone().unwrap(), other.try_clone().unwrap()), (other, one)]
    {
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}

fn relay(proxies: &str, args: &[&str]) -> Command {
    let mut command = program();
    command.args(["--proxy", proxies, "--scrape", &endpoint(&[ANSWER])]).args(args);
    command
}

/// Is scraped, pushes at its end, and logs this.
fn relays(proxy: &FakeProxy, mut child: Child) -> String {
    let mut peer = proxy.accept_with_key();
    assert_eq!(peer.scraped(), "a 1\n");
    terminate(&child);
    let (stream_id, text) = peer.pushed();
    assert_eq!(text, "a 1\n");
    peer.connection.respond(stream_id, Payload::default()).unwrap();
    assert!(matches!(peer.next(), Event::Closed { .. }));
    drop(peer);
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{log}");
    log
}

#[test]
fn the_option_leads_through_an_http_proxy_on_either_runtime() {
    for runtime in built_in() {
        let proxy = FakeProxy::new();
        let http = HttpProxy::new(vec![("proxy.invalid:7001", proxy.address())], true);
        let mut command = relay("tcp://proxy.invalid", &["--runtime", runtime]);
        command.env("PROMETHEUS_RSOCKET_CLIENT_VIA", format!("name:pass@{}", http.address));
        let log = relays(&proxy, command.stderr(Stdio::piped()).spawn().unwrap());
        let said = format!(
            "connecting through an HTTP proxy proxy=tcp://proxy.invalid:7001 via=http://{}",
            http.address
        );
        assert!(log.contains(&said) && !log.contains("pass"), "{log}");
        let head = http.heard();
        assert_eq!(head[0], "CONNECT proxy.invalid:7001 HTTP/1.1");
        assert_eq!(head[1], "Host: proxy.invalid:7001");
    }
}

#[test]
fn the_environment_leads_through_an_http_proxy_but_not_to_this_machine() {
    let proxy = FakeProxy::new();
    let http = HttpProxy::new(vec![("proxy.invalid:7001", proxy.address())], false);
    let mut command = relay("tcp://proxy.invalid", &[]);
    command.env("ALL_PROXY", format!("http://{}", http.address));
    relays(&proxy, command.stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!(http.heard()[0], "CONNECT proxy.invalid:7001 HTTP/1.1");
    // This proxy is on loopback.
    let mut command = relay(&proxy.url(), &[]);
    command.env("ALL_PROXY", "http://nobody.invalid");
    relays(&proxy, command.stderr(Stdio::piped()).spawn().unwrap());
    // An explicit one is gone through there too, whatever the environment says.
    let own = proxy.address().to_string();
    let http = HttpProxy::new(vec![(own.leak(), proxy.address())], false);
    let via = format!("--via=http://{}", http.address);
    let mut command = relay(&proxy.url(), &[&via]);
    command.env("ALL_PROXY", "socks5://nobody.invalid").env("NO_PROXY", "*");
    relays(&proxy, command.stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!(http.heard()[0], format!("CONNECT {} HTTP/1.1", proxy.address()));
}

#[test]
fn probes_and_failover_go_through_it_too() {
    let proxies = [FakeProxy::new(), FakeProxy::new()];
    let hosts =
        ["a.invalid:1", "b.invalid:2"].into_iter().zip(proxies.each_ref().map(FakeProxy::address));
    let http = HttpProxy::new(hosts.collect(), false);
    http.is_first_up.store(false, Ordering::SeqCst);
    let via = format!("--via=http://{}", http.address);
    let args = [&*via, "--proxy-return-after=100ms"];
    let mut child = relay("tcp://a.invalid:1,tcp://b.invalid:2", &args).spawn().unwrap();
    let mut second = proxies[1].accept_with_key();
    assert_eq!(second.scraped(), "a 1\n");
    http.is_first_up.store(true, Ordering::SeqCst);
    proxies[0].accept_probe();
    let mut first = proxies[0].accept_with_key();
    assert_eq!(first.scraped(), "a 1\n");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn refusals_of_the_http_proxy_are_logged() {
    let http = HttpProxy::new(vec![("known.invalid:7001", ([127, 0, 0, 1], 1).into())], true);
    for (host, credentials, reason) in [
        ("known.invalid", "", "407 Proxy Authentication Required; it wants a user and password"),
        ("known.invalid", "name:wrong@", "407 Proxy Authentication Required; it does not take"),
        ("other.invalid", "name:pass@", "CONNECT other.invalid:7001: the answer is not HTTP"),
    ] {
        let mut command = relay(&format!("tcp://{host}"), &[]);
        let via = format!("http://{credentials}{}", http.address);
        command.env("PROMETHEUS_RSOCKET_CLIENT_VIA", via);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let line = Log::of(&mut child).wait_for("not connected");
        assert!(line.contains(reason) && line.contains(&http.address.to_string()), "{line}");
        assert!(!line.contains("wrong"), "{line}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn ways_out_of_no_use_end_with_2_and_tell_no_password() {
    for (variable, value, args, reason) in [
        ("", "", &["--via=http://u:secret@h"][..], "--via: a password on a command line"),
        ("", "", &["--via=http://h/path"], "--via \"h/path\": it should end with the port"),
        ("PROMETHEUS_RSOCKET_CLIENT_VIA", "ftp://u:secret@h", &[], "only an HTTP proxy will do"),
        ("ALL_PROXY", "socks5h://u:secret@h", &[], "\"ALL_PROXY\": only an HTTP proxy"),
        ("ALL_PROXY", "http://u:secret@h:x", &[], "--via off ignores the environment"),
    ] {
        let mut command = relay("tcp://p.invalid", args);
        if !variable.is_empty() {
            command.env(variable, value);
        }
        let output = command.output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(reason) && !message.contains("secret"), "{message}");
    }
    let mut help = program();
    help.env("PROMETHEUS_RSOCKET_CLIENT_VIA", "http://u:s3cr3t@h").arg("--help");
    let help = String::from_utf8(help.output().unwrap().stdout).unwrap();
    assert!(help.contains("--via") && !help.contains("s3cr3t"), "{help}");
}
