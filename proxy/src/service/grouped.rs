//! A body in which families are grouped over all applications.

use crate::service::app_metrics::AppMetrics;
use crate::service::collisions::Collisions;
use crate::service::memory::BodyPart;
use crate::service::render::Served;
use crate::service::scrape::{Broken, LARGE, Output, Scrape};
use prometheus_rsocket_protocol::collector::{AppId, Progress, Summary};
use prometheus_rsocket_protocol::envelope::OpenError;
use prometheus_rsocket_protocol::exposition::group::{Merge, Plan, Prepared, Split};
use prometheus_rsocket_runtime::{Runtime, sleep_until};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of text that are merged, deflated and sent at a time.
const CHUNK: usize = 64 * 1024;

/// How long a scrape that was given up may take to end.
const MOMENT: Duration = Duration::from_millis(10);

/// An application's part of the body.
struct Part {
    served: Served,
    prepared: Prepared,
}

impl<R: Runtime> Scrape<R> {
    /// Sends all applications family by family. Each is prepared as soon as its answer is there, so that little is left to do after the last one. An
    /// application that cannot be rendered is left out.
    pub(super) async fn grouped(
        &self,
        out: &mut Output<'_, R>,
        metrics: &mut AppMetrics,
    ) -> Result<Summary, Broken> {
        // Holds the answers and what is prepared from them, all of it compressed.
        let mut held = self.bodies.part();
        let (all, early, summary) = self.gather(out, metrics, &mut held).await?;
        let collided: Vec<_> = all.iter().map(|served| (served.app, served.omit.len())).collect();
        self.hub.report_collisions(self.runtime.now(), &collided);
        out.take_place().await?;
        let parts = self.prepare_rest(all, early, metrics).await;
        let (plan, parts) = self
            .work(move || {
                let plan = Plan::new(parts.iter().map(|part| part.prepared.outline()));
                let split = |part: Part| (part.served, part.prepared.split(&plan));
                let parts: Vec<(Served, Option<Split>)> = parts.into_iter().map(split).collect();
                Ok((Arc::new(plan), parts))
            })
            .await?;
        self.hub.count_type_conflicts(plan.conflicts().iter().copied().map(u64::from).sum());
        let at_odds = parts.iter().filter(|(_, split)| split.is_none());
        let at_odds = at_odds.map(|(served, _)| served.clone()).collect();
        let renderer = self.renderer.clone();
        let again = self.each(at_odds, move |served| renderer.split(served, &plan)).await;
        let mut again = again.into_iter();
        let mut splits = Vec::with_capacity(parts.len());
        for (served, split) in parts {
            match split.map_or_else(|| again.next().unwrap_or(Err(Broken)), Ok) {
                Ok(split) => splits.push(split),
                Err(Broken) => self.on_left_out(served.app, "worker", metrics),
            }
        }
        self.merged(out, splits).await?;
        Ok(summary)
    }

    /// Waits for all outcomes, and meanwhile prepares the answers that are there, regardless of collisions.
    async fn gather(
        &self,
        out: &mut Output<'_, R>,
        metrics: &mut AppMetrics,
        held: &mut BodyPart,
    ) -> Result<(Vec<Served>, BTreeMap<AppId, Prepared>, Summary), Broken> {
        let mut collisions = Collisions::within(&self.bodies);
        let (mut all, mut early) = (Vec::new(), BTreeMap::new());
        let mut under_way = VecDeque::new();
        loop {
            let listener = self.news.listen();
            while under_way.len() < self.look_ahead()
                && let Some((app, answer)) = self.hub.poll_early(self.id)
            {
                if answer.text_len > LARGE {
                    continue;
                }
                out.take_place().await?;
                let served = Served { app, answer, omit: Arc::default() };
                let renderer = self.renderer.clone();
                under_way.push_back((app, self.work(move || renderer.prepare(&served))));
            }
            let summary = loop {
                match self.hub.poll_scrape(self.runtime.now(), self.id) {
                    Progress::Pending => break None,
                    Progress::Finished(summary) => break Some(summary),
                    Progress::Outcome(outcome) => {
                        for served in self.on_outcome(*outcome, &mut collisions, metrics) {
                            let facts = &served.answer.facts;
                            let block_len = served.answer.block.len();
                            let weight = 3 * block_len + 8 * facts.fingerprints.len();
                            if self.keep(held, weight, out).await {
                                all.push(served);
                            } else {
                                self.on_left_out(served.app, "overloaded", metrics);
                            }
                        }
                    }
                }
            };
            match (under_way.pop_front(), summary) {
                (Some((app, working)), _) => early.extend(working.await.ok().map(|it| (app, it))),
                (None, Some(summary)) => return Ok((all, early, summary)),
                (None, None) => out.wait(listener).await?,
            }
        }
    }

