//! Writes the seeds into the corpora, each under a name made of what it is.

use prometheus_rsocket_fuzz::files::directory;
use prometheus_rsocket_fuzz::seeds::seeds;
use std::{fs, io};

fn main() -> io::Result<()> {
    for (number, seed) in seeds().iter().enumerate() {
        let directory = directory("corpus").join(seed.target);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(format!("seed-{number:04}")), &seed.bytes)?;
    }
    Ok(())
}
