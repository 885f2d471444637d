//! Comparing answers with the texts that were given.

use super::{BodyFormat, Section, apart, comments, floor, label, samples};
use crate::neighbours;
use crate::text::{self, Shape};
use std::collections::BTreeMap;

/// The texts that were given.
pub(super) struct Given<F> {
    pub(super) shape_of: F,
    pub(super) format: BodyFormat,
}

/// A text within an answer: its application, its number, and its part of the answer.
struct Part<'a> {
    app: usize,
    serial: usize,
    bytes: &'a str,
}

impl<F: Fn(usize, usize) -> Option<Shape>> Given<F> {
    /// Reads one text after the other, to the last byte.
    pub(super) fn joined(&self, body: &str) -> Result<Vec<Section>, String> {
        let mut parts = Vec::new();
        let mut rests = Vec::new();
        for bytes in cut(body)? {
            match bytes.lines().find_map(text::parse_head) {
                Some((app, serial)) => parts.push(Part { app, serial, bytes }),
                None => rests.push(bytes),
            }
        }
        let copies = self.comments(&parts);
        if rests.iter().any(|rest| !is_of_copies(rest, &copies)) {
            return Err("a text has no head".to_owned());
        }
        self.sections(&parts, |served| {
            let pairs = parts_of(&parts, served);
            let is_so = |part: &Part<'_>, served: &str| {
                let rest = part.bytes.strip_prefix(served);
                rest.is_some_and(|rest| rest.is_empty() || is_of_copies(rest, &copies))
            };
            match pairs.into_iter().find(|(part, served)| !is_so(part, served)) {
                None => Ok(()),
                Some((Part { app, serial, bytes }, served)) => {
                    let apart = apart(bytes, served);
                    Err(format!("app-{app} never gave its text {serial} so: {apart}"))
                }
            }
        })
    }

    /// Reads the samples of each text, wherever they are.
    pub(super) fn grouped(&self, body: &str) -> Result<Vec<Section>, String> {
        let mut parts = Vec::new();
        let mut lines: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for line in samples(body) {
            let app = label(line, "app").and_then(|app| app.parse().ok());
            let app: usize = app.ok_or_else(|| format!("whose is {line:?}?"))?;
            lines.entry(app).or_default().push(line);
            if let Some((app, serial)) = text::parse_head(line) {
                parts.push(Part { app, serial, bytes: line });
            }
        }
        lines.values_mut().for_each(|lines| lines.sort_unstable());
        if let Some(app) = lines.keys().find(|app| parts.iter().all(|part| part.app != **app)) {
            return Err(format!("app-{app} has samples, and no head"));
        }
        self.sections(&parts, |served| {
            let Some(app) = served.first().map(|(index, _)| parts[*index].app) else {
                return Ok(());
            };
            let mut due: Vec<&str> = served.iter().flat_map(|(_, text)| samples(text)).collect();
            due.sort_unstable();
            let lines = lines.get(&app).map_or(&[][..], Vec::as_slice);
            if lines == due {
                return Ok(());
            }
            let (lines, due) = (lines.join("\n"), due.join("\n"));
            Err(format!("app-{app} never gave such a text: {}", apart(&lines, &due)))
        })
    }

    /// Finds for each application how its texts were put together. `is_so` decides: it receives the application's texts as they should be, with the
    /// indices of their parts.
    fn sections(
        &self,
        parts: &[Part<'_>],
        is_so: impl Fn(&[(usize, String)]) -> Result<(), String>,
    ) -> Result<Vec<Section>, String> {
        let mut sections = BTreeMap::new();
        let mut of_apps: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, part) in parts.iter().enumerate() {
            of_apps.entry(part.app).or_default().push(index);
        }
        for indices in of_apps.into_values() {
            let mut first = None;
            let found = self.ways(parts, &indices)?.find_map(|withouts| {
                let texts = indices.iter().zip(withouts);
                let texts = texts.map(|(index, without)| {
                    self.served(&parts[*index], without).map(|text| (*index, text))
                });
                let served = texts.collect::<Result<Vec<_>, String>>();
                match served.and_then(|served| is_so(&served).map(|()| served)) {
                    Ok(served) => Some(served),
                    Err(wrong) => {
                        first.get_or_insert(wrong);
                        None
                    }
                }
            });
            let served = found.ok_or_else(|| first.unwrap_or_default())?;
            for (index, text) in served {
                let Part { app, serial, .. } = parts[index];
                let instance = (self.shape_of)(app, serial).and_then(|shape| shape.instance);
                let samples = samples(&text).count();
                sections.insert(index, Section { app, serial, samples, instance });
            }
        }
        Ok(sections.into_values().collect())
    }

    /// Returns how many of their lines an application's texts may lack because others have these series. Of texts pushed over one connection, the
    /// later ones have them; of texts from several connections, the first ones.
    fn ways(
        &self,
        parts: &[Part<'_>],
        indices: &[usize],
    ) -> Result<impl Iterator<Item = Vec<u32>>, String> {
        let shape_of = |index: &usize| (self.shape_of)(parts[*index].app, parts[*index].serial);
        let lines: Vec<u32> =
            indices.iter().map(|index| shape_of(index).map_or(0, |shape| shape.lines)).collect();
        // Texts of a neighbour share no series.
        let undecided = if parts[indices[0]].app < neighbours::FIRST { lines.len() - 1 } else { 0 };
        if undecided >= TEXTS_MAX {
            return Err(format!("app-{} has {} texts", parts[indices[0]].app, lines.len()));
        }
        // One bit for each two texts: whether a connection ended between them.
        Ok((0_u32..1 << undecided).map(move |ends| {
            let connection =
                |text: usize| (u64::from(ends) & ((1 << text.min(TEXTS_MAX)) - 1)).count_ones();
            let wins = |one: usize, other: usize| {
                let (mine, its) = (connection(one), connection(other));
                mine < its || mine == its && one > other
            };
            let without = |text: usize| {
                let winners = (0..lines.len()).filter(|other| wins(*other, text));
                winners.map(|other| lines[other]).max().unwrap_or(0)
            };
            (0..lines.len()).map(without).collect()
        }))
    }

    /// Returns the text as it should be served without its first lines.
    fn served(&self, part: &Part<'_>, without: u32) -> Result<String, String> {
        let Part { app, serial, .. } = *part;
        if app >= neighbours::FIRST {
            let served = neighbours::served(app, serial, self.format);
            return served.ok_or_else(|| format!("a text of neighbour {app} is served"));
        }
        let shape = (self.shape_of)(app, serial);
        let shape = shape.ok_or_else(|| format!("app-{app} never gave its text {serial}"))?;
        let mut served = text::served(app, serial, shape, without);
        // The client has converted it, and the proxy passes it on unchanged.
        if self.format.is_version_1 && !served.ends_with(text::COMMENTS) && without >= shape.lines {
            served.push_str(text::COMMENTS);
        }
        Ok(served)
    }

    /// Returns what is left of each text if all of its samples are left out.
    fn comments(&self, parts: &[Part<'_>]) -> Vec<String> {
        let texts = parts.iter().filter_map(|part| self.served(part, 0).ok());
        texts.map(|text| comments(&text)).filter(|comments| !comments.is_empty()).collect()
    }
}

/// Splits an answer where texts begin.
fn cut(body: &str) -> Result<Vec<&str>, String> {
    let mut begins = Vec::new();
    let (mut at, mut before) = (0, "");
    for line in body.split_inclusive('\n') {
        let is_typed = before.starts_with(TYPE);
        if line.starts_with(TYPE) || line.starts_with(text::HEAD) && !is_typed {
            begins.push(at);
        }
        at += line.len();
        before = line;
    }
    if begins.first().is_none_or(|first| *first > 0) && !body.is_empty() {
        return Err(format!("no text begins with {:?}", &body[..floor(body, 80)]));
    }
    begins.push(body.len());
    Ok(begins.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect())
}

/// Whether this is all that is left of repeated texts whose samples are all left out, such as a push that was sent again because its acknowledgement
/// was lost.
fn is_of_copies(mut rest: &str, copies: &[String]) -> bool {
    while !rest.is_empty() {
        let after = copies.iter().filter_map(|comments| rest.strip_prefix(&**comments));
        let Some(after) = after.min_by_key(|after| after.len()) else { return false };
        rest = after;
    }
    true
}

fn parts_of<'a>(
    parts: &'a [Part<'a>],
    served: &'a [(usize, String)],
) -> Vec<(&'a Part<'a>, &'a str)> {
    served.iter().map(|(index, text)| (&parts[*index], &**text)).collect()
}

/// The most texts of one application in an answer.
const TEXTS_MAX: usize = 12;
const TYPE: &str = "# TYPE sim_text ";
