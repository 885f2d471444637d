//! The parts of a scrape that cannot be avoided, in one loop on one thread: unwrap, AES, Snappy, read and deflate of every answer. A
//! scrape over sockets costs more; the ratio of the two is what the proxy adds.
//!
//! ```sh
//! cargo run --release -p prometheus-rsocket-benches --bin floor -- --apps 1000 --series 1000 --envelope rust
//! ```

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use prometheus_rsocket_benches::metrics;
use prometheus_rsocket_protocol::envelope::v2::{
    self, Binding, ContentKey, Expected, Message, Purpose,
};
use prometheus_rsocket_protocol::envelope::{
    self, AesKeySize, KeyUnwrap, PLAINTEXT, PeerKey, RsaKeyPair,
};
use prometheus_rsocket_protocol::exposition::{Inject, Policy, Source, read};
use prometheus_rsocket_protocol::{Labels, Payload};
use prometheus_rsocket_proxy::gzip;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::error::Error;

type Failure = Box<dyn Error + Send + Sync>;

/// The longest text, as the proxy expands it.
const MAX_TEXT_LEN: usize = 64 << 20;

/// Does the unavoidable parts of a scrape in one loop, and says what processor time they take.
#[derive(Parser)]
struct Args {
    /// The number of applications
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    apps: usize,
    /// The number of series of each application
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    series: usize,
    /// Who unwraps the keys; with plaintext there are none
    #[arg(long, value_enum, default_value = "rust")]
    envelope: Envelope,
    /// The level of gzip
    #[arg(long, value_name = "LEVEL", default_value_t = gzip::LEVEL)]
    gzip_level: u32,
    /// The number of loops; the fastest is reported
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    rounds: usize,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Envelope {
    Rust,
    #[cfg(feature = "openssl")]
    Openssl,
    Plaintext,
    /// Version 2, its key known already
    V2,
}

/// Seconds of one loop over all applications.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Parts {
    unwrap: f64,
    decrypt: f64,
    expand: f64,
    read: f64,
    deflate: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    envelope: Envelope,
    apps: usize,
    series: usize,
    /// Of the thread, for one loop.
    cpu_seconds: f64,
    wire_bytes: usize,
    text_bytes: usize,
    /// Likewise, measured in a loop of its own.
    parts: Parts,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    if args.apps == 0 || args.rounds == 0 {
        return Err("--apps and --rounds must be at least 1".into());
    }
    if !(1..=9).contains(&args.gzip_level) {
        return Err(format!("--gzip-level {}: it must be from 1 to 9", args.gzip_level).into());
    }
    let (opener, answers) = match args.envelope {
        Envelope::V2 => sealed_v2(&args)?,
        envelope => sealed(envelope, &args)?,
    };
    let report = measure(&args, &opener, &answers)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report:#?}");
    }
    Ok(())
}

/// What answers are opened with.
enum Opener {
    Keys(Box<dyn KeyUnwrap>),
    Known(Box<dyn KeyUnwrap>, Expected),
    Plaintext,
}

/// All answers in version 1, and what opens them.
fn sealed(envelope: Envelope, args: &Args) -> Result<(Opener, Vec<Payload>), Failure> {
    let keys = keys(envelope)?;
    let public = keys.as_ref().map_or(Bytes::from_static(PLAINTEXT), |keys| keys.public_key());
    let peer = PeerKey::parse(&public)?;
    let answers = (0..args.apps).map(|number| answer(&peer, number, args.series));
    let answers = answers.collect::<Result<_, _>>()?;
    Ok((keys.map_or(Opener::Plaintext, Opener::Keys), answers))
}

/// All answers in version 2, under one key that is known.
fn sealed_v2(args: &Args) -> Result<(Opener, Vec<Payload>), Failure> {
    let keys: Box<dyn KeyUnwrap> = Box::new(RsaKeyPair::generate(2048, [1; 32])?);
    let content = ContentKey::generate(&PeerKey::parse(&keys.public_key())?, [2; 32])?;
    let (binding, purpose) = (Binding::new([3; 16]), Purpose::Scrape);
    let mut expected = Expected { binding, is_push: false, known: Vec::new() };
    let seal = |counter: usize, attach_key| {
        let text = metrics(&format!("orders-{counter}"), args.series);
        let (text, counter) = (text.as_bytes(), counter as u64);
        v2::seal(&content, &Message { text, purpose, binding, counter, attach_key })
    };
    let first = v2::open(&*keys, seal(0, true)?, &expected, [4; 32])?;
    expected.known.push(first.key);
    let answers = (0..args.apps).map(|number| seal(number, false)).collect::<Result<_, _>>()?;
    Ok((Opener::Known(keys, expected), answers))
}

