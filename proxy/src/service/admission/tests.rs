use super::{Admission, Admitted, LEND, PATIENCE, STALL};
use crate::observe::telemetry::ScrapeGivenUp;
use futures_lite::future::{block_on, poll_once, zip};
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use prometheus_rsocket_smol::Smol;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn peer(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, number).into()
}

fn admit(admission: &Arc<Admission>, now: Instant, number: u8) -> Result<Admitted, ScrapeGivenUp> {
    admission.admit(now, peer(number), PATIENCE)
}

/// Whether a scrape has a place, or gets one now.
fn has_place(scrape: &Admitted, now: Instant) -> bool {
    let mut table = scrape.admission.lock();
    if table.scrapes[&scrape.id].has_place {
        return true;
    }
    let ticket = table.next();
    table.queue.insert(ticket, scrape.id);
    let max = scrape.admission.max_places;
    table.take_place(now, ticket, max) && table.queue.remove(&ticket).is_some()
}

fn evicted(scrape: &Admitted) -> Option<ScrapeGivenUp> {
    block_on(poll_once(scrape.evicted()))
}

#[test]
fn an_address_has_half_of_all_scrapes_at_most() {
    let (admission, now) = (Admission::new(4, 4), Instant::now());
    let first = admit(&admission, now, 1).unwrap();
    let _second = admit(&admission, now, 1).unwrap();
    assert_eq!(admit(&admission, now, 1).unwrap_err(), ScrapeGivenUp::RefusedShare);
    drop(first);
    assert!(admit(&admission, now, 1).is_ok());
    assert!(admit(&Admission::new(1, 1), now, 1).is_ok(), "the only one is for anybody");
}

#[test]
fn a_newcomer_replaces_the_scrape_that_stalls_longest() {
    let (admission, now) = (Admission::new(2, 2), Instant::now());
    let scrapes = [1, 2].map(|number| admit(&admission, now, number).unwrap());
    scrapes[1].begin_send(now);
    scrapes[0].begin_send(now + Duration::from_millis(1));
    let early = now + STALL - Duration::from_millis(1);
    assert_eq!(admit(&admission, early, 3).unwrap_err(), ScrapeGivenUp::RefusedFull);
    let newcomer = admit(&admission, now + STALL, 3).unwrap();
    assert_eq!(scrapes.each_ref().map(evicted), [None, Some(ScrapeGivenUp::Stalled)]);
    drop(newcomer);
    // An evicted one frees nothing more when it ends.
    let _third = admit(&admission, now + STALL, 4).unwrap();
    drop(scrapes);
    assert_eq!(admission.lock().scrapes.len(), 1);
}

#[test]
fn a_newcomer_replaces_the_scrape_that_waits_longest_but_none_that_works() {
    let (admission, now) = (Admission::new(2, 2), Instant::now());
    let working = admit(&admission, now, 1).unwrap();
    assert!(has_place(&working, now));
    let waiting = admit(&admission, now + STALL, 2).unwrap();
    let late = now + PATIENCE;
    assert_eq!(admit(&admission, late, 3).unwrap_err(), ScrapeGivenUp::RefusedFull);
    assert!(admit(&admission, late + STALL, 3).is_ok());
    assert_eq!([evicted(&working), evicted(&waiting)], [None, Some(ScrapeGivenUp::Replaced)]);
}

#[test]
fn waiting_for_applications_takes_no_place() {
    let (admission, now) = (Admission::new(100, 2), Instant::now());
    let waiting: Vec<_> = (0..50).map(|_| admit(&admission, now, 1).unwrap()).collect();
    let good = admit(&admission, now, 2).unwrap();
    assert!(has_place(&good, now));
    assert!(has_place(&waiting[0], now));
    assert!(!has_place(&waiting[1], now), "one address has half of the places");
    admission.lock().queue.clear();
    waiting[0].leave_place();
    assert!(has_place(&waiting[1], now));
}

#[test]
fn a_scrape_whose_scraper_stalls_lends_its_place() {
    let (admission, now) = (Admission::new(100, 2), Instant::now());
    let [stalled, working, third] = [1, 2, 3].map(|number| admit(&admission, now, number).unwrap());
    assert!(has_place(&stalled, now) && has_place(&working, now));
    stalled.begin_send(now);
    assert!(!has_place(&third, now + LEND / 2));
    admission.lock().queue.clear();
    assert!(has_place(&third, now + LEND));
    // It continues once there is a place for it again.
    stalled.end_send();
    assert!(!has_place(&stalled, now + LEND));
    admission.lock().queue.clear();
    drop(working);
    assert!(has_place(&stalled, now + LEND));
    assert!(evicted(&stalled).is_none());
}

#[test]
fn places_are_handed_out_in_the_order_of_asking() {
    let run = |runtime: Smol| async move {
        let (admission, now) = (Admission::new(100, 1), runtime.now());
        let [first, second, third] =
            [1, 2, 3].map(|number| admit(&admission, now, number).unwrap());
        first.place(&runtime).await;
        let order = std::sync::Mutex::new(Vec::new());
        let take = async |scrape: Admitted, name| {
            scrape.place(&runtime).await;
            order.lock().unwrap().push(name);
        };
        let freeing = async {
            sleep_until(&runtime, runtime.now() + Duration::from_millis(10)).await;
            drop(first);
        };
        zip(zip(take(second, "second"), take(third, "third")), freeing).await;
        assert_eq!(*order.lock().unwrap(), ["second", "third"]);
        let table = admission.lock();
        assert!(table.queue.is_empty() && table.scrapes.is_empty());
    };
    Smol::block_on(Some(1), run).unwrap();
}
