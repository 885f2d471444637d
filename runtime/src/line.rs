use std::fmt::{self, Display, Write};

/// A text as part of one log line: at most 200 bytes, ending in "…" if it was cut. Everything that is not printable is escaped:
/// control characters, including ESC; line and paragraph breaks; direction marks and other format characters; combining marks.
///
/// Every text that a peer may have chosen must be logged through this.
#[derive(Clone, Copy, Debug)]
pub struct Line<T>(pub T);

impl<T: Display> Display for Line<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaping = Escaping { out: f, room: MAX_BYTES, is_cut: false };
        match write!(escaping, "{}", self.0) {
            Err(_) if escaping.is_cut => escaping.out.write_char('…'),
            written => written,
        }
    }
}

/// The maximum number of bytes of one text in a log line, escapes included.
const MAX_BYTES: usize = 200;

struct Escaping<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    room: usize,
    is_cut: bool,
}

impl Escaping<'_, '_> {
    fn take(&mut self, bytes: usize) -> fmt::Result {
        // The error stops the formatting of a text that has used up its room.
        self.room = self.room.checked_sub(bytes).ok_or_else(|| {
            self.is_cut = true;
            fmt::Error
        })?;
        Ok(())
    }
}

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            if matches!(char, '"' | '\'' | '\\') {
                self.take(1)?;
                self.out.write_char(char)?;
            } else {
                let escaped = char.escape_debug();
                self.take(escaped.clone().map(char::len_utf8).sum())?;
                write!(self.out, "{escaped}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn what_is_not_printable_is_escaped() {
        let text = "a\u{1b}[2J\r\nb\u{2028}\u{2029}\u{202e}\u{200b}\u{feff}\u{9b}\0é\"\\";
        let escaped = r#"a\u{1b}[2J\r\nb\u{2028}\u{2029}\u{202e}\u{200b}\u{feff}\u{9b}\0é"\"#;
        assert_eq!(Line(text).to_string(), escaped);
    }

    #[test]
    fn two_hundred_bytes_are_the_most() {
        assert_eq!(Line("x".repeat(200)).to_string(), "x".repeat(200));
        assert_eq!(Line("x".repeat(201)).to_string(), format!("{}…", "x".repeat(200)));
        let long = "\u{1b}é".repeat(8 << 20);
        let line = Line(&long).to_string();
        assert!(line.len() <= 200 + '…'.len_utf8() && line.ends_with('…'), "{line}");
    }

    #[test]
    fn an_error_of_the_text_itself_is_no_cut() {
        struct Failing;
        impl std::fmt::Display for Failing {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                Err(std::fmt::Error)
            }
        }
        use std::fmt::Write;
        assert!(write!(String::new(), "{}", Line(Failing)).is_err());
    }
}
