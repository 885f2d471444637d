//! The behaviour required of every leaf, as tests that are written once.
//!
//! A leaf's test file implements [`Leaf`] and passes it to [`conformance_suite`](crate::conformance_suite), which makes a test of each behaviour:
//!
//! ```text
//! struct Threads;
//!
//! impl Leaf for Threads {
//!     type Runtime = Smol;
//!     const THREADS: usize = 2;
//!
//!     fn run<T, F>(main: impl FnOnce(Smol) -> F + Send + 'static) -> T
//!     where
//!         T: Send + 'static,
//!         F: Future<Output = T> + Send + 'static,
//!     {
//!         Smol::block_on(Some(Self::THREADS), main).unwrap()
//!     }
//! }
//!
//! prometheus_rsocket_runtime::conformance_suite!(Threads);
//! ```
//!
//! A behaviour is a function over a leaf. An async one fails after [`Leaf::PATIENCE`]. Nothing else here depends on the
//! machine's speed: on the machine's clock, only what happens too early is an error.

#[doc(hidden)]
pub mod connections;
#[doc(hidden)]
pub mod ending;
#[doc(hidden)]
pub mod jobs;
#[doc(hidden)]
pub mod sockets;
#[doc(hidden)]
pub mod streams;
mod support;
#[doc(hidden)]
pub mod tasks;
#[cfg(test)]
mod tests;
#[doc(hidden)]
pub mod timers;

use crate::{Runtime, timeout};
use std::{future::Future, net::SocketAddr, time::Duration};

/// A leaf under test, and the ways in which leaves may differ.
pub trait Leaf: 'static {
    /// The runtime under test.
    type Runtime: Runtime;

    /// How late a timer may be, on a virtual clock that advances only while everything waits. `None` means the machine's clock,
    /// on which a timer may be arbitrarily late.
    const LATENESS: Option<Duration> = None;

    /// The number of threads that run futures, in addition to the one on which [`run`](Self::run) may run its own.
    const THREADS: usize;

    /// Whether a job runs on its own thread, so that it may block until futures have run.
    const JOBS_MAY_BLOCK: bool = true;

    /// A name of the host in [`address`](Self::address), if there is one.
    const HOST_NAME: Option<&'static str> = Some("localhost");

    /// Whether Unix sockets are available.
    const UNIX_SOCKETS: bool = cfg!(unix);

    /// The time limit of a behaviour: on the machine's clock, longer than any machine needs; on a virtual one, longer than
    /// everything that the behaviours wait for.
    const PATIENCE: Duration = match Self::LATENESS {
        None => Duration::from_secs(60),
        Some(_) => Duration::from_secs(30 * 86_400),
    };

    /// The address to listen on: one of this machine, with port 0.
    fn address() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    /// Runs `main` to completion on a new runtime, drops what is still running, and returns or panics as `main` did.
    fn run<T, F>(main: impl FnOnce(Self::Runtime) -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static;
}

