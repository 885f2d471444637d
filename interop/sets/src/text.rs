//! Texts of applications: families in either format, with as many oddities as the dice want.

use crate::dice::Dice;
use crate::tokens;

/// What distinguishes OpenMetrics from the text format.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Text,
    Open,
}

/// The text of one application. `identity` is a label that most of its samples have.
pub(crate) fn text(dice: &mut Dice, style: Style, identity: &str) -> Vec<u8> {
    let mut writer =
        Writer { style, identity: identity.to_owned(), lines: Vec::new(), value: None };
    let mut used: Vec<&str> = Vec::new();
    for _ in 0..dice.below(5) {
        let name = family_name(dice);
        // Only what is odd has a family twice.
        if dice.odd() || !used.contains(&name) {
            used.push(name);
            writer.family(dice, name);
        }
    }
    writer.disturb(dice);
    writer.finish(dice)
}

fn family_name(dice: &mut Dice) -> &'static str {
    if dice.odd() {
        return if dice.once_in(4) {
            dice.pick(tokens::BAD_QUOTED_NAMES)
        } else {
            dice.pick(tokens::ODD_NAMES)
        };
    }
    if dice.once_in(8) { dice.pick(tokens::QUOTED_NAMES) } else { dice.pick(tokens::NAMES) }
}

struct Writer {
    style: Style,
    identity: String,
    lines: Vec<String>,
    /// The value of the next sample, if it shall make sense with those of others.
    value: Option<usize>,
}

impl Writer {
    fn family(&mut self, dice: &mut Dice, name: &str) {
        let usual = if self.style == Style::Open { tokens::OPEN_KINDS } else { tokens::KINDS };
        let kind = dice.pick_or_odd(usual, tokens::ODD_KINDS);
        let start = self.lines.len();
        if !dice.once_in(4) {
            self.lines.push(format!(
                "# HELP {name} {}",
                dice.pick_or_odd(tokens::HELP, tokens::ODD_HELP)
            ));
        }
        let typed = !dice.once_in(5);
        if typed {
            self.lines.push(format!("# TYPE {name} {kind}"));
        }
        if self.style == Style::Open && dice.once_in(6) {
            self.lines
                .push(format!("# UNIT {name} {}", name.rsplit('_').next().unwrap_or_default()));
        }
        if dice.once_in(3) && start + 1 < self.lines.len() {
            self.lines.swap(start, start + 1);
        }
        // OpenMetrics takes a family without a type for one of unknown type.
        let kind = if typed { kind } else { "unknown" };
        for _ in 0..=dice.below(2) {
            self.metric(dice, name, kind);
        }
    }

    /// All samples with one set of labels.
    fn metric(&mut self, dice: &mut Dice, name: &str, kind: &str) {
        let labels = self.labels(dice);
        // Mostly values that make sense together.
        let first = (!dice.once_in(4)).then(|| dice.below(4));
        self.value = first;
        match kind {
            "counter" => {
                let is_usual = self.style == Style::Open && !dice.odd();
                let suffix = if is_usual || dice.once_in(3) { "_total" } else { "" };
                self.sample(dice, name, suffix, &labels, "");
                if self.style == Style::Open && dice.once_in(4) {
                    self.sample(dice, name, "_created", &labels, "");
                }
            }
            "histogram" | "gaugehistogram" => {
                let is_usual = kind == "histogram" || dice.odd();
                let (sum, count) = if is_usual { ("_sum", "_count") } else { ("_gsum", "_gcount") };
                for (number, bound) in ["0.1", "1", "+Inf"].into_iter().enumerate() {
                    if !dice.odd() {
                        self.value = first.map(|first| first + number);
                        self.sample(dice, name, "_bucket", &labels, &format!("le=\"{bound}\""));
                    }
                }
                self.sample(dice, name, sum, &labels, "");
                self.sample(dice, name, count, &labels, "");
            }
            "summary" => {
                self.sample(dice, name, "", &labels, "quantile=\"0.5\"");
                self.sample(dice, name, "_sum", &labels, "");
                self.sample(dice, name, "_count", &labels, "");
            }
            "info" => {
                self.value = first.map(|_| 1);
                self.sample(dice, name, "_info", &labels, "");
            }
            "stateset" => {
                let label = name.trim_matches('"').to_owned();
                for (number, state) in ["on", "off"].into_iter().enumerate() {
                    self.value = first.map(|_| number);
                    self.sample(dice, name, "", &labels, &format!("{label}=\"{state}\""));
                }
            }
            _ => self.sample(dice, name, "", &labels, ""),
        }
    }

