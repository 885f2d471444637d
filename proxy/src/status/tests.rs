mod pages;
mod query;
mod selecting;

use super::*;
use prometheus_rsocket_protocol::collector::{
    App, Collector, Config, ConnectionId, Peer, Progress, Scraper, SessionCommand, SessionEvent,
    Targets, Transport,
};
use prometheus_rsocket_protocol::hello::Hello;
use prometheus_rsocket_protocol::{Labels, Payload};
use std::time::{Duration, Instant, SystemTime};

/// A collector whose applications and scrapes the test makes, without sessions.
struct World {
    now: Instant,
    collector: Collector,
    history: History,
}

impl World {
    fn new() -> Self {
        let history = History::default();
        Self { now: Instant::now(), collector: Collector::new(Config::default()), history }
    }

    fn connect(&mut self, instance: &str) -> ConnectionId {
        let labels = Labels::new([("application", "shop"), ("instance", instance)]).unwrap();
        let hello = Hello::new(labels, "shop/1");
        self.connect_with(hello, format!("192.0.2.7:{}", self.collector.connections() + 1000))
    }

    fn connect_with(&mut self, hello: Hello, address: String) -> ConnectionId {
        let peer = Peer { address, transport: Transport::Tcp, tls: None };
        let id = self.collector.accept(self.now, peer).unwrap();
        let event = SessionEvent::Connected { hello: Ok(hello), token: Ok(None) };
        self.collector.handle_session(self.now, id, event);
        id
    }

    fn close(&mut self, id: ConnectionId) {
        self.collector.remove(self.now, id);
        while let Some(notice) = self.collector.poll_notice() {
            self.history.on_notice(self.now, &notice);
        }
    }

    fn advance(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.collector.handle_timeout(self.now);
    }

    /// A scrape that nobody answers in time.
    fn scrape_in_vain(&mut self) {
        let (deadline, scraper) = (self.now + Duration::from_secs(1), Scraper::named("a", "x"));
        let scrape =
            self.collector.start_scrape(self.now, deadline, Targets::All, &scraper).unwrap();
        self.advance(1);
        self.collector.end_scrape(scrape, false);
    }

    /// A scrape to which this one answers without metrics, and the others not.
    fn scrape_answered_empty_by(&mut self, id: ConnectionId) {
        let (deadline, scraper) = (self.now + Duration::from_secs(1), Scraper::named("a", "x"));
        let scrape =
            self.collector.start_scrape(self.now, deadline, Targets::All, &scraper).unwrap();
        while let Some((to, command)) = self.collector.poll_command() {
            if let SessionCommand::Scrape { request, .. } = command
                && to == id
            {
                let (payload, binding) = (None::<Payload>, None);
                let event = SessionEvent::Answered { request, payload, binding };
                self.collector.handle_session(self.now, id, event);
            }
        }
        self.collector.end_scrape(scrape, false);
    }

    fn apps(&self) -> Vec<App> {
        self.collector.apps().cloned().collect()
    }

    fn overview(&self, query: &str) -> Overview {
        let seen = Seen {
            apps: self.apps(),
            pushes: self.collector.held(self.now, None).take(MAX_PUSHES).collect(),
            missed_pushes: self.collector.missed_pushes(self.now),
            scrapers: Vec::new(),
            limits: SeenLimits::default(),
        };
        let around = Around { time: Some(SystemTime::UNIX_EPOCH), ..Around::default() };
        overview(seen, around, &self.history, &Query::parse(query).unwrap(), self.now)
    }

    fn ids(&self, query: &str) -> Vec<String> {
        self.overview(query).applications.into_iter().map(|app| app.id).collect()
    }
}
