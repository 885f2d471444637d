use super::super::{ScrapeBody, ScraperGone};
use futures_lite::future::{block_on, poll_once};
use std::pin::pin;

#[test]
fn a_body_that_is_dropped_with_its_end_unread_is_not_waited_for() {
    let (sender, body) = ScrapeBody::channel(2);
    let mut finish = pin!(sender.finish(|| panic!("it is never flushed")));
    assert_eq!(block_on(poll_once(finish.as_mut())), None);
    drop(body);
    assert_eq!(block_on(poll_once(finish)), Some(Err(ScraperGone)));
}
