//! Corpora and regressions, as they are on disk.

use crate::targets::Target;
use std::path::{Path, PathBuf};
use std::{env, fs, io, thread};

/// Where the directories of a kind (`corpus`, `regressions`) are, one for each target.
pub fn directory(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(kind)
}

/// What is in a directory, by name.
///
/// # Errors
///
/// If it cannot be read.
pub fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Runs a target on a file, whose name is printed if it fails.
///
/// # Errors
///
/// If it cannot be read.
pub fn run(target: Target, file: &Path) -> io::Result<()> {
    let input = fs::read(file)?;
    let _name = Name(file);
    target(&input);
    Ok(())
}

/// Runs a target on the files that the program was given.
///
/// # Errors
///
/// If one cannot be read.
pub fn run_arguments(target: Target) -> io::Result<()> {
    env::args_os().skip(1).try_for_each(|file| run(target, Path::new(&file)))
}

struct Name<'a>(&'a Path);

impl Drop for Name<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the input was {}", self.0.display());
        }
    }
}
