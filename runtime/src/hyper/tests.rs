use super::{HyperIo, HyperTimer};
use crate::{
    Runtime,
    testing::{Duplex, Task, Virtual, duplex, run},
};
use ::hyper::{
    Request, Response, body::Bytes, body::Incoming, client, rt::Timer, server::conn::http1,
    service::service_fn,
};
use futures_lite::future::zip;
use http_body_util::{BodyExt, Full};
use std::{convert::Infallible, time::Duration};

#[test]
fn hyper_asks_and_answers_over_a_shaky_link() {
    let (near, far) = duplex(100);
    near.shake(1);
    let mut server = serve(&Virtual::new(), near);
    let mut client = Task::new(async move {
        let (mut sender, connection) =
            client::conn::http1::handshake(HyperIo::new(far)).await.unwrap();
        let response = sender.send_request(request(vec![b'?'; 5000]));
        let (_, body) = zip(connection, async move {
            let response = response.await.unwrap();
            assert_eq!(response.status(), 200);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            drop(sender);
            body
        })
        .await;
        body
    });
    run(&mut [&mut server, &mut client]);
    assert_eq!(client.output().unwrap(), vec![b'?'; 5000]);
    server.output().unwrap().unwrap();
}

#[test]
fn hypers_time_limits_run_on_the_seams_clock() {
    let runtime = Virtual::new();
    let (near, far) = duplex(100);
    let mut server = serve(&runtime, near);
    far.outgoing.push(b"GET / HTTP/1.1\r\nhost: a");
    run(&mut [&mut server]);
    runtime.advance(Duration::from_millis(9_999));
    run(&mut [&mut server]);
    assert!(server.output().is_none());
    runtime.advance(Duration::from_millis(1));
    run(&mut [&mut server]);
    assert!(server.output().unwrap().unwrap_err().is_timeout());
}

#[test]
fn a_sleep_can_be_put_off() {
    let runtime = Virtual::new();
    let timer = HyperTimer::new(runtime.clone());
    let mut sleep = timer.sleep(Duration::from_secs(5));
    timer.reset(&mut sleep, runtime.now() + Duration::from_secs(7));
    let mut task = Task::new(sleep);
    run(&mut [&mut task]);
    runtime.advance(Duration::from_secs(6));
    run(&mut [&mut task]);
    assert!(task.output().is_none());
    runtime.advance(Duration::from_secs(1));
    run(&mut [&mut task]);
    assert!(task.output().is_some());
}

/// Answers with the body of the request.
fn serve(runtime: &Virtual, stream: Duplex) -> Task<::hyper::Result<()>> {
    let service = service_fn(|request: Request<Incoming>| async {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    });
    Task::new(
        http1::Builder::new()
            .timer(HyperTimer::new(runtime.clone()))
            .header_read_timeout(Duration::from_secs(10))
            .serve_connection(HyperIo::new(stream), service),
    )
}

fn request(body: Vec<u8>) -> Request<Full<Bytes>> {
    Request::post("/").header("host", "a").body(Full::new(body.into())).unwrap()
}
