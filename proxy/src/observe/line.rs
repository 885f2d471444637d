use std::fmt::{self, Display, Write};

/// A text as part of a log line. It may hold what a peer sent, so control characters are escaped, and its length has a bound.
pub(crate) struct Line<T>(pub(crate) T);

impl<T: Display> Display for Line<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaping = Escaping { out: f, room: MAX_CHARS };
        match write!(escaping, "{}", self.0) {
            Err(_) if escaping.room == 0 => escaping.out.write_str("…"),
            written => written,
        }
    }
}

/// Characters of a text of a peer's in one log line.
const MAX_CHARS: usize = 1024;

struct Escaping<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    room: usize,
}

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            // The error ends the writing of a text that has no room.
            self.room = self.room.checked_sub(1).ok_or(fmt::Error)?;
            // The separators of lines and paragraphs are no control characters, but break lines as well.
            if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') {
                write!(self.out, "{}", char.escape_default())?;
            } else {
                self.out.write_char(char)?;
            }
        }
        Ok(())
    }
}
