use super::{dial, interleave};
use crate::testing::{Task, Virtual, run};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, pending, ready};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

type Opening = Pin<Box<dyn Future<Output = io::Result<SocketAddr>>>>;

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Dials a host with these addresses: port 1 refuses, port 2 does not answer, any other accepts. Also returns the attempts.
fn dialled(
    runtime: &Virtual,
    host: &'static str,
    found: Vec<SocketAddr>,
) -> (Task<io::Result<SocketAddr>>, Rc<RefCell<Vec<SocketAddr>>>) {
    let attempts = Rc::new(RefCell::new(Vec::new()));
    let (runtime, tried) = (runtime.clone(), Rc::clone(&attempts));
    let connect = move |address: SocketAddr| -> Opening {
        tried.borrow_mut().push(address);
        match address.port() {
            1 => Box::pin(ready(Err(ErrorKind::ConnectionRefused.into()))),
            2 => Box::pin(pending()),
            _ => Box::pin(ready(Ok(address))),
        }
    };
    let task =
        Task::new(async move { dial(&runtime, (host, 7001), ready(Ok(found)), connect).await });
    (task, attempts)
}

#[test]
fn a_refused_address_is_followed_by_the_next_at_once() {
    let runtime = Virtual::new();
    let found = addresses(&["[::1]:1", "127.0.0.1:3", "127.0.0.2:3"]);
    let (mut task, attempts) = dialled(&runtime, "localhost", found.clone());
    run(&mut [&mut task]);
    assert_eq!(task.output().unwrap().unwrap(), found[1]);
    assert_eq!(*attempts.borrow(), found[..2]);
    assert_eq!(runtime.resets(), 0, "no timer is needed");
}

#[test]
fn a_silent_address_gets_company_after_a_quarter_of_a_second() {
    let runtime = Virtual::new();
    let found = addresses(&["[::1]:2", "127.0.0.1:2", "127.0.0.2:3"]);
    let (mut task, attempts) = dialled(&runtime, "localhost", found.clone());
    for tried in 1..=2 {
        run(&mut [&mut task]);
        assert_eq!(*attempts.borrow(), found[..tried]);
        runtime.advance(Duration::from_millis(249));
        run(&mut [&mut task]);
        assert_eq!(*attempts.borrow(), found[..tried]);
        runtime.advance(Duration::from_millis(1));
    }
    run(&mut [&mut task]);
    assert_eq!(task.output().unwrap().unwrap(), found[2]);
}

#[test]
fn failures_name_host_address_and_reason() {
    let runtime = Virtual::new();
    let (mut task, _) = dialled(&runtime, "localhost", addresses(&["[::1]:1", "127.0.0.1:1"]));
    run(&mut [&mut task]);
    let error = task.output().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let text = "localhost:7001: [::1]:1: connection refused, 127.0.0.1:1: connection refused";
    assert_eq!(error.to_string(), text);

    let (mut task, _) = dialled(&runtime, "127.0.0.1", addresses(&["127.0.0.1:1"]));
    run(&mut [&mut task]);
    let error = task.output().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1:1: connection refused");

    let (mut task, _) = dialled(&runtime, "many", addresses(&["127.0.0.1:1"; 6]));
    run(&mut [&mut task]);
    assert!(task.output().unwrap().unwrap_err().to_string().ends_with(", and 2 more"));
}

#[test]
fn a_name_that_leads_nowhere_is_named() {
    let runtime = Virtual::new();
    let (mut task, _) = dialled(&runtime, "nobody", Vec::new());
    run(&mut [&mut task]);
    let error = task.output().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the name \"nobody\" has no address");

    let mut task = Task::new(async move {
        let resolving = ready(Err(io::Error::other("no answer")));
        dial(&runtime, ("nobody", 1), resolving, |_| pending::<io::Result<()>>()).await
    });
    run(&mut [&mut task]);
    let error = task.output().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the name \"nobody\" cannot be resolved: no answer");
}

#[test]
fn families_take_turns() {
    let found = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"]);
    let turns = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"]);
    assert_eq!(Vec::from(interleave(found.clone(), |_| {})), turns);
    assert!(interleave(Vec::new(), |_| {}).is_empty());
    let turned = addresses(&["[::3]:1", "1.1.1.2:1", "[::2]:1", "1.1.1.1:1", "[::1]:1"]);
    assert_eq!(Vec::from(interleave(found, <[SocketAddr]>::reverse)), turned);
}

#[test]
fn clients_spread_over_the_addresses_of_a_name() {
    let runtime = Virtual::new();
    let found = addresses(&["1.1.1.1:3", "1.1.1.2:3", "1.1.1.3:3", "1.1.1.4:3", "[::1]:3"]);
    let mut counts = BTreeMap::new();
    for seed in 1..=4000_u64 {
        runtime.seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut task, _) = dialled(&runtime, "many", found.clone());
        run(&mut [&mut task]);
        *counts.entry(task.output().unwrap().unwrap()).or_insert(0) += 1;
    }
    // The family of the first address goes first.
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), found[..4]);
    assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
}
