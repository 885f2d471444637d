//! Bad applications, which visit for a time. Whatever they do, it must not affect the others.

mod flood;
mod raw;
#[cfg(test)]
mod tests;

use crate::body::BodyFormat;
use crate::scenario::RSOCKET_PORT;
use crate::text::HEAD;
use crate::world::World;
use fastrand::Rng;
use prometheus_rsocket_client::{Client, Labels, MetricsError, PushMode, from_async};
use prometheus_rsocket_runtime::Runtime;
use prometheus_rsocket_sim::{LinkConfig, Sim, SimHost};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What is bad about an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bad {
    /// Answers with bytes that are not UTF-8.
    NotUtf8,
    /// Answers with a short block that claims to be long.
    Bomb,
    /// Has all of its series twice.
    Duplicates,
    /// Its answers arrive extremely slowly.
    Drip,
    /// Answers without metrics.
    Empty,
    /// Has thousands of labels.
    EndlessLabels,
    /// Pushes long texts without a pause.
    FloodBig,
    /// Pushes without a pause what cannot be opened, and answers without metrics.
    FloodBroken,
    /// Pushes short texts without a pause.
    FloodSmall,
    /// Likewise, and requests acknowledgements, but waits for none.
    FloodWaiting,
    /// Answers as if it had not received a key.
    KeyIgnored,
    /// Never answers.
    Hung,
    /// Connects and disconnects in a loop.
    Loop,
    Nul,
    OpenMetrics,
    Oversize,
    /// Claims the identity of another neighbour.
    Pair,
    PairToo,
    PushAndVanish,
    QuotedNames,
    /// Uses names that are the proxy's.
    Reserved,
    /// Its connection breaks in the middle of each answer.
    ResetMidFrame,
    StrayEscapes,
    /// Answers under a key that nobody knows.
    WrongKey,
}

const ALL: [Bad; 24] = [
    Bad::NotUtf8,
    Bad::Bomb,
    Bad::Duplicates,
    Bad::Drip,
    Bad::Empty,
    Bad::EndlessLabels,
    Bad::FloodBig,
    Bad::FloodBroken,
    Bad::FloodSmall,
    Bad::FloodWaiting,
    Bad::KeyIgnored,
    Bad::Hung,
    Bad::Loop,
    Bad::Nul,
    Bad::OpenMetrics,
    Bad::Oversize,
    Bad::Pair,
    Bad::PairToo,
    Bad::PushAndVanish,
    Bad::QuotedNames,
    Bad::Reserved,
    Bad::ResetMidFrame,
    Bad::StrayEscapes,
    Bad::WrongKey,
];

/// The number of kinds.
pub(crate) const COUNT: usize = ALL.len();

/// The number of the first neighbour in the numbering of applications.
pub(crate) const FIRST: usize = 1000;

/// One host for each kind.
pub(crate) fn hosts(sim: &Sim) -> Vec<SimHost> {
    let host = |bad: &Bad| {
        let host = sim.host(&format!("bad-{bad:?}"));
        let mut link = LinkConfig::default();
        link.bandwidth = match bad {
            Bad::Drip => Some(150),
            Bad::FloodBig => Some(1_000_000),
            Bad::FloodBroken | Bad::FloodSmall | Bad::FloodWaiting => Some(100_000),
            Bad::ResetMidFrame => Some(200_000),
            _ => None,
        };
        sim.set_link(&host, link);
        host
    };
    ALL.iter().map(host).collect()
}

/// One of them moves in, unless it is there already, and later leaves without closing.
pub(crate) fn visit(world: &Arc<World>, mut rng: Rng) {
    let kind = rng.usize(..ALL.len());
    let (bad, host) = (ALL[kind], world.neighbours[kind].clone());
    if world.sim.tasks(&host) > 0 {
        return;
    }
    let time = Duration::from_millis(rng.u64(2_000..20_000));
    world.count(match bad {
        Bad::NotUtf8 | Bad::Bomb | Bad::KeyIgnored | Bad::WrongKey => "neighbours with bad bytes",
        Bad::FloodBig | Bad::FloodBroken | Bad::FloodSmall | Bad::FloodWaiting => {
            "neighbours that push without pause"
        }
        Bad::Hung | Bad::Drip | Bad::Empty => "neighbours that do not answer",
        Bad::Loop | Bad::PushAndVanish | Bad::ResetMidFrame => "neighbours that come and go",
        Bad::Nul | Bad::Oversize | Bad::Reserved => "neighbours with refused texts",
        Bad::Duplicates | Bad::EndlessLabels | Bad::OpenMetrics => "neighbours with strange texts",
        Bad::Pair | Bad::PairToo | Bad::QuotedNames | Bad::StrayEscapes => {
            "neighbours with strange names"
        }
    });
    let now = world.now();
    // The proxy may have to wait for them, and may take a while to notice that they have gone.
    world.ledger().mutes.add(now, now + time + world.terms.dead_within());
    let life = Arc::clone(world);
    match bad {
        Bad::NotUtf8
        | Bad::Bomb
        | Bad::Empty
        | Bad::FloodBig
        | Bad::FloodBroken
        | Bad::FloodSmall
        | Bad::FloodWaiting
        | Bad::KeyIgnored
        | Bad::Loop
        | Bad::ResetMidFrame
        | Bad::WrongKey => {
            let at = host.clone();
            host.spawn(async move { raw::live(&life, &at, bad, FIRST + kind, rng).await });
        }
        _ => live(&life, &host, bad, kind, now),
    }
    let world = Arc::clone(world);
    world.driver.clone().spawn(async move {
        world.sleep(&world.driver, time).await;
        world.sim.crash(&host);
    });
}