/// A key of 2048 bits, as the proxy makes one.
fn keys(envelope: Envelope) -> Result<Option<Box<dyn KeyUnwrap>>, Failure> {
    Ok(match envelope {
        Envelope::Rust => Some(Box::new(RsaKeyPair::generate(2048, [1; 32])?)),
        #[cfg(feature = "openssl")]
        Envelope::Openssl => {
            Some(Box::new(prometheus_rsocket_proxy::OpenSslKeyPair::generate(2048)?))
        }
        Envelope::Plaintext | Envelope::V2 => None,
    })
}

fn answer(peer: &PeerKey, number: usize, series: usize) -> Result<Payload, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let text = metrics(&format!("orders-{number}"), series);
    Ok(envelope::seal(peer, text.as_bytes(), AesKeySize::Aes128, seed)?)
}

fn measure(args: &Args, opener: &Opener, answers: &[Payload]) -> Result<Report, Failure> {
    let mut cpu_seconds = f64::INFINITY;
    let (mut wire_bytes, mut text_bytes) = (0, 0);
    for _ in 0..args.rounds {
        // As in the proxy, the payload is decrypted in the buffer that it came in.
        let arrived = arrive(answers);
        (wire_bytes, text_bytes) = (0, 0);
        let before = thread_seconds();
        for answer in arrived {
            let (wire, text) = scrape(args.gzip_level, opener, answer, &mut |_, _| {})?;
            wire_bytes += wire;
            text_bytes += text;
        }
        cpu_seconds = cpu_seconds.min(thread_seconds() - before);
    }
    let mut parts = Parts::default();
    for answer in arrive(answers) {
        scrape(args.gzip_level, opener, answer, &mut |part, took| *part(&mut parts) += took)?;
    }
    let Args { envelope, apps, series, .. } = *args;
    Ok(Report { envelope, apps, series, cpu_seconds, wire_bytes, text_bytes, parts })
}

fn arrive(answers: &[Payload]) -> Vec<Payload> {
    let copy = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
    let copy = |answer: &Payload| Payload {
        metadata: answer.metadata.as_ref().map(copy),
        data: copy(&answer.data),
    };
    answers.iter().map(copy).collect()
}

type Part = fn(&mut Parts) -> &mut f64;

/// One answer, from the payload to its part of the gzip member: the bytes of that, and those of the text.
fn scrape(
    level: u32,
    opener: &Opener,
    answer: Payload,
    took: &mut dyn FnMut(Part, f64),
) -> Result<(usize, usize), Failure> {
    let block = match opener {
        Opener::Keys(keys) => {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed)?;
            let started = thread_seconds();
            let wrapped = answer.metadata.ok_or("an answer without its key")?;
            let key = keys.unwrap_key(&wrapped, seed)?;
            took(|parts| &mut parts.unwrap, thread_seconds() - started);
            let started = thread_seconds();
            let block = envelope::decrypt(&key, answer.data)?;
            took(|parts| &mut parts.decrypt, thread_seconds() - started);
            Ok(block)
        }
        Opener::Known(keys, expected) => {
            let started = thread_seconds();
            let opened = v2::open(&**keys, answer, expected, [5; 32])?;
            took(|parts| &mut parts.decrypt, thread_seconds() - started);
            Ok(opened.block)
        }
        Opener::Plaintext => Err(answer.data),
    };
    let text = match block {
        Ok(block) => {
            let started = thread_seconds();
            let text = envelope::expand(&block, MAX_TEXT_LEN)?;
            took(|parts| &mut parts.expand, thread_seconds() - started);
            text
        }
        Err(text) => text,
    };
    let started = thread_seconds();
    let nobody = Labels::default();
    let source = Source { text: &text, identity: &nobody, inject: Inject::Missing, seed: 1 };
    let facts = read(&source, &Policy::default())?;
    took(|parts| &mut parts.read, thread_seconds() - started);
    if !facts.is_verbatim {
        return Err("the text was not to be changed".into());
    }
    let started = thread_seconds();
    let part = gzip::deflate_part(&text, level);
    took(|parts| &mut parts.deflate, thread_seconds() - started);
    Ok((part.bytes().len(), text.len()))
}

/// Processor time of this thread.
fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
