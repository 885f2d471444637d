//! Which applications are admitted, and with which identity.

use super::*;
use crate::token::Token;

fn grant(id: u128, entry: &str, pairs: &[(&str, &str)], may_set: Option<&[&str]>) -> Grant {
    let may_set = may_set.map(|names| names.iter().map(|name| Box::from(*name)).collect());
    Grant { id: GrantId(id), entry: entry.into(), labels: labels(pairs), may_set }
}

fn world(grants: Vec<Grant>) -> World {
    let mut world = World::new(Config {
        admission: true,
        max_admissions: 3,
        key: "plaintext".into(),
        ..Config::default()
    });
    world.collector.set_grants(grants);
    world
}

fn said(pairs: &[(&str, &str)], token: Option<&str>) -> Setup {
    let mut setup = setup(&Hello::new(labels(pairs), "test/1"));
    if let Some(token) = token {
        let metadata = setup.payload.metadata.unwrap();
        setup.payload.metadata = Some(Token::new(token).unwrap().append_to(&metadata));
    }
    setup
}

impl World {
    fn admit(&mut self, id: ConnectionId, admitted: Result<Option<u128>, TurnedAway>) {
        let request = self.collector.poll_admission().unwrap();
        assert_eq!(request.connection, id);
        self.collector.handle_admission(id, admitted.map(|grant| grant.map(GrantId)));
        self.run();
    }

    /// Why the connection ended, as the application sees it.
    fn end(&mut self, id: ConnectionId) -> Option<(ErrorCode, String)> {
        self.peer(id).outcomes.iter().find_map(|event| match event {
            Event::Closed { reason: CloseReason::PeerError { code, message } } => {
                Some((*code, message.clone()))
            }
            _ => None,
        })
    }
}

#[test]
fn nothing_happens_before_an_application_is_admitted() {
    let mut world = world(vec![grant(1, "orders", &[("application", "orders")], None)]);
    let app = world.connect_with(said(&[("instance", "a")], Some("t0ken")));
    assert_eq!(world.peer(app).key, None);
    assert_eq!(world.app(app).state, AppState::Connecting);
    assert_eq!((world.collector.connected(), world.collector.waiting_admissions()), (0, 1));
    assert_eq!(world.scrape_in_vain(), []);
    world.push(app, "a 1\n");
    let error = PushError::NotAdmitted;
    assert!(world.has_notice(
        |notice| matches!(notice, Notice::PushRejected { error: it, .. } if *it == error)
    ));
    assert!(!world.collector.has_jobs());
    let request = world.collector.poll_admission().unwrap();
    assert_eq!(request.token, Ok(Some(Token::new("t0ken").unwrap())));
    assert_eq!((&*request.peer, request.connection), (&peer(), app));
    assert!(!world.collector.has_admissions());
    world.collector.handle_admission(app, Ok(Some(GrantId(1))));
    world.run();
    assert_eq!(world.peer(app).key.as_deref(), Some(&b"plaintext"[..]));
    let entry = world.app(app);
    assert_eq!((&*entry.path, entry.source.name()), ("orders~a", "credentials"));
    assert_eq!(entry.grant.as_ref().unwrap().entry, "orders".into());
    assert_eq!(world.collector.waiting_admissions(), 0);
}

#[test]
fn its_text_can_speak_for_nobody_else() {
    let mut world = world(vec![grant(1, "orders", &[("application", "orders")], Some(&[]))]);
    let app = world.connect_with(said(&[("application", "billing"), ("pod", "x")], None));
    world.admit(app, Ok(Some(1)));
    assert_eq!(world.app(app).labels, labels(&[("application", "orders")]));
    let scrape = world.start();
    world.answer(app, "a{application=\"billing\"} 1\n");
    world.work();
    let Progress::Outcome(outcome) = world.collector.poll_scrape(scrape) else {
        panic!("it was served")
    };
    let answer = outcome.result.unwrap();
    assert_eq!(answer.injected.inject(Inject::Never), Inject::Always);
    assert_eq!(answer.injected.labels, labels(&[("application", "orders")]));
}

