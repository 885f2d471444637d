//! Pushes that are held only once they are stored.

use super::*;

fn storing() -> World {
    World::new(Config { stores_pushes: true, ..Config::default() })
}

impl World {
    fn stores(&mut self) -> Vec<StoreCommand> {
        std::iter::from_fn(|| self.collector.poll_store()).collect()
    }

    /// The only push that is to be stored.
    fn keep(&mut self) -> (StoreId, PushRecord) {
        let mut commands = self.stores();
        match (commands.pop(), commands.is_empty()) {
            (Some(StoreCommand::Keep { id, record, .. }), true) => (id, record),
            other => panic!("{other:?}"),
        }
    }

    fn stored(&mut self, id: StoreId, result: Result<(), &str>) {
        self.collector.handle_stored(self.now, id, result.map_err(str::to_owned));
        self.run();
    }

    /// Pushes as a new application. Returns its connection and the push to be stored.
    fn push_as(&mut self, name: &str, text: &'static str) -> (ConnectionId, StoreId, PushRecord) {
        let app = self.connect_as(name);
        self.push(app, text);
        self.work();
        let (id, record) = self.keep();
        (app, id, record)
    }

    fn restore(&mut self, record: PushRecord) -> Result<StoreId, PushError> {
        let (open, policy) = (OpenLimits::default(), Arc::default());
        let keys = &NoKeys;
        let tools = Tools { keys, open: &open, policy: &policy, inject: Inject::Missing, seed: 1 };
        let restored = record.read(&tools).unwrap();
        let expires = self.now + Duration::from_secs(60);
        self.collector.restore_push(self.now, restored, expires)
    }
}

#[test]
fn a_push_is_acknowledged_and_served_only_once_it_is_stored() {
    let mut world = storing();
    let (app, id, record) = world.push_as("a", "last 9\n");
    assert_eq!((record.labels, record.is_said), (labels(&[("instance", "a")]), true));
    assert_eq!(envelope::expand(&record.block, 99).unwrap(), "last 9\n");
    assert!(world.peer(app).outcomes.is_empty());
    assert_eq!((world.collector.held_pushes(), world.collector.opening_pushes()), (0, 1));
    world.cut(app);
    let scrape = world.start();
    assert!(matches!(world.collector.poll_scrape(scrape), Progress::Pending), "it is waited for");
    world.stored(id, Ok(()));
    assert_eq!(world.take(scrape).0, [served("a", "last 9\n")]);
    assert_eq!(world.collector.held_pushes(), 1);
    assert!(world.stores().is_empty(), "it stays on the disk");
    world.advance(Duration::from_secs(3600));
    assert_eq!(world.stores(), [StoreCommand::Forget { id }]);
}

#[test]
fn what_cannot_be_stored_is_refused_with_the_reason() {
    let mut world = storing();
    let (app, id, _) = world.push_as("a", "last 9\n");
    world.stored(id, Err("no space left on device"));
    let [Event::RequestFailed { error, .. }] = &world.peer(app).outcomes[..] else { panic!() };
    assert!(error.to_string().contains("no space left on device"), "{error}");
    assert_eq!((world.collector.held_pushes(), world.collector.opening_pushes()), (0, 0));
    assert!(world.stores().is_empty());
    // A second result is ignored.
    world.stored(id, Ok(()));
    assert_eq!(world.collector.held_pushes(), 0);
}

#[test]
fn what_is_stored_and_not_held_is_forgotten() {
    let mut world = storing();
    let (app, first, _) = world.push_as("a", "x 1\n");
    // The same push again, while the first one is being written.
    world.push(app, "x 1\n");
    world.work();
    let (again, _) = world.keep();
    world.stored(first, Ok(()));
    world.stored(again, Ok(()));
    assert_eq!(world.stores(), [StoreCommand::Forget { id: again }]);
    assert_eq!(world.peer(app).outcomes.len(), 2, "both are acknowledged");
    // Once it is held, it is not written again.
    world.push(app, "x 1\n");
    world.work();
    assert!(world.stores().is_empty());
    assert_eq!(world.peer(app).outcomes.len(), 3);
    // A later push replaces it.
    world.push(app, "x 2\n");
    world.work();
    let (later, _) = world.keep();
    world.stored(later, Ok(()));
    assert_eq!(world.stores(), [StoreCommand::Forget { id: first }]);
}

#[test]
fn a_restored_push_is_served_and_known_if_it_comes_again() {
    let mut world = storing();
    let (_, _, named) = world.push_as("a", "last 9\n");
    let unnamed =
        PushRecord { labels: Labels::default(), is_said: false, is_proven: false, ..named.clone() };
    let mut world = storing();
    let id = world.restore(named).unwrap();
    let other = world.restore(PushRecord { digest: [1; 32], ..unnamed }).unwrap();
    assert_eq!(world.collector.held_pushes(), 2);
    let scrape = world.start();
    assert_eq!(world.take(scrape).0, [served("a", "last 9\n"), served("connection-2", "last 9\n")]);
    world.collector.end_scrape(scrape, true);
    let scrape = world.start();
    assert_eq!(world.take(scrape).0, [failed("a", "gone")], "nobody comes back as a connection");
    world.collector.end_scrape(scrape, true);
    // The application has missed the acknowledgement, and returns to its entry.
    let app = world.connect_as("a");
    world.push(app, "last 9\n");
    world.work();
    assert!(matches!(world.peer(app).outcomes[..], [Event::Response { .. }]));
    assert!(world.stores().is_empty());
    assert!(world.collector.app_at("a").is_some_and(App::is_up));
    world.advance(Duration::from_secs(60));
    assert_eq!(world.stores(), [StoreCommand::Forget { id }, StoreCommand::Forget { id: other }]);
    world.advance(Config::default().grace);
    assert_eq!(world.collector.entries(), 1);
}

#[test]
fn what_is_restored_keeps_to_the_limits() {
    let mut world = storing();
    let (_, _, record) = world.push_as("a", "last 9\n");
    let config = Config { stores_pushes: true, max_pushes: 1, ..Config::default() };
    let mut world = World::new(config);
    assert!(world.restore(record.clone()).is_ok());
    let other = PushRecord { labels: labels(&[("instance", "b")]), digest: [1; 32], ..record };
    assert_eq!(world.restore(other), Err(PushError::TooMany { limit: 1 }));
    assert!(world.stores().is_empty(), "it stays where it is");
}
