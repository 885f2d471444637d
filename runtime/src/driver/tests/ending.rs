use super::super::{DriveEnd, DriverConfig};
use super::toy::{FAREWELL, REFUSED, Toy, encode, start};
use crate::testing::{Virtual, duplex, run};
use std::{io, time::Duration};

#[test]
fn the_final_frame_is_delivered_though_input_is_left_unread() {
    let (near, far) = duplex(1000);
    let (mut task, handle) = start(&Virtual::new(), near, Toy::new(), DriverConfig::default());
    far.outgoing.push(&encode(REFUSED));
    run(&mut [&mut task]);
    assert!(far.incoming.has_ended(), "our direction ends at once");
    assert!(handle.lock().saw_closed);

    far.outgoing.push(&encode(b"what I still had to say").repeat(10));
    run(&mut [&mut task]);
    assert!(task.output().is_none());
    assert_eq!(far.outgoing.len(), 0, "it is read, lest the kernel reset the connection");

    far.outgoing.end();
    run(&mut [&mut task]);
    assert_eq!(task.output().unwrap().0.unwrap(), DriveEnd::Closed);
    assert_eq!(far.incoming.take(), encode(FAREWELL));
}

#[test]
fn the_owner_takes_the_last_events() {
    let (near, far) = duplex(1000);
    let (mut task, handle) = start(&Virtual::new(), near, Toy::new(), DriverConfig::default());
    far.outgoing.push(&[encode(b"last words"), encode(REFUSED)].concat());
    far.outgoing.end();
    run(&mut [&mut task]);
    assert_eq!(handle.lock().events, [&b"last words"[..], REFUSED]);
    assert!(handle.lock().saw_closed);
    assert!(task.output().is_some());
}

#[test]
fn the_peers_end_ends_the_connection() {
    let (near, far) = duplex(1000);
    let (mut task, handle) = start(&Virtual::new(), near, Toy::new(), DriverConfig::default());
    far.outgoing.push(b"\x09half a f");
    far.outgoing.end();
    run(&mut [&mut task]);
    let (end, toy) = task.output().unwrap();
    assert_eq!(end.unwrap(), DriveEnd::Closed);
    assert!(toy.eof && handle.lock().saw_closed && handle.lock().events.is_empty());
    assert!(far.incoming.has_ended());
}