/// Lives as a client whose texts are bad.
fn live(world: &Arc<World>, host: &SimHost, bad: Bad, kind: usize, now: Duration) {
    let mut config = world.terms.client(PushMode::FireAndForget, None);
    config.labels = says(bad);
    // No text of another visit has the same number.
    let serial = AtomicUsize::new(now.as_millis() as usize);
    let metrics = move || {
        let text = given(bad, FIRST + kind, serial.fetch_add(1, Ordering::Relaxed));
        async move {
            match bad {
                Bad::Hung => pending().await,
                _ => Ok::<_, MetricsError>(text),
            }
        }
    };
    let (client, running): (Client, _) = Client::new(host.clone(), config, from_async(metrics));
    host.spawn(running);
    let (world, host) = (Arc::clone(world), host.clone());
    host.clone().spawn(async move {
        if bad == Bad::PushAndVanish {
            let _ = client.wait_ready(Duration::from_secs(2)).await;
            // It does not wait until anything has arrived.
            let _ = client.push_and_close().await;
        } else {
            // As long as the host lasts.
            world.sleep(&host, Duration::from_secs(3600)).await;
        }
    });
}

/// Returns the labels that a client of this kind declares.
fn says(bad: Bad) -> Labels {
    let instance = match bad {
        Bad::Pair | Bad::PairToo => Some("pair".to_owned()),
        Bad::Drip | Bad::Nul | Bad::QuotedNames => None,
        _ => Some(format!("bad-{bad:?}")),
    };
    Labels::new(instance.map(|instance| ("instance", instance))).expect("a label")
}

/// Returns the text of a client of this kind.
fn given(bad: Bad, app: usize, serial: usize) -> String {
    let head = format!("{HEAD}{app}\",serial=\"{serial}\"}} 1\n");
    let own = format!("app=\"{app}\",serial=\"{serial}\"");
    match bad {
        Bad::Drip => head + &format!("# {}\n", "drip ".repeat(1_000)),
        Bad::Duplicates => head + &format!("bad{{{own}}} 1\n").repeat(2),
        Bad::EndlessLabels => {
            let labels: String = (0..3_000).map(|label| format!(",l{label}=\"x\"")).collect();
            format!("{head}bad{{{own}{labels}}} 1\n")
        }
        Bad::Nul => head + "bad\0 1\n",
        Bad::OpenMetrics => format!(
            "# TYPE sim_text gauge\n{head}# TYPE bad_events counter\nbad_events_total{{{own}}} 1.0 1000.5 # {{t=\"1\"}} 1.0\n# EOF\n"
        ),
        Bad::Oversize => crate::text::oversized(app, serial),
        Bad::QuotedNames => format!("{head}{{\"bad.name\",{own},\"a.b\"=\"c\"}} 1\n"),
        Bad::Reserved => head + "prometheus_proxy_app_up 1\n",
        Bad::StrayEscapes => format!("{head}bad{{{own},path=\"C:\\dir\"}} 1\n"),
        _ => format!("{head}bad{{{own}}} 1\n"),
    }
}

/// Returns what of it should be in an answer, if anything.
pub(crate) fn served(app: usize, serial: usize, format: BodyFormat) -> Option<String> {
    let bad = *ALL.get(app.checked_sub(FIRST)?)?;
    let instance = match bad {
        Bad::Pair | Bad::PairToo => ",instance=\"pair\"".to_owned(),
        Bad::NotUtf8 | Bad::Bomb | Bad::Nul | Bad::Oversize | Bad::WrongKey => return None,
        Bad::Drip
        | Bad::FloodBig
        | Bad::FloodBroken
        | Bad::FloodSmall
        | Bad::FloodWaiting
        | Bad::KeyIgnored
        | Bad::QuotedNames
        | Bad::ResetMidFrame => String::new(),
        _ => format!(",instance=\"bad-{bad:?}\""),
    };
    let head = format!("{HEAD}{app}\",serial=\"{serial}\"{instance}}} 1\n");
    let own = format!("app=\"{app}\",serial=\"{serial}\"");
    Some(match bad {
        Bad::Drip => head + &format!("# {}\n", "drip ".repeat(1_000)),
        Bad::Duplicates => {
            // A repeated series counts once if families are grouped.
            let times = if format.grouped { 1 } else { 2 };
            head + &format!("bad{{{own}{instance}}} 1\n").repeat(times)
        }
        Bad::EndlessLabels => {
            let labels: String = (0..3_000).map(|label| format!(",l{label}=\"x\"")).collect();
            format!("{head}bad{{{own}{labels}{instance}}} 1\n")
        }
        Bad::FloodBig => head + &flood::comment(),
        Bad::FloodSmall
        | Bad::FloodWaiting
        | Bad::KeyIgnored
        | Bad::Reserved
        | Bad::ResetMidFrame => head,
        Bad::OpenMetrics => {
            let (time, exemplar) = match (format.open_metrics, format.is_version_1) {
                (true, false) => ("1000.5", " # {t=\"1\"} 1.0"),
                (true, true) => ("1000.500", ""),
                (false, _) => ("1000500", ""),
            };
            let series = format!("bad_events_total{{{own}{instance}}} 1.0 {time}{exemplar}");
            format!("# TYPE sim_text gauge\n{head}# TYPE bad_events_total counter\n{series}\n")
        }
        Bad::QuotedNames => format!("{head}bad_name{{{own},a_b=\"c\"}} 1\n"),
        Bad::StrayEscapes => format!("{head}bad{{{own},path=\"C:\\\\dir\"{instance}}} 1\n"),
        _ => format!("{head}bad{{{own}{instance}}} 1\n"),
    })
}

/// The port to which all of them connect.
const PORT: u16 = RSOCKET_PORT;
