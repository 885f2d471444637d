//! When an answer counts as delivered.

use super::serve::{Site, on_site};
use super::*;
use futures_lite::{AsyncWriteExt, future::zip};

impl Site {
    /// Answers a scrape, and returns what is reported of the answer.
    async fn answer(&self, text: &'static str) -> Arc<Told> {
        let (_, sender) = self.setup.scrapes.recv().await.unwrap();
        let told = Arc::new(Told::default());
        sender.send(text.into()).await.unwrap();
        sender.finish(Arc::clone(&told) as _).await.unwrap();
        told
    }

    async fn wait_for(&self, mut is_so: impl FnMut() -> bool) {
        while !is_so() {
            self.sleep(5).await;
        }
    }
}

#[test]
fn an_answer_is_delivered_once_the_next_request_comes() {
    on_site(Limits::default(), async |site| {
        let mut client = site.connect().await;
        client.get("/metrics/connected").await;
        let (told, _) = zip(site.answer("a 1\n"), client.response()).await;
        assert_eq!(told.counts(), (1, 0), "it may not have been read");
        client.get("/metrics/connected").await;
        let (_, sender) = site.setup.scrapes.recv().await.unwrap();
        assert_eq!(told.counts(), (1, 1), "before the next one begins");
        drop(sender);
    });
}

#[test]
fn an_answer_is_delivered_if_the_connection_ends_cleanly() {
    on_site(Limits::default(), async |site| {
        for close in ["", "Connection: close\r\n"] {
            let mut client = site.connect().await;
            client.send(format!("GET /metrics/connected HTTP/1.1\r\nHost: x\r\n{close}\r\n")).await;
            let (told, _) = zip(site.answer("a 1\n"), client.response()).await;
            assert_eq!(told.counts(), (1, 0), "{close}");
            drop(client);
            site.wait_for(|| told.counts() == (1, 1)).await;
        }
    });
}

#[test]
fn an_answer_is_not_delivered_if_something_of_it_was_not_read() {
    on_site(Limits::default(), async |site| {
        for close in ["", "Connection: close\r\n"] {
            let mut client = site.connect().await;
            client.send(format!("GET /metrics/connected HTTP/1.1\r\nHost: x\r\n{close}\r\n")).await;
            let told = site.answer("a 1\n").await;
            // Unread data turns the end into a reset.
            drop(client);
            site.wait_for(|| Arc::strong_count(&told) == 1).await;
            assert_eq!(told.counts(), (1, 0), "{close}");
        }
    });
}

#[test]
fn who_reads_and_never_ends_is_not_waited_for() {
    let limits = Limits { idle_timeout: Duration::from_millis(50), ..Limits::default() };
    on_site(limits, async |site| {
        let mut client = site.connect().await;
        client.get("/metrics/connected").await;
        let (told, _) = zip(site.answer("a 1\n"), client.response()).await;
        site.wait_for_closed("idle", 1).await;
        assert_eq!(Arc::strong_count(&told), 1);
        assert_eq!(told.counts(), (1, 0));
        // It is still open at this end.
        client.stream.get_mut().flush().await.unwrap();
    });
}

#[test]
fn requests_that_do_not_wait_for_answers_are_told_of_at_the_end() {
    on_site(Limits::default(), async |site| {
        let mut client = site.connect().await;
        client.send("GET /metrics/connected HTTP/1.1\r\nHost: x\r\n\r\n".repeat(18)).await;
        let answers = async {
            let mut all = Vec::new();
            for _ in 0..18 {
                all.push(site.answer("a 1\n").await);
            }
            all
        };
        let reading = async {
            for _ in 0..18 {
                client.response().await;
            }
        };
        let (all, ()) = zip(answers, reading).await;
        assert!(all.iter().all(|told| told.counts() == (1, 0)));
        drop(client);
        site.wait_for(|| all.iter().all(|told| Arc::strong_count(told) == 1)).await;
        let delivered: Vec<usize> = all.iter().map(|told| told.counts().1).collect();
        assert_eq!(delivered, [vec![0; 2], vec![1; 16]].concat(), "so many are remembered");
    });
}