#[test]
fn an_application_sets_the_labels_that_it_may() {
    let owned = [("application", "orders")];
    let hello = [("application", "billing"), ("instance", "a"), ("team", "x"), ("zone", "eu")];
    let of = |may_set: Option<&[&str]>| {
        let mut world = world(vec![
            grant(1, "orders", &owned, may_set),
            grant(2, "zone", &[("zone", "eu")], None),
        ]);
        let app = world.connect_with(said(&hello[..3], None));
        world.admit(app, Ok(Some(1)));
        world.app(app).labels.to_string()
    };
    assert_eq!(of(None), r#"{application="orders",instance="a",team="x"}"#);
    assert_eq!(of(Some(&[])), r#"{application="orders"}"#);
    assert_eq!(of(Some(&["instance", "application"])), r#"{application="orders",instance="a"}"#);
    // Declared labels that would form another grant's identity are ignored altogether.
    let mut world =
        world(vec![grant(1, "orders", &owned, None), grant(2, "zone", &[("zone", "eu")], None)]);
    let app = world.connect_with(said(&hello, None));
    world.admit(app, Ok(Some(1)));
    assert_eq!(world.app(app).labels, labels(&owned));
}

#[test]
fn a_stranger_cannot_take_an_identity_that_is_granted() {
    let mut world = world(vec![grant(1, "orders", &[("application", "orders")], None)]);
    let pairs = [("application", "orders"), ("instance", "a")];
    let owner = world.connect_with(said(&pairs, Some("t")));
    world.admit(owner, Ok(Some(1)));
    let entry = world.app(owner).id;
    world.cut(owner);
    let liar = world.connect_with(said(&pairs, None));
    world.admit(liar, Ok(None));
    assert_eq!(world.app(liar).source, IdentitySource::Connection);
    assert_ne!(world.app(liar).id, entry);
    // Nor can it claim the identity by its text.
    let scrape = world.start_for(Targets::Some(vec![world.app(liar).id]));
    world.answer(liar, "a{application=\"orders\",instance=\"a\"} 1\n");
    world.work();
    assert_eq!(world.take(scrape).0.len(), 1);
    assert_eq!(world.app(liar).source, IdentitySource::Connection);
    let other = world.connect_with(said(&[("application", "billing")], None));
    world.admit(other, Ok(None));
    assert_eq!(world.app(other).source, IdentitySource::Hello);
    let owner = world.connect_with(said(&pairs, Some("t")));
    world.admit(owner, Ok(Some(1)));
    assert_eq!(world.app(owner).id, entry);
}

#[test]
fn what_was_said_once_is_not_what_was_granted_later() {
    let mut world = world(Vec::new());
    let pairs = [("application", "orders")];
    let early = world.connect_with(said(&pairs, None));
    world.admit(early, Ok(None));
    let entry = world.app(early).id;
    world.cut(early);
    world.collector.set_grants(vec![grant(1, "orders", &pairs, None)]);
    let owner = world.connect_with(said(&[], Some("t")));
    world.admit(owner, Ok(Some(1)));
    assert_eq!(world.app(owner).labels, labels(&pairs));
    assert_ne!(world.app(owner).id, entry);
}

#[test]
fn who_is_turned_away_hears_nothing_of_use() {
    let mut world = world(Vec::new());
    let reasons = [
        TurnedAway::Credentials,
        TurnedAway::Identity,
        TurnedAway::Throttled,
        TurnedAway::Transport { entry: "orders".into() },
    ];
    for reason in reasons {
        let app = world.connect_with(said(&[], Some("wrong")));
        world.admit(app, Err(reason.clone()));
        let end = (ErrorCode::REJECTED_SETUP, "not admitted".to_owned());
        assert_eq!((world.end(app), &world.peer(app).key), (Some(end), &None));
        assert!(world.has_notice(
            |notice| matches!(notice, Notice::TurnedAway { reason: it, .. } if *it == reason)
        ));
    }
    assert_eq!((world.collector.connections(), world.collector.entries()), (0, 0));
}

#[test]
fn a_bounded_number_waits_and_who_leaves_makes_room() {
    let mut world = world(Vec::new());
    let apps = [0; 4].map(|_| world.connect_with(said(&[], Some("t"))));
    let busy = world.end(apps[3]).unwrap();
    assert!(busy.0 == ErrorCode::REJECTED_SETUP && busy.1.contains("try again later"), "{busy:?}");
    assert_eq!(world.collector.waiting_admissions(), 3);
    world.cut(apps[0]);
    assert_eq!(world.collector.waiting_admissions(), 2);
    world.admit(apps[1], Ok(None));
    // This connection is gone.
    world.collector.handle_admission(apps[0], Ok(None));
    world.run();
    assert_eq!(world.collector.connected(), 1);
}

#[test]
fn applications_whose_credentials_are_withdrawn_are_ended() {
    let orders = grant(1, "orders", &[("application", "orders")], None);
    let billing = grant(2, "billing", &[("application", "billing")], None);
    let mut world = world(vec![orders, billing.clone()]);
    let apps = [1, 2].map(|grant| {
        let app = world.connect_with(said(&[], Some("t")));
        world.admit(app, Ok(Some(grant)));
        app
    });
    let late = world.connect_with(said(&[], Some("t")));
    world.collector.set_grants(vec![billing]);
    world.run();
    let end = (ErrorCode::CONNECTION_ERROR, "not admitted any more".to_owned());
    assert_eq!((world.end(apps[0]), world.end(apps[1])), (Some(end), None));
    // It was checked against the previous grants.
    world.admit(late, Ok(Some(1)));
    assert_eq!(world.end(late).unwrap().0, ErrorCode::REJECTED_SETUP);
    assert_eq!(world.collector.connected(), 1);
}
