//! One scrape, as Prometheus does it.

use crate::args::Args;
use crate::report::Cpu;
use crate::{Failure, process};
use flate2::read::GzDecoder;
use memchr::memmem;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long the scraper waits for the next bytes.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// A scrape, and what it took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scrape {
    pub(crate) seconds: f64,
    /// The proxy's, meanwhile.
    pub(crate) cpu_seconds: Option<f64>,
    /// The HTTP answer as it was received.
    pub(crate) wire_bytes: u64,
    pub(crate) text_bytes: u64,
    pub(crate) series: u64,
    /// Applications that are not in the answer.
    pub(crate) missing: usize,
}

impl fmt::Display for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, cpu_seconds, wire_bytes, text_bytes, series, missing } = self;
        write!(
            f,
            "{seconds:.3} s{}, {wire_bytes} bytes, {text_bytes} bytes of text, {series} series, {missing} applications missing",
            Cpu(*cpu_seconds)
        )
    }
}

/// Scrapes all applications. The text is expanded and counted only after the time is taken.
pub(crate) fn measured(args: &Args) -> Result<Scrape, Failure> {
    let cpu_before = args.pid.map(process::cpu_seconds).transpose()?;
    let started = Instant::now();
    let answer = request(args)?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu_after = args.pid.map(process::cpu_seconds).transpose()?;

    let head = memmem::find(&answer, b"\r\n\r\n").ok_or("the scrape got no HTTP answer")? + 4;
    let (head, body) = answer.split_at(head);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if !head.starts_with("http/1.1 200 ") {
        return Err(format!("the scrape was answered: {head}").into());
    }
    let is_chunked = head.contains("\r\ntransfer-encoding: chunked\r\n");
    let is_gzip = head.contains("\r\ncontent-encoding: gzip\r\n");
    let body = if is_chunked { Cow::Owned(unchunk(body)?) } else { Cow::Borrowed(body) };
    let counted = if is_gzip {
        count(GzDecoder::new(body.as_ref()), args.apps)?
    } else {
        count(body.as_ref(), args.apps)?
    };
    Ok(Scrape {
        seconds,
        cpu_seconds: cpu_before.zip(cpu_after).map(|(before, after)| after - before),
        wire_bytes: answer.len() as u64,
        text_bytes: counted.text_bytes,
        series: counted.series,
        missing: args.apps - counted.apps,
    })
}

fn request(args: &Args) -> Result<Vec<u8>, Failure> {
    let mut stream = TcpStream::connect(args.http)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    let encoding = if args.identity { "identity" } else { "gzip" };
    let accept =
        args.accept.as_ref().map_or_else(String::new, |types| format!("Accept: {types}\r\n"));
    write!(
        stream,
        "GET /metrics/connected HTTP/1.1\r\nHost: load\r\nConnection: close\r\nAccept-Encoding: {encoding}\r\n{accept}\
         X-Prometheus-Scrape-Timeout-Seconds: {}\r\n\r\n",
        args.timeout.as_secs_f64()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn unchunk(mut chunks: &[u8]) -> Result<Vec<u8>, Failure> {
    let cut_off = || Failure::from("a chunk of the answer is cut off");
    let mut body = Vec::with_capacity(chunks.len());
    loop {
        let line = memmem::find(chunks, b"\r\n").ok_or_else(cut_off)?;
        let len = usize::from_str_radix(std::str::from_utf8(&chunks[..line])?, 16)?;
        if len == 0 {
            return Ok(body);
        }
        let chunk = chunks.get(line + 2..line + 2 + len).ok_or_else(cut_off)?;
        body.extend_from_slice(chunk);
        chunks = chunks.get(line + 4 + len..).ok_or_else(cut_off)?;
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Counted {
    text_bytes: u64,
    series: u64,
    /// How many different applications have a series of the first family.
    apps: usize,
}

/// Counts what an exposition has, line by line: a text of all applications may be larger than memory.
fn count(text: impl Read, apps: usize) -> Result<Counted, Failure> {
    const FIRST_FAMILY: &[u8] = b"http_server_requests_0_seconds{";
    const APPLICATION: &[u8] = b"application=\"orders-";
    let mut text = BufReader::with_capacity(1 << 16, text);
    let mut is_there = vec![false; apps];
    let mut counted = Counted { text_bytes: 0, series: 0, apps: 0 };
    let mut line = Vec::new();
    while text.read_until(b'\n', &mut line)? > 0 {
        counted.text_bytes += line.len() as u64;
        if !line.starts_with(b"#") && line != b"\n" {
            counted.series += 1;
        }
        if line.starts_with(FIRST_FAMILY)
            && let Some(place) = memmem::find(&line, APPLICATION)
        {
            let digits =
                line[place + APPLICATION.len()..].iter().take_while(|byte| byte.is_ascii_digit());
            let number = digits.fold(0_usize, |number, digit| {
                number.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
            });
            if let Some(is_there @ false) = is_there.get_mut(number) {
                *is_there = true;
                counted.apps += 1;
            }
        }
        line.clear();
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_rsocket_benches::metrics;

    #[test]
    fn applications_are_counted_once() {
        let text = metrics("orders-0", 30) + &metrics("orders-2", 30) + &metrics("orders-9", 1);
        let counted = count(text.as_bytes(), 3).unwrap();
        let expected = Counted { text_bytes: text.len() as u64, series: 61, apps: 2 };
        assert_eq!(counted, expected);
    }

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(unchunk(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").unwrap(), b"abcde");
        assert!(unchunk(b"3\r\nab").is_err());
        assert!(unchunk(b"").is_err());
    }
}