/// Makes a `#[test]` of each behaviour for a [`Leaf`](crate::conformance::Leaf), in a module for each group of behaviours.
/// Groups can be selected: `conformance_suite!(Leaf: timers, streams)`.
#[macro_export]
macro_rules! conformance_suite {
    ($leaf:ty) => {
        $crate::conformance_suite!(
            $leaf: connections, ending, jobs, sockets, streams, tasks, timers
        );
    };
    ($leaf:ty: $($group:ident),+) => {
        $($crate::conformance_suite!(@$group $leaf);)+
    };
    (@connections $leaf:ty) => {
        $crate::conformance_suite!(@within $leaf, connections:
            a_command_wakes_an_idle_connection
            a_connection_that_is_given_up_ends_for_the_peer
            a_machine_is_told_of_its_deadline_and_never_early
            a_peer_that_takes_nothing_is_given_up
            a_thousand_connections_at_once_each_get_their_own_bytes_back
            megabytes_come_back_as_they_were_sent
            the_final_bytes_arrive_though_the_peer_goes_on_sending
        );
    };
    (@ending $leaf:ty) => {
        $crate::conformance_suite!(@around $leaf, ending:
            a_job_that_never_ends_does_not_hold_up_the_exit
            a_panic_of_main_reaches_the_caller_and_drops_what_still_runs
            main_gives_its_result_as_often_as_it_is_run
            the_end_of_main_drops_what_still_runs
            what_is_spawned_after_the_end_is_dropped
        );
    };
    (@jobs $leaf:ty) => {
        $crate::conformance_suite!(@within $leaf, jobs:
            a_job_gives_its_result
            a_job_that_is_not_waited_for_does_no_harm
            a_job_that_panics_is_lost_and_no_other
            a_job_wakes_a_future
            jobs_do_not_hold_up_the_event_loop
            many_jobs_all_come_to_their_end
            randomness_differs_each_time
            there_is_at_least_one_processor
        );
    };
    (@sockets $leaf:ty) => {
        $crate::conformance_suite!(@within $leaf, sockets:
            a_closed_listener_refuses
            a_connect_that_is_dropped_does_no_harm
            a_host_may_be_a_name
            a_host_may_be_an_ipv6_address
            a_host_that_cannot_be_found_is_an_error
            a_peer_that_never_connects_is_given_up_at_the_deadline
            a_port_in_use_cannot_be_bound
            a_port_with_old_connections_can_be_bound_again
            an_accept_that_is_dropped_loses_no_connection
            hundreds_connect_before_the_first_is_accepted
            port_zero_is_replaced_by_a_free_one
            several_tasks_accept_on_one_listener
            the_peer_is_named
            unix_sockets_are_connected_to_where_there_are_any
        );
    };
    (@streams $leaf:ty) => {
        $crate::conformance_suite!(@within $leaf, streams:
            a_large_vectored_write_arrives_in_order
            a_peer_that_is_gone_cannot_be_written_to
            a_read_takes_no_more_than_it_has_room_for
            a_read_that_is_dropped_loses_nothing
            a_stream_that_is_dropped_ends_for_the_peer
            a_stream_that_is_dropped_with_unread_input_is_reset
            a_vectored_write_takes_more_than_the_first_slice
            a_waiting_reader_is_woken_by_bytes_and_by_the_end
            a_writer_waits_for_a_reader_that_stops
            bytes_go_both_ways_and_each_direction_ends_by_itself
            megabytes_go_both_ways_through_small_buffers
        );
    };
    (@tasks $leaf:ty) => {
        $crate::conformance_suite!(@within $leaf, tasks:
            a_panic_ends_one_future_and_no_other
            a_panic_drops_what_the_future_owned
            futures_run_on_all_threads_at_the_same_time
            futures_that_never_wait_hold_up_no_timer_and_no_socket
            futures_that_never_wait_let_others_run
            wake_ups_go_from_task_to_task
            what_is_spawned_is_detached
            what_is_spawned_outlives_its_spawner
        );
    };
    (@timers $leaf:ty) => {
        $crate::conformance_suite!(@within $leaf, timers:
            a_deadline_can_be_brought_forward_while_waiting
            a_deadline_can_be_put_off_while_waiting
            a_deadline_in_the_past_is_ready_at_once
            a_fired_timer_stays_ready_until_it_is_armed_again
            a_timer_fires_at_its_deadline_again_and_again
            a_timer_that_fired_unseen_can_be_armed_again
            a_timer_that_is_dropped_wakes_nobody
            a_timer_that_was_never_armed_stays_pending
            many_timers_wait_at_the_same_time
            only_the_last_waker_is_woken_and_once
        );
    };
    (@within $leaf:ty, $group:ident: $($behaviour:ident)+) => {
        mod $group {
            use super::*;

            $(
                #[test]
                fn $behaviour() {
                    $crate::conformance::check::<$leaf, _>(
                        $crate::conformance::$group::$behaviour::<$leaf>,
                    );
                }
            )+
        }
    };
    (@around $leaf:ty, $group:ident: $($behaviour:ident)+) => {
        mod $group {
            use super::*;

            $(
                #[test]
                fn $behaviour() {
                    $crate::conformance::$group::$behaviour::<$leaf>();
                }
            )+
        }
    };
}

/// Runs one behaviour on a new runtime.
#[doc(hidden)]
pub fn check<L: Leaf, F>(behaviour: fn(L::Runtime) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    L::run(move |runtime| async move {
        let give_up = runtime.now() + L::PATIENCE;
        let done = timeout(&runtime, give_up, behaviour(runtime.clone())).await;
        assert!(done.is_ok(), "it is not done after {:?}", L::PATIENCE);
    });
}
