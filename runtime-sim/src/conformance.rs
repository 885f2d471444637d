//! The simulator under the suite that every leaf must pass.

use crate::{LinkConfig, Sim, SimHost};
use prometheus_rsocket_runtime::conformance::Leaf;
use std::future::Future;
use std::time::Duration;

/// One host that connects to itself.
struct Simulated;

impl Leaf for Simulated {
    type Runtime = SimHost;
    const LATENESS: Option<Duration> = Some(Duration::ZERO);
    const THREADS: usize = 1;
    const JOBS_MAY_BLOCK: bool = false;
    const UNIX_SOCKETS: bool = false;

    fn run<T, F>(main: impl FnOnce(SimHost) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        run(1, LinkConfig::default(), main)
    }
}

/// The same, with links that move bytes in pieces.
struct Shaken;

impl Leaf for Shaken {
    type Runtime = SimHost;
    const LATENESS: Option<Duration> = Some(Duration::ZERO);
    const THREADS: usize = 1;
    const JOBS_MAY_BLOCK: bool = false;
    const UNIX_SOCKETS: bool = false;

    fn run<T, F>(main: impl FnOnce(SimHost) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        run(2, LinkConfig { pieces: true, ..LinkConfig::default() }, main)
    }
}

fn run<T, F>(seed: u64, link: LinkConfig, main: impl FnOnce(SimHost) -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let sim = Sim::new(seed);
    let host = sim.host("host");
    sim.set_link(&host, link);
    sim.block_on(main(host))
}

mod simulated {
    use super::Simulated;

    prometheus_rsocket_runtime::conformance_suite!(Simulated);
}

mod shaken {
    use super::Shaken;

    prometheus_rsocket_runtime::conformance_suite!(Shaken: connections, sockets);
}
