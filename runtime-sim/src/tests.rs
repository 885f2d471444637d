use crate::{LinkConfig, Sim, SimHost, SimStream, Strike};
use futures_lite::future::{or, poll_once};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use prometheus_rsocket_runtime::{JobLost, Listener, Runtime, sleep_until, timeout};
use std::future::{pending, poll_fn};
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

#[test]
fn the_clock_jumps_to_what_is_due_next_and_not_beyond() {
    let sim = Sim::new(1);
    let host = sim.host("a");
    let begin = host.now();
    let sleeper = host.clone();
    sim.block_on(async move { sleep_until(&sleeper, begin + HOUR).await });
    assert_eq!(host.now() - begin, HOUR);
    sim.run_for(HOUR);
    assert_eq!(sim.elapsed(), 2 * HOUR);
}

#[test]
fn a_run_is_the_same_from_the_same_seed_and_another_from_another() {
    let first = chatter(5);
    assert_eq!(chatter(5), first);
    assert_ne!(chatter(6), first);
    assert!(first.1.iter().any(|line| line.contains("connects to server:80")), "{first:?}");
}

#[test]
fn the_order_of_woken_tasks_comes_from_the_seed() {
    let orders: Vec<Vec<usize>> = (0..20).map(order).collect();
    assert!(orders.iter().any(|order| *order != orders[0]));
    for mut order in orders {
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3]);
    }
}

