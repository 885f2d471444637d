//! Whether the samples of a family fit its type, as strict parsers see it.

use super::table::{Family, Piece};
use crate::exposition::Format;
use crate::exposition::reader::MetricKind;

/// Whether the samples, ordered by group, can be written as a family of its type.
pub(super) fn conforms(family: &Family<'_>, pieces: &[Piece], format: Format) -> bool {
    let stem = stem(family, format);
    let parts: Option<Vec<_>> = pieces
        .iter()
        .map(|piece| {
            let name = family.names.get(piece.name as usize)?;
            Some((name.strip_prefix(stem)?, piece))
        })
        .collect();
    let Some(parts) = parts else { return false };
    match (format, family.kind) {
        (Format::Text004, MetricKind::Histogram | MetricKind::Summary) => {
            parts.iter().all(|(suffix, piece)| {
                let is_population = *suffix == b"_count" || !piece.bound.is_nan();
                !(piece.is_bound_wrong || is_population && piece.value < 0.0)
            })
        }
        (Format::Text004, _) => true,
        (Format::OpenMetrics1, kind) => {
            let groups = || parts.chunk_by(|one, other| one.1.group == other.1.group);
            has_one_time(groups())
                && match kind {
                    MetricKind::Counter => parts.iter().all(is_counter),
                    MetricKind::Histogram => {
                        groups().all(|group| is_histogram(group, [b"_count", b"_sum"]))
                    }
                    MetricKind::GaugeHistogram => {
                        groups().all(|group| is_histogram(group, [b"_gcount", b"_gsum"]))
                    }
                    MetricKind::Summary => parts.iter().all(is_summary),
                    MetricKind::Info => parts.iter().all(is_info),
                    MetricKind::StateSet => parts.iter().all(|(suffix, piece)| {
                        suffix.is_empty() && piece.bound == 1.0 && matches!(piece.value, 0.0 | 1.0)
                    }),
                    MetricKind::Gauge | MetricKind::Unknown => true,
                }
        }
    }
}

/// The name that suffixes are added to.
pub(super) fn stem<'n>(family: &'n Family<'_>, format: Format) -> &'n [u8] {
    let is_counter = format == Format::OpenMetrics1 && family.kind == MetricKind::Counter;
    match family.name.strip_suffix(b"_total") {
        // Text 0.0.4 names a counter's family after its samples.
        Some(stem)
            if is_counter
                && !stem.is_empty()
                && family.names.iter().any(|name| **name == *family.name) =>
        {
            stem
        }
        _ => &family.name,
    }
}

type Part<'p, 'n> = (&'n [u8], &'p Piece);

fn has_one_time<'s, 'p: 's, 'n: 's>(mut groups: impl Iterator<Item = &'s [Part<'p, 'n>]>) -> bool {
    groups.all(|group| match group {
        [(_, first), rest @ ..] => rest.iter().all(|(_, piece)| piece.time == first.time),
        [] => true,
    })
}

fn is_counter((suffix, piece): &Part<'_, '_>) -> bool {
    match *suffix {
        b"_total" => piece.value >= 0.0,
        b"_created" => true,
        _ => false,
    }
}

/// All samples of an info family are one group, so either all or none may have timestamps.
fn is_info((suffix, piece): &Part<'_, '_>) -> bool {
    *suffix == b"_info" && piece.value == 1.0 && !piece.has_time
}

/// Strict parsers require whole numbers.
fn is_count(value: f64) -> bool {
    value >= 0.0 && value.is_finite() && value.fract() == 0.0
}

fn is_summary((suffix, piece): &Part<'_, '_>) -> bool {
    match *suffix {
        b"" => (0.0..=1.0).contains(&piece.bound) && (piece.value.is_nan() || piece.value >= 0.0),
        b"_count" => is_count(piece.value) && piece.bound.is_nan(),
        b"_sum" => piece.value >= 0.0 && piece.bound.is_nan(),
        b"_created" => piece.bound.is_nan(),
        _ => false,
    }
}

fn is_histogram(group: &[Part<'_, '_>], [count_suffix, sum_suffix]: [&[u8]; 2]) -> bool {
    let (mut last, mut count, mut sum) = (None, None, None);
    let mut has_negative = false;
    for (suffix, piece) in group {
        match *suffix {
            b"_bucket" => {
                let is_ordered = match last {
                    None => !piece.bound.is_nan(),
                    Some((bound, value)) => piece.bound > bound && piece.value >= value,
                };
                if !is_ordered || !is_count(piece.value) {
                    return false;
                }
                has_negative |= piece.bound < 0.0;
                last = Some((piece.bound, piece.value));
            }
            _ if !piece.bound.is_nan() => return false,
            suffix if suffix == count_suffix => count = Some(piece.value),
            suffix if suffix == sum_suffix => sum = Some(piece.value),
            b"_created" if count_suffix == b"_count" => {}
            _ => return false,
        }
    }
    let Some((bound, value)) = last else { return false };
    bound == f64::INFINITY
        && count.is_none_or(|count| count == value)
        && count.is_some() == sum.is_some()
        && sum.is_none_or(|sum| sum >= 0.0 && !has_negative)
}
