use super::super::{ScrapeBody, ScraperGone};
use super::Told;
use futures_lite::future::{block_on, poll_once};
use std::pin::pin;
use std::sync::Arc;

#[test]
fn a_body_that_is_dropped_with_its_end_unread_is_not_waited_for() {
    let (sender, body) = ScrapeBody::channel(2);
    let told = Arc::new(Told::default());
    let mut finish = pin!(sender.finish(Arc::clone(&told) as _));
    assert_eq!(block_on(poll_once(finish.as_mut())), None);
    drop(body);
    assert_eq!(block_on(poll_once(finish)), Some(Err(ScraperGone)));
    assert_eq!(told.counts(), (0, 0));
}
