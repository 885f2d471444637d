//! What happens at the other proxies when one goes, with all of its applications.

use super::Fleet;
use super::course::{begin, stop};
use super::world::World;
use crate::scenario::RSOCKET_PORT;
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_sim::{Sim, Strike};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How a proxy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Its process is killed: the connections of all applications end immediately.
    Killed,
    /// Its machine is lost: nobody is told.
    Lost,
    /// It is told to stop, and closes its applications' connections over `drain_spread`.
    Stopped,
}

/// The outcome of a stampede.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stampede {
    /// How many applications the proxy had.
    pub apps: usize,
    /// The most connection attempts in one second, at all proxies together.
    pub most_in_a_second: u64,
    /// All connection attempts.
    pub attempts: u64,
    /// How long it took until all were connected again; `None` if they were not within ten minutes.
    pub connected_after: Option<Duration>,
}

/// Makes one of the proxies go when all applications are connected, and counts connection attempts. `prepare` receives the world before anything
/// happens in it.
pub fn stampede(fleet: &Fleet, gone: Gone, prepare: impl FnOnce(&Sim)) -> Stampede {
    let world = World::new(fleet.clone());
    prepare(&world.sim);
    let result = Arc::new(Mutex::new(Stampede::default()));
    let (running, slot) = (Arc::clone(&world), Arc::clone(&result));
    world.sim.block_on(async move {
        let found = watch(&running, gone).await;
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = found;
    });
    world.dissolve();
    result.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn watch(world: &Arc<World>, gone: Gone) -> Stampede {
    begin(world).await;
    // Long enough for connections to count as stable.
    world.sleep(Duration::from_secs(30)).await;
    let host = world.hosts()[0].clone();
    let apps: Vec<_> = world.apps().iter().map(|app| app.host.clone()).collect();
    let is_there = |app: &&_| world.sim.reached(app).is_some_and(|at| at.name() == host.name());
    let count = apps.iter().filter(is_there).count();
    match gone {
        Gone::Killed => {
            world.sim.crash(&host);
            world.on_stopped(0);
        }
        Gone::Lost => {
            world.sim.isolate(&host, true);
            world.sim.strike(&host, Strike::Cut);
        }
        Gone::Stopped => {
            let stopping = Arc::clone(world);
            world.driver.spawn(async move { stop(&stopping, 0).await });
        }
    }
    let begin = world.now();
    let asked =
        || -> u64 { world.hosts().iter().map(|host| world.sim.asked(host, RSOCKET_PORT)).sum() };
    let mut history = vec![asked()];
    let mut connected_after = None;
    // An application that has not noticed yet counts as connected to a proxy that no longer exists.
    let mut is_moved = false;
    while world.now() < begin + WATCHED && !(is_moved && connected_after.is_some()) {
        world.sleep(STEP).await;
        history.push(asked());
        is_moved = apps.iter().filter(is_there).count() == 0;
        let all = world.apps().iter().all(super::app::App::is_ready);
        if !all || !is_moved {
            connected_after = None;
        } else if connected_after.is_none() {
            connected_after = Some(world.now() - begin);
        }
    }
    let in_a_second = history.windows(STEPS + 1).map(|window| window[STEPS] - window[0]);
    Stampede {
        apps: count,
        most_in_a_second: in_a_second.max().unwrap_or(0),
        attempts: history.last().unwrap_or(&0) - history[0],
        connected_after,
    }
}

impl fmt::Display for Stampede {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { apps, most_in_a_second, attempts, connected_after } = self;
        write!(
            f,
            "{apps} applications, {attempts} attempts, {most_in_a_second} in a second at most, "
        )?;
        match connected_after {
            Some(after) => write!(f, "all connected after {:.1} s", after.as_secs_f64()),
            None => f.write_str("not all connected after ten minutes"),
        }
    }
}

/// How long the stampede is watched at most.
const WATCHED: Duration = Duration::from_secs(600);
const STEP: Duration = Duration::from_millis(100);
/// In one second.
const STEPS: usize = 10;
