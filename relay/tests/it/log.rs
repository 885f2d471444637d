use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr};

/// What a program logs.
pub(crate) struct Log(Lines<BufReader<ChildStderr>>);

impl Log {
    pub(crate) fn of(child: &mut Child) -> Self {
        Self(BufReader::new(child.stderr.take().unwrap()).lines())
    }

    /// Reads on until a line that has this, and returns it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        let mut before = Vec::new();
        for line in self.0.by_ref() {
            let line = line.unwrap();
            if line.contains(part) {
                return line;
            }
            before.push(line);
        }
        panic!("no line has {part:?}: {before:#?}");
    }
}
