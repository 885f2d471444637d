//! Does one fixed piece of work, for `benches/budgets` to count what it costs.
//!
//! ```sh
//! target/debug/count --list
//! target/debug/count --allocations scrape
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null '--toggle-collect=count::counted' target/debug/count scrape
//! ```

use bytes::{Bytes, BytesMut};
use clap::Parser;
use prometheus_rsocket_benches::{World, metrics};
use prometheus_rsocket_protocol::envelope::{
    self, AesKeySize, KeyUnwrap, OpenLimits, PeerKey, RsaKeyPair,
};
use prometheus_rsocket_protocol::exposition::{Inject, Policy, Source, read};
use prometheus_rsocket_protocol::rsocket::connection::{Config, Connection, Event};
use prometheus_rsocket_protocol::rsocket::frame::{Body, Frame, Setup, StreamId};
use prometheus_rsocket_protocol::rsocket::framing::{encode_prefixed, take_frame};
use prometheus_rsocket_protocol::{Labels, Machine, Payload};
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

/// Does one fixed piece of work twice. What the second time costs is to be counted: the first fills tables and buffers.
#[derive(Parser)]
struct Args {
    /// Prints how many allocations the second time takes, and how many bytes they have.
    #[arg(long)]
    allocations: bool,
    /// Names the works, and how many units each does.
    #[arg(long)]
    list: bool,
    /// Which work.
    #[arg(default_value = "scrape")]
    work: String,
}

type Failure = Box<dyn Error>;

/// A piece of work that is prepared.
type Work = Box<dyn FnMut() -> Result<(), Failure>>;

type Prepare = fn() -> Result<Work, Failure>;

/// Name, units of work, what they are, and how it is prepared.
const WORKS: [(&str, usize, &str, Prepare); 7] = [
    ("frame-decode", FRAMES, "frames", frame_decode),
    ("frame-encode", FRAMES, "frames", frame_encode),
    ("request-response", REQUESTS, "requests", request_response),
    ("exposition-check", SERIES, "series", exposition_check),
    ("envelope-open", SERIES, "series", envelope_open),
    ("scrape", APPS, "applications", || scrape(World::encrypted(APPS))),
    ("scrape-plaintext", APPS, "applications", || scrape(World::plaintext(APPS))),
];

const FRAMES: usize = 1000;
const REQUESTS: usize = 100;
const SERIES: usize = 1000;
const APPS: usize = 10;

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    if args.list {
        for (name, units, unit, _) in WORKS {
            println!("{name} {units} {unit}");
        }
        return Ok(());
    }
    let (.., prepare) =
        WORKS.iter().find(|(name, ..)| *name == args.work).ok_or("no work has this name")?;
    let mut work = prepare()?;
    work()?;
    let mut done = Ok(());
    if args.allocations {
        let counted = allocation_counter::measure(|| done = counted(&mut work));
        println!("{} {}", counted.count_total, counted.bytes_total);
    } else {
        done = counted(&mut work);
    }
    done
}

/// Callgrind counts while this runs.
#[inline(never)]
fn counted(work: &mut Work) -> Result<(), Failure> {
    black_box(work)()
}

/// Requests and answers of 12 KiB in turn, as they are under way during a scrape.
fn frames() -> impl Iterator<Item = Frame> {
    let request = Payload::from_data(vec![1; 294]);
    let answer = Payload::new(vec![2; 256], vec![3; 12 * 1024]);
    (0..FRAMES).map(move |number| {
        let body = if number % 2 == 0 {
            Body::RequestResponse { follows: false, payload: request.clone() }
        } else {
            Body::Payload { follows: false, complete: true, next: true, payload: answer.clone() }
        };
        Frame::new(StreamId::new(4), body)
    })
}

fn frame_decode() -> Result<Work, Failure> {
    let mut stream = BytesMut::new();
    for frame in frames() {
        encode_prefixed(&frame, &mut stream)?;
    }
    // One for each time, for making them is no part of the work.
    let mut streams = vec![stream.clone(), stream];
    Ok(Box::new(move || {
        let mut stream = streams.pop().ok_or("done twice already")?;
        while let Some(frame) = take_frame(&mut stream, 0xff_ffff)? {
            black_box(frame?);
        }
        Ok(())
    }))
}

fn frame_encode() -> Result<Work, Failure> {
    let frames: Vec<Frame> = frames().collect();
    let mut out = BytesMut::new();
    Ok(Box::new(move || {
        out.clear();
        for frame in &frames {
            encode_prefixed(black_box(frame), &mut out)?;
        }
        black_box(&out);
        Ok(())
    }))
}

/// Requests and their answers through a machine on either side, one after the other.
fn request_response() -> Result<Work, Failure> {
    let now = Instant::now();
    let mut client = Connection::client(Config::default(), Setup::default(), now)?;
    let mut server = Connection::server(Config::default(), now);
    let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
    let (request, answer) = (Payload::from_data(vec![1; 294]), Payload::from_data(vec![2; 1024]));
    Ok(Box::new(move || {
        for _ in 0..REQUESTS {
            client.request_response(request.clone())?;
            while client.poll_transmit(now, &mut up) {}
            server.handle_input(now, &mut up);
            while let Some(event) = server.poll_event() {
                if let Event::RequestResponse { stream_id, .. } = event {
                    server.respond(stream_id, answer.clone())?;
                }
            }
            while server.poll_transmit(now, &mut down) {}
            client.handle_input(now, &mut down);
            let answered = std::iter::from_fn(|| client.poll_event()).count();
            if answered == 0 {
                return Err("a request has no answer".into());
            }
        }
        Ok(())
    }))
}

fn exposition_check() -> Result<Work, Failure> {
    let text = metrics("orders-1", SERIES);
    let (nobody, policy) = (Labels::default(), Policy::default());
    Ok(Box::new(move || {
        let source =
            Source { text: text.as_bytes(), identity: &nobody, inject: Inject::Missing, seed: 1 };
        black_box(read(black_box(&source), &policy)?);
        Ok(())
    }))
}

fn envelope_open() -> Result<Work, Failure> {
    let keys = RsaKeyPair::generate(2048, [1; 32])?;
    let peer = PeerKey::parse(&keys.public_key())?;
    let text = Bytes::from(metrics("orders-1", SERIES));
    let payload = envelope::seal(&peer, &text, AesKeySize::Aes128, [2; 32])?;
    let limits = OpenLimits::default();
    Ok(Box::new(move || {
        black_box(envelope::open(&keys, payload.clone(), &limits, [3; 32])?);
        Ok(())
    }))
}

fn scrape(mut world: World) -> Result<Work, Failure> {
    Ok(Box::new(move || {
        black_box(world.scrape());
        Ok(())
    }))
}