    fn labels(&self, dice: &mut Dice) -> Vec<String> {
        let mut labels = Vec::new();
        if !dice.once_in(5) {
            labels.push(format!("app=\"{}\"", self.identity));
        }
        let mut used = vec!["app"];
        for _ in 0..dice.below(4) {
            let name = dice.pick_or_odd(tokens::LABELS, tokens::ODD_LABELS);
            if used.contains(&name) && !dice.odd() {
                continue;
            }
            used.push(name);
            let value = if dice.odd() && dice.once_in(30) {
                "long".repeat(1 + dice.below(20_000))
            } else {
                dice.pick_or_odd(tokens::VALUES, tokens::ODD_VALUES).to_owned()
            };
            labels.push(format!("{name}=\"{value}\""));
        }
        labels
    }

    fn sample(
        &mut self,
        dice: &mut Dice,
        name: &str,
        suffix: &str,
        labels: &[String],
        extra: &str,
    ) {
        let mut inside: Vec<String> = labels.to_vec();
        if !extra.is_empty() {
            inside.insert(dice.below(inside.len() + 1), extra.to_owned());
        }
        let mut line = String::new();
        match name.strip_suffix('"').filter(|quoted| quoted.starts_with('"')) {
            // A quoted name stands among the labels, usually before them.
            Some(quoted) => {
                let place = if dice.odd() { dice.below(inside.len() + 1) } else { 0 };
                inside.insert(place, format!("{quoted}{suffix}\""));
            }
            None => line.push_str(&format!("{name}{suffix}")),
        }
        if !inside.is_empty() {
            let comma = dice.pick_or_odd(&[","], &[", ", " ,", "", " ", ",,", ";"]);
            let end = if self.style == Style::Text && dice.once_in(6) { "," } else { "" };
            line.push_str(&format!("{{{}{end}}}", inside.join(comma)));
        }
        line.push_str(dice.pick_or_odd(&[" "], &["", "  ", "\t", " \t", "\u{a0}", "\r"]));
        match self.value.filter(|_| !dice.odd()) {
            Some(value) => line.push_str(&value.to_string()),
            None => line.push_str(dice.pick_or_odd(tokens::NUMBERS, tokens::ODD_NUMBERS)),
        }
        self.time(dice, &mut line);
        let may_have_exemplar = self.value.is_none() || matches!(suffix, "_total" | "_bucket");
        if (self.style == Style::Open && may_have_exemplar && dice.once_in(6)) || dice.odd() {
            line.push_str(dice.pick_or_odd(
                &[" # {trace_id=\"x\"} 1", " # {} 1 1700000000.5", " # {a=\"ä\",b=\"\\n\"} 0.5"],
                &[
                    " # {",
                    " # 1",
                    " #",
                    " # {} ",
                    " # {x=\"\\d\"} 1",
                    "# {} 1",
                    " # {} 1 2 3",
                    " # {\"x.y\"=\"1\"} 1",
                ],
            ));
        }
        if dice.odd() {
            line.push_str(dice.pick(&[" ", "\r", "\t", " x", "\u{0}", " #"]));
        }
        self.lines.push(line);
    }

    fn time(&self, dice: &mut Dice, line: &mut String) {
        if dice.once_in(8) {
            line.push(' ');
            line.push_str(match self.style {
                Style::Text => dice.pick_or_odd(tokens::TIMES, tokens::ODD_TIMES),
                Style::Open => dice.pick_or_odd(tokens::SECONDS, tokens::ODD_SECONDS),
            });
        }
    }

    /// Lines out of place, twice, or such that are none.
    fn disturb(&mut self, dice: &mut Dice) {
        if self.style == Style::Text && dice.once_in(6) {
            self.lines
                .insert(dice.below(self.lines.len() + 1), dice.pick(tokens::COMMENTS).to_owned());
        }
        while dice.odd() {
            self.lines
                .insert(dice.below(self.lines.len() + 1), dice.pick(tokens::ODD_LINES).to_owned());
        }
        if dice.odd() && !self.lines.is_empty() {
            let (from, to) = (dice.below(self.lines.len()), dice.below(self.lines.len()));
            if dice.once_in(2) {
                self.lines.swap(from, to);
            } else {
                let line = self.lines[from].clone();
                self.lines.insert(to, line);
            }
        }
    }

    fn finish(mut self, dice: &mut Dice) -> Vec<u8> {
        if self.style == Style::Open && !dice.odd() {
            self.lines.push("# EOF".to_owned());
        }
        let mut text = self.lines.join(dice.pick_or_odd(&["\n"], &["\n", "\r\n", "\n\n", "\r"]));
        if !dice.odd() && !text.is_empty() {
            text.push('\n');
        }
        text.into_bytes()
    }
}
