use super::*;
use prometheus_rsocket_runtime::websocket::connect;

#[test]
fn a_client_that_asks_as_it_should_gets_a_websocket() {
    on_port(config(), async |port| {
        let mut client = port.connect().await;
        client.write_all(REQUEST.as_bytes()).await.unwrap();
        let expected = "HTTP/1.1 101 Switching Protocols\r\n\
            upgrade: websocket\r\n\
            connection: Upgrade\r\n\
            sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
            \r\n";
        assert_eq!(head(&mut client).await, expected);
        let mut socket = port.ended.recv().await.unwrap().unwrap();
        client.write_all(&message(b"setup")).await.unwrap();
        let mut frame = [0; 8];
        socket.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame[..], prefixed(b"setup"));
        socket.write_all(&prefixed(b"key")).await.unwrap();
        socket.flush().await.unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, *b"\x82\x03key");
        drop(client);
        assert_eq!(socket.read(&mut frame).await.unwrap(), 0);
    });
}

#[test]
fn our_own_client_gets_a_websocket() {
    on_port(config(), async |port| {
        let config = WebSocketConfig::default();
        let stream = port.connect().await;
        let mut client = connect(stream, "localhost:8081", "/apps?a=b", &config).await.unwrap();
        let mut server = port.ended.recv().await.unwrap().unwrap();
        client.write_all(&prefixed(&[7; 100_000])).await.unwrap();
        client.close().await.unwrap();
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        assert!(received == prefixed(&[7; 100_000]));
        server.close().await.unwrap();
        assert_eq!(client.read_to_end(&mut received).await.unwrap(), 0);
    });
}

#[test]
fn what_a_client_sends_right_after_its_request_is_not_lost() {
    on_port(config(), async |port| {
        for len in [1, 100, 60_000] {
            let mut client = port.connect().await;
            let bytes = [REQUEST.as_bytes(), &message(&vec![b's'; len]), &message(b"x")].concat();
            client.write_all(&bytes).await.unwrap();
            let mut socket = port.ended.recv().await.unwrap().unwrap();
            head(&mut client).await;
            drop(client);
            let mut received = Vec::new();
            socket.read_to_end(&mut received).await.unwrap();
            assert!(received == [prefixed(&vec![b's'; len]), prefixed(b"x")].concat());
        }
    });
}

#[test]
fn a_request_may_come_byte_by_byte() {
    on_port(config(), async |port| {
        let mut client = port.connect().await;
        for byte in REQUEST.as_bytes() {
            client.write_all(&[*byte]).await.unwrap();
        }
        assert!(head(&mut client).await.starts_with("HTTP/1.1 101 "));
        assert!(port.ended.recv().await.unwrap().is_ok());
    });
}

#[test]
fn any_path_will_do_unless_there_is_one() {
    let ask = |port: &Port, path: &'static str| {
        let runtime = port.runtime.clone();
        let port = port.port;
        async move {
            let stream = runtime.connect("127.0.0.1", port).await.unwrap();
            connect(stream, "localhost", path, &WebSocketConfig::default()).await
        }
    };
    on_port(config(), async |port| {
        for path in ["/", "/rsocket", "/?x=y", "/a/b/c"] {
            assert!(ask(&port, path).await.is_ok(), "{path}");
            assert!(port.ended.recv().await.unwrap().is_ok());
        }
    });
    let config = UpgradeConfig { path: Some("/rsocket".into()), ..config() };
    on_port(config, async |port| {
        for path in ["/rsocket", "/rsocket?x=y", "/rsocket?"] {
            assert!(ask(&port, path).await.is_ok(), "{path}");
            assert!(port.ended.recv().await.unwrap().is_ok());
        }
        for path in ["/", "/rsocket/", "/rsocke", "/rsocket2", "/?/rsocket"] {
            let error = ask(&port, path).await.unwrap_err().to_string();
            assert!(error.contains("404 Not Found"), "{error}");
            assert!(error.contains("on the path /rsocket, and nothing else"), "{error}");
            let error = port.ended.recv().await.unwrap().unwrap_err();
            let UpgradeError::Refused(status, why) = error else { panic!("{error}") };
            assert!(status == 404 && why.contains("/rsocket"));
        }
    });
}

#[test]
fn the_bounds_of_the_websocket_are_the_configured_ones() {
    let mut config = config();
    config.websocket.max_message_len = 10;
    on_port(config, async |port| {
        let mut client = port.connect().await;
        client.write_all(REQUEST.as_bytes()).await.unwrap();
        client.write_all(&message(&[0; 11])).await.unwrap();
        let mut socket = port.ended.recv().await.unwrap().unwrap();
        head(&mut client).await;
        drop(client);
        let error = socket.read(&mut [0; 100]).await.unwrap_err().to_string();
        assert!(error.contains("limit of 10"), "{error}");
    });
}
