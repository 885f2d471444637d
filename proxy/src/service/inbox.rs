use prometheus_rsocket_protocol::collector::{RequestId, SessionCommand};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Commands on their way to one connection's task, in order.
///
/// No command is ever lost, and a task that does not run makes no queue grow. There is at most one key, one request, one cancellation and one report,
/// the latest of each, and one command to close. Answers to pushes are at most as many as the pushes of the connection that are being opened, and one
/// that was refused immediately: the task takes commands out after each event that it hands in.
///
/// Adding a command and waking the task are two steps, so that the first can happen under the hub's lock, and the second after it.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    commands: VecDeque<SessionCommand>,
    waker: Option<Waker>,
}

impl Inbox {
    /// Adds a command. Returns the waker of the task, if the task waits.
    pub(crate) fn put(&self, command: SessionCommand) -> Option<Waker> {
        let mut state = self.lock();
        state.put(command);
        state.waker.take()
    }

    /// Takes the next command out. A task that finds none is woken by the next one.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<SessionCommand> {
        let mut state = self.lock();
        if let Some(command) = state.commands.pop_front() {
            return Poll::Ready(command);
        }
        if state.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A queue has no step that a panic could leave half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, command: SessionCommand) {
        match &command {
            SessionCommand::Cancel { request } if self.take_back(*request) => return,
            SessionCommand::Close { .. } if self.has(is_close) => return,
            SessionCommand::Key { .. } => self.commands.retain(|command| !is_key(command)),
            SessionCommand::Report(_) => self.commands.retain(|command| !is_report(command)),
            _ => {}
        }
        self.commands.push_back(command);
    }

    /// Removes a request that the task has not seen yet. Returns whether there was one.
    fn take_back(&mut self, request: RequestId) -> bool {
        let count = self.commands.len();
        let is_it = |command: &SessionCommand| matches!(command, SessionCommand::Scrape { request: asked, .. } if *asked == request);
        self.commands.retain(|command| !is_it(command));
        self.commands.len() < count
    }

    fn has(&self, is: fn(&SessionCommand) -> bool) -> bool {
        self.commands.iter().any(is)
    }
}

fn is_close(command: &SessionCommand) -> bool {
    matches!(command, SessionCommand::Close { .. })
}

fn is_key(command: &SessionCommand) -> bool {
    matches!(command, SessionCommand::Key { .. })
}

fn is_report(command: &SessionCommand) -> bool {
    matches!(command, SessionCommand::Report(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_rsocket_protocol::collector::{
        Collector, Config, Peer, Scraper, SessionEvent, Targets, Transport,
    };
    use prometheus_rsocket_protocol::hello::Hello;
    use prometheus_rsocket_protocol::report::{Report, ReportKind};
    use prometheus_rsocket_protocol::rsocket::frame::{ErrorCode, StreamId};
    use std::iter;
    use std::time::{Duration, Instant};

    fn taken(inbox: &Inbox) -> Vec<SessionCommand> {
        let cx = Context::from_waker(Waker::noop());
        let next = || match inbox.poll_next(&cx) {
            Poll::Ready(command) => Some(command),
            Poll::Pending => None,
        };
        iter::from_fn(next).collect()
    }

    fn report(message: &str) -> SessionCommand {
        SessionCommand::Report(Report::new(ReportKind::Refused, message))
    }

    /// While a connection's task stands still, scrapes come and go. Requests that nobody waits for any more do not pile up.
    #[test]
    fn scrapes_that_come_and_go_leave_no_more_than_one_request_behind() {
        let (mut collector, inbox) = (Collector::new(Config::default()), Inbox::default());
        let now = Instant::now();
        let peer = Peer { address: String::new(), transport: Transport::Tcp, tls: None };
        let connection = collector.accept(now, peer).unwrap();
        let event = SessionEvent::Connected { hello: Ok(Hello::default()), token: Ok(None) };
        collector.handle_session(now, connection, event);
        // Removes the command that sends the key.
        while collector.poll_command().is_some() {}
        let mut scrape = |ends: bool| {
            let deadline = now + Duration::from_secs(9);
            let scrape = collector
                .start_scrape(now, deadline, Targets::All, &Scraper::named("a", "x"))
                .unwrap();
            if ends {
                collector.end_scrape(scrape, false);
            }
            while let Some((_, command)) = collector.poll_command() {
                inbox.put(command);
            }
        };
        (0..1_000).for_each(|_| scrape(true));
        assert_eq!(taken(&inbox), []);
        scrape(false);
        assert!(matches!(taken(&inbox)[..], [SessionCommand::Scrape { .. }]));
    }

    #[test]
    fn the_last_report_and_the_first_goodbye_remain_and_all_answers() {
        let inbox = Inbox::default();
        let close = |message: &str| SessionCommand::Close {
            code: ErrorCode::CONNECTION_ERROR,
            message: message.to_owned(),
        };
        let answers: Vec<SessionCommand> = (0..1_000)
            .map(|nth| SessionCommand::AcknowledgePush { stream_id: StreamId::new(2 * nth + 1) })
            .collect();
        for answer in &answers {
            inbox.put(report("earlier"));
            inbox.put(answer.clone());
            inbox.put(close("first"));
            inbox.put(close("second"));
        }
        inbox.put(report("latest"));
        let mut commands = taken(&inbox);
        assert_eq!(commands.pop(), Some(report("latest")));
        commands.retain(|command| !is_close(command));
        assert_eq!(commands, answers);
    }
}
