//! Random sets of applications' texts, and what the proxy makes of them, for parsers that others wrote to judge.
//!
//! On standard output is what the judges read (`../judges/stream`): for each set, the texts of its applications, and then the
//! answers that a scraper could be given. The lines of JSON before the bodies say besides what `harness/sets.py` has to know.

mod answers;
mod dice;
mod mutate;
mod sets;
mod text;
mod tokens;

use answers::{Answer, Choices, Reading};
use clap::Parser;
use prometheus_rsocket_protocol::exposition::{
    Escaping, ExpositionErrorKind, Facts, Format, SourceFormat,
};
use std::io::{self, BufWriter, Write};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Generates sets of applications' texts, and what the proxy makes of them.
#[derive(Parser)]
struct Args {
    /// The seed of the first set
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many sets
    #[arg(long, default_value_t = 1)]
    count: u64,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    for seed in args.first..args.first + args.count {
        write_set(&mut out, seed)?;
    }
    out.flush()
}

fn write_set(out: &mut impl Write, seed: u64) -> io::Result<()> {
    let choices = Choices::of(seed);
    let set = sets::set(seed);
    let readings = answers::read_all(&set, choices);
    for reading in &readings {
        write_reading(out, seed, reading)?;
    }
    let answers = [
        ("joined", TEXT, answers::joined(&readings, choices)),
        ("single", OPEN_METRICS, answers::single(&readings, choices)),
        ("grouped", TEXT, answers::grouped(&readings, choices, Format::Text004)),
        ("openmetrics", OPEN_METRICS, answers::grouped(&readings, choices, Format::OpenMetrics1)),
    ];
    for (what, content_type, answer) in answers {
        write_answer(out, seed, what, choices, content_type, &answer)?;
    }
    Ok(())
}

/// A text as it was sent, and whether it is served.
fn write_reading(out: &mut impl Write, seed: u64, reading: &Reading<'_>) -> io::Result<()> {
    let (said, content_type) = match &reading.facts {
        Ok(Facts { reduced: Some(reduced), format, .. }) => {
            (if is_ours(reduced.first.kind) { "refused" } else { "reduced" }, content_type(*format))
        }
        Ok(facts) => ("served", content_type(facts.format)),
        // What is refused though Prometheus reads it.
        Err(error) if is_ours(error.kind) => ("refused", TEXT),
        Err(_) => ("bad", TEXT),
    };
    let samples = reading.facts.as_ref().map_or(0, |facts| facts.samples);
    let reason = reading.facts.as_ref().err().map(ToString::to_string).unwrap_or_default();
    write_body(
        out,
        content_type,
        reading.text,
        &format!(
            "\"set\":{seed},\"what\":\"application\",\"said\":\"{said}\",\"samples\":{samples},\"reason\":{}",
            json(&reason)
        ),
    )
}

/// A string of JSON.
fn json(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            char if char.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted + "\""
}

fn content_type(format: SourceFormat) -> &'static str {
    match format {
        SourceFormat::OpenMetrics => OPEN_METRICS,
        _ => TEXT,
    }
}

fn is_ours(kind: ExpositionErrorKind) -> bool {
    matches!(kind, ExpositionErrorKind::Nul | ExpositionErrorKind::MetricNameReserved)
}

fn write_answer(
    out: &mut impl Write,
    seed: u64,
    what: &str,
    choices: Choices,
    content_type: &str,
    answer: &Answer,
) -> io::Result<()> {
    let Answer { body, samples, repeated, may_merge, is_exact } = answer;
    let legacy = choices.escaping == Escaping::Underscores;
    write_body(
        out,
        content_type,
        body,
        &format!(
            "\"set\":{seed},\"what\":\"{what}\",\"samples\":{samples},\"repeated\":{repeated},\"merged\":{may_merge},\"exact\":{is_exact},\"legacy\":{legacy}"
        ),
    )
}

fn write_body(
    out: &mut impl Write,
    content_type: &str,
    body: &[u8],
    fields: &str,
) -> io::Result<()> {
    writeln!(
        out,
        "{{\"id\":\"\",\"content_type\":\"{content_type}\",\"length\":{},{fields}}}",
        body.len()
    )?;
    out.write_all(body)
}