#[test]
fn randomness_is_the_seeds() {
    let draw = |seed| {
        let mut bytes = [0; 16];
        Sim::new(seed).host("a").fill_random(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert_ne!(draw(1), [0; 16]);
}

#[test]
fn a_task_that_nobody_wakes_is_not_polled_again() {
    let sim = Sim::new(1);
    let host = sim.host("a");
    let polls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&polls);
    host.spawn(poll_fn(move |_| {
        *counted.lock().unwrap() += 1;
        Poll::Pending
    }));
    sim.run_for(HOUR);
    assert_eq!(*polls.lock().unwrap(), 1);
    assert_eq!(sim.tasks(&host), 1);
}

#[test]
#[should_panic(expected = "every task waits")]
fn a_lost_wake_up_is_noticed() {
    Sim::new(1).block_on(pending::<()>());
}

#[test]
#[should_panic(expected = "never come to rest")]
fn an_endless_loop_is_noticed() {
    Sim::new(1).block_on(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
}

#[test]
fn a_panic_ends_its_task_alone_and_is_counted() {
    let sim = Sim::new(1);
    let host = sim.host("a");
    host.spawn(async { std::panic::resume_unwind(Box::new("one")) });
    let job = host.unblock(|| std::panic::resume_unwind(Box::new("two")));
    let lost: Result<(), JobLost> = sim.block_on(job);
    assert_eq!(lost, Err(JobLost));
    assert_eq!((sim.panics(), sim.tasks(&host)), (1, 0));
}

#[test]
fn bytes_take_their_time() {
    let sim = Sim::new(1);
    let latency = Duration::from_millis(30);
    let link = LinkConfig {
        latency_min: latency,
        latency_max: latency,
        bandwidth: Some(1000),
        ..LinkConfig::default()
    };
    sim.set_link(&sim.host("client"), link);
    let (mut near, mut far) = pair(&sim);
    let begin = sim.elapsed();
    let far = sim.block_on(async move {
        near.write_all(&[0; 500]).await.unwrap();
        far.read_exact(&mut [0; 500]).await.unwrap();
        (near, far)
    });
    assert_eq!(sim.elapsed() - begin, Duration::from_millis(530));
    drop(far);
}

#[test]
fn a_writer_waits_for_room_and_goes_on_when_there_is_some() {
    let sim = Sim::new(1);
    sim.set_link(&sim.host("client"), LinkConfig { capacity: 100, ..LinkConfig::default() });
    let (mut near, mut far) = pair(&sim);
    sim.block_on(async move {
        assert_eq!(near.write(&[1; 300]).await.unwrap(), 100);
        assert!(poll_once(near.write(&[1])).await.is_none());
        let mut received = [0; 101];
        let (read, written) =
            futures_lite::future::zip(far.read_exact(&mut received), near.write_all(&[2])).await;
        read.unwrap();
        written.unwrap();
        assert_eq!(received[99..], [1, 2]);
    });
}

#[test]
fn pieces_lose_and_reorder_nothing() {
    for seed in 0..20 {
        let sim = Sim::new(seed);
        let link = LinkConfig { pieces: true, capacity: 700, ..LinkConfig::default() };
        sim.set_link(&sim.host("client"), link);
        let (mut near, mut far) = pair(&sim);
        let sent: Vec<u8> = (0..5000).map(|i| (i % 251) as u8).collect();
        let expected = sent.clone();
        sim.host("client").spawn(async move {
            near.write_all(&sent).await.unwrap();
            near.close().await.unwrap();
        });
        let mut received = Vec::new();
        let received = sim.block_on(async move {
            far.read_to_end(&mut received).await.unwrap();
            received
        });
        assert!(received == expected, "seed {seed}");
    }
}

#[test]
fn dropping_an_end_with_input_unread_resets_the_other() {
    let sim = Sim::new(1);
    let (mut near, mut far) = pair(&sim);
    let kind = sim.block_on(async move {
        near.write_all(b"unread").await.unwrap();
        far.write_all(b"lost").await.unwrap();
        far.read_exact(&mut [0; 3]).await.unwrap();
        drop(far);
        near.read_exact(&mut [0; 5]).await.unwrap_err().kind()
    });
    assert_eq!(kind, ErrorKind::ConnectionReset);
    assert_eq!(sim.connections(&sim.host("client")), 0, "nothing is left of it");
}

#[test]
fn what_comes_for_an_end_that_is_gone_is_refused() {
    let sim = Sim::new(1);
    let (mut near, far) = pair(&sim);
    drop(far);
    let client = sim.host("client");
    let kind = sim.block_on(async move {
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0, "the end of the stream");
        near.write_all(b"late").await.unwrap();
        sleep_until(&client, client.now() + SECOND).await;
        near.write_all(b"later").await.unwrap_err().kind()
    });
    assert_eq!(kind, ErrorKind::ConnectionReset);
}

#[test]
fn strikes_do_what_their_names_say() {
    let sim = Sim::new(1);
    let client = sim.host("client");
    let (mut near, mut far) = pair(&sim);
    sim.strike(&client, Strike::Stall(HOUR));
    let begin = sim.elapsed();
    let (mut near, mut far) = sim.block_on(async move {
        near.write_all(b"!").await.unwrap();
        far.read_exact(&mut [0]).await.unwrap();
        (near, far)
    });
    assert!(sim.elapsed() - begin >= HOUR);

    sim.strike(&client, Strike::Cut);
    let host = sim.host("server");
    let (mut near, far) = sim.block_on(async move {
        near.write_all(b"!").await.unwrap();
        let deadline = host.now() + HOUR;
        let read = timeout(&host, deadline, far.read(&mut [0])).await;
        assert!(read.is_err(), "nobody is told");
        (near, far)
    });
    drop(far);
    sim.strike(&client, Strike::Reset);
    let kind = sim.block_on(async move { near.read(&mut [0]).await.unwrap_err().kind() });
    assert_eq!(kind, ErrorKind::ConnectionReset);
}

#[test]
fn a_muted_host_hears_and_is_not_heard() {
    let sim = Sim::new(1);
    let client = sim.host("client");
    let (mut near, mut far) = pair(&sim);
    sim.run_for(SECOND);
    let since = sim.elapsed();
    sim.strike(&client, Strike::Mute);
    let host = client.clone();
    let (near, far) = sim.block_on(async move {
        far.write_all(b"!").await.unwrap();
        near.read_exact(&mut [0]).await.unwrap();
        near.write_all(b"!").await.unwrap();
        near.close().await.unwrap();
        assert!(timeout(&host, host.now() + HOUR, far.read(&mut [0])).await.is_err());
        (near, far)
    });
    assert_eq!(sim.oldest_cut(&client), Some(since));
    sim.strike(&client, Strike::Mute);
    assert_eq!(sim.oldest_cut(&client), Some(since), "it was mute before");
    let since = sim.elapsed();
    sim.strike(&client, Strike::Cut);
    assert_eq!(sim.oldest_cut(&client), Some(since));
    drop(near);
    assert_eq!(sim.oldest_cut(&client), Some(since), "one end is open still");
    drop(far);
    assert_eq!(sim.oldest_cut(&client), None);
}

#[test]
fn a_paused_host_does_nothing_and_then_goes_on() {
    let sim = Sim::new(1);
    let host = sim.host("server");
    let ticks = Arc::new(Mutex::new(Vec::new()));
    let (noted, runtime, clock) = (Arc::clone(&ticks), host.clone(), sim.clone());
    host.spawn(async move {
        for _ in 0..5 {
            sleep_until(&runtime, runtime.now() + SECOND).await;
            noted.lock().unwrap().push(clock.elapsed().as_secs());
        }
    });
    sim.run_for(SECOND + SECOND / 2);
    sim.pause(&host, 10 * SECOND);
    sim.pause(&host, SECOND);
    sim.run_for(HOUR);
    assert_eq!(*ticks.lock().unwrap(), [1, 11, 12, 13, 14]);
}

#[test]
fn a_crash_ends_a_hosts_tasks_and_closes_its_sockets() {
    let sim = Sim::new(1);
    let (client, server) = (sim.host("client"), sim.host("server"));
    let (mut near, far) = pair(&sim);
    server.spawn(async move {
        let _held = far;
        pending::<()>().await;
    });
    sim.run_for(SECOND);
    sim.crash(&server);
    let end = sim.block_on(async move { near.read(&mut [0]).await.unwrap() });
    assert_eq!(end, 0);
    assert_eq!((sim.tasks(&server), sim.connections(&client)), (0, 0));
}

#[test]
fn an_isolated_host_is_not_heard() {
    let sim = Sim::new(1);
    let (client, server) = (sim.host("client"), sim.host("server"));
    sim.isolate(&server, true);
    let answer = sim.block_on(async move {
        let _listener = server.bind(([0, 0, 0, 0], 80).into()).await.unwrap();
        timeout(&client, client.now() + HOUR, client.connect("server", 80)).await
    });
    assert!(answer.is_err());
}

#[test]
fn hosts_are_reached_by_name_and_address_but_not_on_their_loopback() {
    let sim = Sim::new(1);
    let (client, server) = (sim.host("client"), sim.host("server"));
    sim.block_on(async move {
        let address = server.address().to_string();
        let _open = server.bind(([0, 0, 0, 0], 80).into()).await.unwrap();
        let _local = server.bind(([127, 0, 0, 1], 81).into()).await.unwrap();
        for (host, name, port, outcome) in [
            (&client, "server", 80, Ok(())),
            (&client, &address[..], 80, Ok(())),
            (&server, "localhost", 81, Ok(())),
            (&client, "server", 81, Err(ErrorKind::ConnectionRefused)),
            (&client, "server", 82, Err(ErrorKind::ConnectionRefused)),
            (&client, "localhost", 80, Err(ErrorKind::ConnectionRefused)),
            (&client, "nobody", 80, Err(ErrorKind::NotFound)),
        ] {
            let connected = host.connect(name, port).await;
            assert_eq!(connected.map(drop).map_err(|error| error.kind()), outcome, "{name}:{port}");
        }
        let other: std::net::SocketAddr = ([10, 9, 9, 9], 83).into();
        assert_eq!(server.bind(other).await.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    });
}

/// Several hosts that exchange messages, with everything that varies: the digest and the log.
fn chatter(seed: u64) -> (u64, Vec<String>) {
    let sim = Sim::new(seed);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    sim.log_to(move |at, line| sink.lock().unwrap().push(format!("{at:?} {line}")));
    let server = sim.host("server");
    let runtime = server.clone();
    server.spawn(async move {
        let listener = runtime.bind(([0, 0, 0, 0], 80).into()).await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            runtime.spawn(async move {
                let mut question = [0; 100];
                stream.read_exact(&mut question).await.unwrap();
                stream.write_all(&question).await.unwrap();
            });
        }
    });
    for name in ["a", "b", "c"] {
        let client = sim.host(name);
        sim.set_link(&client, LinkConfig { pieces: true, ..LinkConfig::default() });
        let runtime = client.clone();
        client.spawn(async move {
            let mut stream = runtime.connect("server", 80).await.unwrap();
            stream.write_all(&[7; 100]).await.unwrap();
            let _ = or(runtime.unblock(|| ()), pending()).await;
            stream.read_exact(&mut [0; 100]).await.unwrap();
        });
    }
    sim.run_for(SECOND);
    assert_eq!(sim.panics(), 0);
    let lines = lines.lock().unwrap().clone();
    (sim.digest(), lines)
}

fn order(seed: u64) -> Vec<usize> {
    let sim = Sim::new(seed);
    let host = sim.host("a");
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..4 {
        let order = Arc::clone(&order);
        host.spawn(async move { order.lock().unwrap().push(number) });
    }
    sim.run_for(SECOND);
    std::mem::take(&mut *order.lock().unwrap())
}

/// A connection from `client` to `server`.
fn pair(sim: &Sim) -> (SimStream, SimStream) {
    let (client, server) = (sim.host("client"), sim.host("server"));
    sim.block_on(connect(client, server))
}

async fn connect(client: SimHost, server: SimHost) -> (SimStream, SimStream) {
    let listener = server.bind(([0, 0, 0, 0], 0).into()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let near = client.connect("server", port).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far)
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_clock_jumps_for_one_host_alone() {
    let sim = Sim::new(1);
    let (near, far) = (sim.host("near"), sim.host("far"));
    let begin = near.now();
    let jump = sim.clone();
    let (early, late, other) = sim.block_on(async move {
        let within = begin + SECOND * 30;
        let beyond = begin + HOUR + SECOND;
        let jumped = near.clone();
        far.spawn(async move { jump.jump(&jumped, HOUR) });
        let early = async {
            sleep_until(&near, within).await;
            near.now() - begin
        };
        let late = async {
            sleep_until(&near, beyond).await;
            near.now() - begin
        };
        let other = far.now();
        let (early, late) = futures_lite::future::zip(early, late).await;
        (early, late, other - begin)
    });
    assert_eq!((early, late, other), (HOUR, HOUR + SECOND, Duration::ZERO));
    assert_eq!(sim.elapsed(), SECOND);
}