    /// Takes memory for an answer. Scrapes that stall or wait for longer than usual are given up for it. Returns whether there was enough.
    async fn keep(&self, held: &mut BodyPart, bytes: usize, out: &Output<'_, R>) -> bool {
        while !held.grow(bytes) {
            if !out.evict_other() {
                return false;
            }
            // The scrape takes a moment to end.
            sleep_until(&self.runtime, self.runtime.now() + MOMENT).await;
        }
        true
    }

    /// Prepares the applications that were not prepared early, or whose series collide with another's.
    async fn prepare_rest(
        &self,
        all: Vec<Served>,
        mut early: BTreeMap<AppId, Prepared>,
        metrics: &mut AppMetrics,
    ) -> Vec<Part> {
        let mut take =
            |served: &Served| early.remove(&served.app).filter(|_| served.omit.is_empty());
        let ready: Vec<_> = all.iter().map(&mut take).collect();
        let missing = all.iter().zip(&ready).filter(|(_, ready)| ready.is_none());
        let missing = missing.map(|(served, _)| served.clone()).collect();
        let renderer = self.renderer.clone();
        let rest = self.each(missing, move |served| renderer.prepare(served)).await;
        let mut rest = rest.into_iter();
        let mut parts = Vec::with_capacity(all.len());
        for (served, ready) in all.into_iter().zip(ready) {
            match ready.map_or_else(|| rest.next().unwrap_or(Err(Broken)), Ok) {
                Ok(prepared) => parts.push(Part { served, prepared }),
                Err(Broken) => self.on_left_out(served.app, "worker", metrics),
            }
        }
        parts
    }

    /// Merges the applications' parts, and sends the result piece by piece.
    async fn merged(&self, out: &mut Output<'_, R>, splits: Vec<Split>) -> Result<(), Broken> {
        let mut merge = Merge::new(self.renderer.target, splits);
        loop {
            let renderer = self.renderer.clone();
            out.take_place().await?;
            let (rest, piece, is_more) = self
                .work(move || {
                    let mut text = Vec::with_capacity(CHUNK + CHUNK / 2);
                    let mut is_more = true;
                    while is_more && text.len() < CHUNK {
                        is_more = merge.write(&mut text);
                    }
                    let piece = renderer.pack(text.into());
                    Ok((merge, piece, is_more))
                })
                .await?;
            merge = rest;
            out.append(piece).await?;
            if !is_more {
                return Ok(());
            }
        }
    }

    /// Works on each answer on as many cores as there are; large ones are worked on alone. Returns the results in the same order.
    async fn each<T: Send + 'static>(
        &self,
        all: Vec<Served>,
        work: impl Fn(&Served) -> Result<T, OpenError> + Clone + Send + 'static,
    ) -> Vec<Result<T, Broken>> {
        let mut done = Vec::with_capacity(all.len());
        let mut under_way = VecDeque::new();
        for served in all {
            if served.answer.text_len > LARGE {
                for before in under_way.drain(..) {
                    done.push(before.await);
                }
                let (work, _texts) = (work.clone(), self.large_text(&served).await);
                done.push(self.work(move || work(&served)).await);
                continue;
            }
            if under_way.len() >= self.look_ahead()
                && let Some(first) = under_way.pop_front()
            {
                done.push(first.await);
            }
            let work = work.clone();
            under_way.push_back(self.work(move || work(&served)));
        }
        for rest in under_way {
            done.push(rest.await);
        }
        done
    }
}
