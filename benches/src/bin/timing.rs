//! Whether the time that RSA takes to unwrap a key tells valid padding from invalid.
//!
//! ```sh
//! cargo run --release -p prometheus-rsocket-benches --features openssl --bin timing -- --samples 3000
//! ```

use clap::Parser;
use prometheus_rsocket_protocol::envelope::{
    KeyUnwrap, PeerKey, PrivateKeyFile, RsaKeyPair, SecretKey,
};
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

/// What unwraps keys, and its name.
type Subject = (&'static str, Box<dyn KeyUnwrap>);

const BITS: usize = 2048;

/// Times valid against invalid padding, in random order. Of each, the slowest fifth is left out of t: what else the machine does is there.
#[derive(Parser)]
struct Args {
    /// The number of keys that are unwrapped of each kind, about; at least 10
    #[arg(long, value_name = "COUNT", default_value_t = 3000, value_parser = clap::value_parser!(u32).range(10..))]
    samples: u32,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    for (name, pair) in subjects()? {
        let (valid, invalid) = measure(&*pair, args.samples)?;
        let t = welch(lower(&valid), lower(&invalid));
        let (valid, invalid) = (median(&valid), median(&invalid));
        println!("{name}: median valid {valid:.1} us, invalid {invalid:.1} us, t = {t:.2}");
    }
    Ok(())
}

/// Keys of each kind that the proxy makes or takes from a file.
fn subjects() -> Result<Vec<Subject>, Failure> {
    let file = PrivateKeyFile::generate(BITS, random()?)?;
    let two = RsaKeyPair::from_pkcs8_der(file.as_der())?;
    let three = RsaKeyPair::generate(BITS, random()?)?;
    Ok(vec![
        ("rust, two primes", Box::new(two)),
        ("rust, three primes", Box::new(three)),
        #[cfg(feature = "openssl")]
        (
            "openssl, two primes",
            Box::new(prometheus_rsocket_proxy::OpenSslKeyPair::from_pkcs8_der(file.as_der())?),
        ),
    ])
}

/// Microseconds for valid and for invalid padding, each in ascending order.
fn measure(pair: &dyn KeyUnwrap, samples: u32) -> Result<(Vec<f64>, Vec<f64>), Failure> {
    let peer = PeerKey::parse(&pair.public_key())?;
    let good = peer.wrap(&SecretKey::new(vec![7; 16])?, random()?)?;
    let mut bad = good.to_vec();
    // Still a number below the modulus.
    *bad.last_mut().ok_or("the wrapped key is empty")? ^= 1;
    let (mut valid, mut invalid) = (Vec::new(), Vec::new());
    for _ in 0..2 * u64::from(samples) {
        let [order, ..] = random()?;
        let is_valid = order & 1 == 1;
        let (wrapped, times) =
            if is_valid { (&good[..], &mut valid) } else { (&bad[..], &mut invalid) };
        let seed = random()?;
        let start = Instant::now();
        let opened = black_box(pair.unwrap_key(black_box(wrapped), seed));
        times.push(start.elapsed().as_secs_f64() * 1e6);
        if opened.is_ok() != is_valid {
            return Err("a key was unwrapped that should not be, or the other way round".into());
        }
    }
    valid.sort_by(f64::total_cmp);
    invalid.sort_by(f64::total_cmp);
    Ok((valid, invalid))
}

fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// The lower 80 % of times in ascending order.
fn lower(times: &[f64]) -> &[f64] {
    &times[..times.len() * 4 / 5]
}

fn median(times: &[f64]) -> f64 {
    times[times.len() / 2]
}

/// Welch's t of two samples.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let of = |times: &[f64]| {
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
        (mean, squares / (count - 1.0) / count)
    };
    let ((a, error_a), (b, error_b)) = (of(a), of(b));
    (a - b) / (error_a + error_b).sqrt()
}
