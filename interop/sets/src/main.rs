//! Random sets of applications' texts, and what the proxy makes of them, for parsers that others wrote to judge.
mod dice;
mod mutate;
mod sets;
mod text;
mod words;
use std::io::Write;
fn main() {
    let count: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for seed in 0..count {
        for app in sets::set(seed) {
            writeln!(out, "{{\"id\":\"{seed}\",\"content_type\":\"text/plain\",\"length\":{}}}", app.text.len()).unwrap();
            out.write_all(&app.text).unwrap();
        }
    }
}
