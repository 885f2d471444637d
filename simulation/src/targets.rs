//! A scraper that requests the list of targets, and then one application after the other, as with Prometheus' service discovery.

use crate::ledger::Of;
use crate::scraper::{Ask, Manner, Scraper};
use crate::world::{OF_TARGETS, World};
use fastrand::Rng;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Scrapes targets at intervals until the simulation is over.
pub(crate) async fn scrape_at_intervals(world: Arc<World>, interval: Duration, mut rng: Rng) {
    let mut scraper = Scraper::new(&world, OF_TARGETS);
    while !world.is_over() {
        let mut paths = scraper.list().await;
        rng.shuffle(&mut paths);
        for path in paths.into_iter().take(AT_A_TIME) {
            world.count("targets scraped");
            let ask =
                Ask { of: of(&world, &path), path: format!("{PATH}{path}"), ..draw(&mut rng) };
            scraper.scrape(ask, Manner::Prompt).await;
        }
        world.sleep(&world.scrapers[OF_TARGETS], interval).await;
    }
}

/// Returns the paths in a list of targets, without their common prefix.
pub(crate) fn paths(list: &[u8]) -> Result<Vec<String>, String> {
    let list: Vec<Value> = serde_json::from_slice(list).map_err(|error| error.to_string())?;
    let path = |group: &Value| {
        let labels = group.get("labels")?;
        let path = labels.get("__metrics_path__")?.as_str()?.strip_prefix(PATH)?.to_owned();
        let is_reached = group.get("targets")?.as_array()?.iter().eq([&Value::from("proxy")]);
        let instance = labels.get("instance")?.as_str()?;
        (is_reached && !instance.is_empty()).then_some(path)
    };
    let paths = list.iter().map(|group| path(group).ok_or_else(|| format!("a target is {group}")));
    paths.collect()
}

/// Returns the application that a path belongs to.
fn of(world: &World, path: &str) -> Of {
    let app = path.strip_prefix("app-").and_then(|app| app.parse().ok());
    let ledger = world.ledger();
    let has_name = |app: &usize| ledger.apps.get(*app).is_some_and(|record| record.has_name());
    app.filter(has_name).map_or(Of::Somebody, Of::One)
}

fn draw(rng: &mut Rng) -> Ask {
    Ask { gzip: rng.bool(), open_metrics: rng.u8(..4) == 0, ..Ask::default() }
}

const PATH: &str = "/metrics/app/";
/// How many targets are scraped before the list is requested again.
const AT_A_TIME: usize = 6;