#[test]
fn a_machine_may_go_on_after_the_peers_end() {
    let (near, far) = duplex(1000);
    let toy = Toy { half_open: true, ..Toy::new() };
    let (mut task, handle) = start(&Virtual::new(), near, toy, DriverConfig::default());
    far.outgoing.end();
    run(&mut [&mut task]);
    handle.send(b"still here");
    run(&mut [&mut task]);
    assert_eq!(far.incoming.take(), encode(b"still here"));

    // No input is left, so the driver does not wait for any.
    drop(far);
    handle.send(b"lost");
    run(&mut [&mut task]);
    assert_eq!(task.output().unwrap().0.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_peer_that_does_not_end_is_left_when_the_linger_time_is_over() {
    let runtime = Virtual::new();
    let (near, far) = duplex(1000);
    let config = DriverConfig { linger: Duration::from_secs(2), ..DriverConfig::default() };
    let (mut task, handle) = start(&runtime, near, Toy::new(), config);
    handle.command(Toy::close);
    run(&mut [&mut task]);
    runtime.advance(Duration::from_millis(1999));
    run(&mut [&mut task]);
    assert!(task.output().is_none());
    runtime.advance(Duration::from_millis(1));
    run(&mut [&mut task]);
    assert_eq!(task.output().unwrap().0.unwrap(), DriveEnd::LingerExpired);
    assert_eq!(far.incoming.take(), encode(FAREWELL));
}

#[test]
fn a_peer_that_does_not_read_holds_up_a_close_no_longer_than_that() {
    let runtime = Virtual::new();
    let (near, far) = duplex(5);
    let config = DriverConfig { linger: Duration::from_secs(2), ..DriverConfig::default() };
    let (mut task, handle) = start(&runtime, near, Toy::new(), config);
    handle.command(Toy::close);
    run(&mut [&mut task]);
    // A little output moves, which must not count.
    runtime.advance(Duration::from_secs(1));
    far.incoming.set_capacity(6);
    run(&mut [&mut task]);
    runtime.advance(Duration::from_secs(1));
    run(&mut [&mut task]);
    assert_eq!(task.output().unwrap().0.unwrap(), DriveEnd::LingerExpired);
}

#[test]
fn a_peer_that_goes_on_sending_is_left_after_so_many_bytes() {
    let (near, far) = duplex(1000);
    let config = DriverConfig { linger_bytes: 10_000, read_chunk: 100, ..DriverConfig::default() };
    let (mut task, _handle) = start(&Virtual::new(), near, Toy::new(), config);
    far.outgoing.push(&encode(REFUSED));
    far.outgoing.push(&[0; 50_000]);
    run(&mut [&mut task]);
    assert_eq!(task.output().unwrap().0.unwrap(), DriveEnd::LingerExpired);
}

#[test]
fn an_error_amid_a_frame_is_reported_and_the_machine_told() {
    let (near, far) = duplex(1000);
    let (mut task, handle) = start(&Virtual::new(), near, Toy::new(), DriverConfig::default());
    far.outgoing.push(b"\x09half a f");
    run(&mut [&mut task]);
    far.outgoing.fail(io::ErrorKind::ConnectionReset);
    run(&mut [&mut task]);
    let (end, toy) = task.output().unwrap();
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(toy.eof);
    assert!(handle.lock().saw_closed, "the owner was polled after that");
}

/// A proxy that rejects us sends an ERROR and closes; our next write fails before we have read it.
#[test]
fn what_the_peer_said_before_it_left_is_read_though_writing_fails() {
    let (near, far) = duplex(1000);
    let (mut task, handle) = start(&Virtual::new(), near, Toy::new(), DriverConfig::default());
    run(&mut [&mut task]);
    far.incoming.fail(io::ErrorKind::BrokenPipe);
    handle.send(b"too late");
    run(&mut [&mut task]);
    assert!(task.output().is_none());

    far.outgoing.push(&encode(b"rejected"));
    far.outgoing.end();
    run(&mut [&mut task]);
    let (end, toy) = task.output().unwrap();
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(handle.lock().events, [&b"rejected"[..]]);
    assert!(toy.eof);
}

#[test]
fn after_a_failed_write_reading_goes_on_no_longer_than_the_linger_time() {
    let runtime = Virtual::new();
    let (near, far) = duplex(1000);
    let config = DriverConfig { linger: Duration::from_secs(2), ..DriverConfig::default() };
    let (mut task, handle) = start(&runtime, near, Toy::new(), config);
    far.incoming.fail(io::ErrorKind::BrokenPipe);
    handle.send(b"lost");
    run(&mut [&mut task]);
    assert!(task.output().is_none());
    runtime.advance(Duration::from_secs(2));
    run(&mut [&mut task]);
    let (end, toy) = task.output().unwrap();
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert!(toy.eof);
}

#[test]
fn a_peer_that_takes_nothing_counts_as_failed_in_the_end() {
    let runtime = Virtual::new();
    let (near, far) = duplex(5);
    let config = DriverConfig { write_timeout: Duration::from_secs(60), ..DriverConfig::default() };
    let (mut task, handle) = start(&runtime, near, Toy::new(), config);
    handle.send(b"a frame that does not fit");
    run(&mut [&mut task]);
    runtime.advance(Duration::from_secs(59));
    far.incoming.set_capacity(6);
    run(&mut [&mut task]);
    runtime.advance(Duration::from_secs(59));
    far.outgoing.push(&encode(b"reading does not count"));
    run(&mut [&mut task]);
    assert!(task.output().is_none(), "one byte more was taken, a minute ago less a second");

    runtime.advance(Duration::from_secs(1));
    run(&mut [&mut task]);
    let (end, toy) = task.output().unwrap();
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(toy.eof && handle.lock().saw_closed);
}

#[test]
fn a_peer_that_is_gone_when_we_close_is_no_error() {
    let (near, far) = duplex(1000);
    let (mut task, handle) = start(&Virtual::new(), near, Toy::new(), DriverConfig::default());
    handle.command(Toy::close);
    run(&mut [&mut task]);
    drop(far);
    run(&mut [&mut task]);
    assert_eq!(task.output().unwrap().0.unwrap(), DriveEnd::Closed);
}

#[test]
fn a_machine_that_waits_for_another_transport_gives_this_one_up() {
    let runtime = Virtual::new();
    let (near, far) = duplex(1000);
    let toy = Toy { resumable: true, ..Toy::new() };
    let (mut task, handle) = start(&runtime, near, toy, DriverConfig::default());
    far.outgoing.push(&encode(b"before the end"));
    far.outgoing.end();
    run(&mut [&mut task]);
    let (end, mut toy) = task.output().unwrap();
    assert_eq!(end.unwrap(), DriveEnd::Suspended);
    assert_eq!(handle.lock().events, [&b"before the end"[..]]);
    assert!(!handle.lock().saw_closed);

    let (near, far) = duplex(1000);
    toy.suspended = false;
    toy.out.push_back(b"here again".to_vec());
    let (mut task, _handle) = start(&runtime, near, toy, DriverConfig::default());
    run(&mut [&mut task]);
    assert_eq!(far.incoming.take(), encode(b"here again"));
    assert!(task.output().is_none());
}

#[test]
fn an_owner_can_take_the_transport_from_a_machine() {
    let (near, far) = duplex(1000);
    let (mut task, handle) = start(&Virtual::new(), near, Toy::new(), DriverConfig::default());
    run(&mut [&mut task]);
    handle.command(|toy| toy.suspended = true);
    run(&mut [&mut task]);
    assert_eq!(task.output().unwrap().0.unwrap(), DriveEnd::Suspended);
    assert!(far.incoming.take().is_empty(), "there is nothing to say");
    assert!(far.incoming.has_ended(), "the stream is dropped");
}

#[test]
fn a_transport_that_failed_is_reported_also_where_the_machine_waits_for_another() {
    let (near, far) = duplex(1000);
    let toy = Toy { resumable: true, ..Toy::new() };
    let (mut task, handle) = start(&Virtual::new(), near, toy, DriverConfig::default());
    run(&mut [&mut task]);
    far.outgoing.fail(io::ErrorKind::ConnectionReset);
    run(&mut [&mut task]);
    let (end, toy) = task.output().unwrap();
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(toy.suspended && !handle.lock().saw_closed);
}
