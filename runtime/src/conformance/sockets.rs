use super::{
    Leaf,
    support::{dial, listen, pause, units},
};
use crate::{Listener, Runtime, timeout};
use futures_lite::{
    AsyncReadExt, AsyncWriteExt,
    future::{poll_once, zip},
    io::ErrorKind,
};
use std::{net::Ipv6Addr, sync::Arc};

pub async fn port_zero_is_replaced_by_a_free_one<L: Leaf>(runtime: L::Runtime) {
    let (_first, first) = listen::<L>(&runtime).await;
    let (_second, second) = listen::<L>(&runtime).await;
    assert_eq!((first.ip(), second.ip()), (L::address().ip(), L::address().ip()));
    assert!(first.port() != 0 && second.port() != 0);
    assert_ne!(first.port(), second.port());
}

pub async fn a_port_in_use_cannot_be_bound<L: Leaf>(runtime: L::Runtime) {
    let (_listener, address) = listen::<L>(&runtime).await;
    let taken = runtime.bind(address).await.err().expect("it is in use");
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
}

/// A restarted proxy need not wait until the connections of the previous process are forgotten.
pub async fn a_port_with_old_connections_can_be_bound_again<L: Leaf>(runtime: L::Runtime) {
    let (listener, address) = listen::<L>(&runtime).await;
    let _near = dial::<L>(&runtime, address).await.unwrap();
    let (_far, _) = listener.accept().await.unwrap();
    drop(listener);
    runtime.bind(address).await.unwrap();
}

pub async fn a_closed_listener_refuses<L: Leaf>(runtime: L::Runtime) {
    let (listener, address) = listen::<L>(&runtime).await;
    dial::<L>(&runtime, address).await.unwrap();
    drop(listener);
    let refused = dial::<L>(&runtime, address).await.err().expect("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

pub async fn the_peer_is_named<L: Leaf>(runtime: L::Runtime) {
    let (listener, address) = listen::<L>(&runtime).await;
    let mut peers = Vec::new();
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(dial::<L>(&runtime, address).await.unwrap());
        let (stream, peer) = listener.accept().await.unwrap();
        open.push(stream);
        assert!(peer.port() != 0 && peer != address, "{peer}");
        peers.push(peer);
    }
    assert_ne!(peers[0], peers[1]);
}

pub async fn a_host_may_be_a_name<L: Leaf>(runtime: L::Runtime) {
    let (listener, address) = listen::<L>(&runtime).await;
    let host = L::HOST_NAME.map_or_else(|| address.ip().to_string(), str::to_owned);
    let mut near = runtime.connect(&host, address.port()).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    near.write_all(b"x").await.unwrap();
    far.read_exact(&mut [0]).await.unwrap();
}

pub async fn a_host_may_be_an_ipv6_address<L: Leaf>(runtime: L::Runtime) {
    // Not every machine has IPv6.
    let Ok(listener) = runtime.bind((Ipv6Addr::LOCALHOST, 0).into()).await else {
        return;
    };
    let address = listener.local_addr().unwrap();
    let _near = runtime.connect("::1", address.port()).await.unwrap();
    let (_far, peer) = listener.accept().await.unwrap();
    assert_eq!(peer.ip(), Ipv6Addr::LOCALHOST);
}

/// No name has such a character, so no name server is asked.
pub async fn a_host_that_cannot_be_found_is_an_error<L: Leaf>(runtime: L::Runtime) {
    let error = runtime.connect("no\0host", 1).await.err().expect("it is no name");
    assert!(error.to_string().contains("no\\0host"), "{error}");
}

pub async fn a_peer_that_never_connects_is_given_up_at_the_deadline<L: Leaf>(runtime: L::Runtime) {
    let (listener, address) = listen::<L>(&runtime).await;
    for _ in 0..3 {
        let deadline = runtime.now() + units::<L>(5);
        assert!(timeout(&runtime, deadline, listener.accept()).await.is_err());
        assert!(runtime.now() >= deadline);
    }
    let (accepted, dialled) = zip(listener.accept(), dial::<L>(&runtime, address)).await;
    assert!(accepted.is_ok() && dialled.is_ok());
}

pub async fn an_accept_that_is_dropped_loses_no_connection<L: Leaf>(runtime: L::Runtime) {
    let (listener, address) = listen::<L>(&runtime).await;
    let mut accept = Box::pin(listener.accept());
    assert!(poll_once(&mut accept).await.is_none());
    let mut near = dial::<L>(&runtime, address).await.unwrap();
    // By now it is woken, but has not been polled.
    pause::<L>(&runtime, 3).await;
    drop(accept);
    let (mut far, _) = listener.accept().await.unwrap();
    near.write_all(b"x").await.unwrap();
    far.read_exact(&mut [0]).await.unwrap();

    // An accept that is polled when there is a connection either takes it or leaves it.
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(dial::<L>(&runtime, address).await.unwrap());
    }
    while open.len() < 20 {
        match poll_once(listener.accept()).await {
            Some(accepted) => open.push(accepted.unwrap().0),
            None => pause::<L>(&runtime, 1).await,
        }
    }
}

pub async fn a_connect_that_is_dropped_does_no_harm<L: Leaf>(runtime: L::Runtime) {
    let (listener, address) = listen::<L>(&runtime).await;
    for _ in 0..3 {
        drop(poll_once(dial::<L>(&runtime, address)).await);
    }
    let mut near = dial::<L>(&runtime, address).await.unwrap();
    near.write_all(b"x").await.unwrap();
    loop {
        // Dropped attempts may have been established, and may be gone by now.
        let Ok((mut far, _)) = listener.accept().await else { continue };
        if far.read_exact(&mut [0]).await.is_ok() {
            break;
        }
    }
}

/// After a restart, all applications connect at once.
pub async fn hundreds_connect_before_the_first_is_accepted<L: Leaf>(runtime: L::Runtime) {
    let (listener, address) = listen::<L>(&runtime).await;
    let mut open = Vec::new();
    for number in 0..CROWD {
        let deadline = runtime.now() + L::PATIENCE / 10;
        let connect = timeout(&runtime, deadline, dial::<L>(&runtime, address)).await;
        let stream = connect.unwrap_or_else(|_| {
            panic!("only {number} can wait to be accepted; does the system allow {CROWD} (net.core.somaxconn)?")
        });
        open.push(stream.unwrap());
    }
    for _ in 0..CROWD {
        listener.accept().await.unwrap();
    }
}

pub async fn several_tasks_accept_on_one_listener<L: Leaf>(runtime: L::Runtime) {
    let (listener, address) = listen::<L>(&runtime).await;
    let listener = Arc::new(listener);
    let (sender, accepted) = async_channel::unbounded();
    for _ in 0..3 {
        let (listener, sender) = (Arc::clone(&listener), sender.clone());
        runtime.spawn(async move {
            // One each, so that all of them must be woken.
            sender.send(listener.accept().await.unwrap()).await.unwrap();
        });
    }
    pause::<L>(&runtime, 3).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(dial::<L>(&runtime, address).await.unwrap());
    }
    for _ in 0..3 {
        accepted.recv().await.unwrap();
    }
}

/// More than systems queue by default, and less than the limit that they impose.
const CROWD: usize = 300;

/// Bytes go both ways, and each direction ends separately, as with TCP.
pub async fn unix_sockets_are_connected_to_where_there_are_any<L: Leaf>(runtime: L::Runtime) {
    let number = u64::from(std::process::id()) << 16 | u64::from(L::THREADS as u16);
    let type_name = std::any::type_name::<L>().replace(|c: char| !c.is_alphanumeric(), "-");
    let path = std::env::temp_dir().join(format!("{type_name}-{number}.sock"));
    if !L::UNIX_SOCKETS {
        let error = runtime.connect_unix(&path).await.err().expect("there are none");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
        return;
    }
    let error = runtime.connect_unix(&path).await.err().expect("it is not there");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    #[cfg(unix)]
    {
        use std::io::{Read, Write};
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let echo = runtime.unblock(move || {
            let (mut far, _) = listener.accept().unwrap();
            let mut heard = Vec::new();
            far.read_to_end(&mut heard).unwrap();
            far.write_all(&heard).unwrap();
        });
        let talk = async {
            let mut near = runtime.connect_unix(&path).await.unwrap();
            let sent = vec![7; 300_000];
            near.write_all(&sent).await.unwrap();
            near.close().await.unwrap();
            let mut heard = Vec::new();
            near.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, sent);
        };
        let (echoed, ()) = zip(echo, talk).await;
        echoed.unwrap();
        std::fs::remove_file(path).unwrap();
    }
}
