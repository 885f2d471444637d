//! How connections begin.

use crate::talk::Talk;
use prometheus_rsocket_protocol::Machine;
use prometheus_rsocket_protocol::rsocket::connection::{CloseReason, Config, Event, Violation};
use prometheus_rsocket_protocol::rsocket::frame::{Body, ErrorCode, Frame, Setup, StreamId};

/// rsocket-java #686, #311, #464, #1121; rsocket-js #95, #126.
#[test]
fn row_14_a_rejected_setup_is_told_and_the_connection_closed() {
    // By the server, or by its owner: the ERROR goes out before the connection is over.
    let unwanted = Setup { lease: true, ..Setup::default() };
    let mut rejected = Talk::listening(&Config::default());
    rejected.hears([Frame::on_connection(Body::Setup(Box::new(unwanted)))]);
    let mut turned_away = Talk::server(&Config::default());
    let now = turned_away.now;
    turned_away.connection.close(now, ErrorCode::REJECTED_SETUP, "not you");
    let expected = [
        (ErrorCode::UNSUPPORTED_SETUP, Violation::LeaseUnsupported.to_string()),
        (ErrorCode::REJECTED_SETUP, "not you".to_owned()),
    ];
    for (mut server, (code, message)) in [rejected, turned_away].into_iter().zip(expected) {
        assert!(!server.connection.is_closed(), "the ERROR waits");
        let said = server.says();
        assert_eq!(said, [Frame::error(StreamId::CONNECTION, code, message.clone())]);
        assert!(server.connection.is_closed(), "the server closes the transport");

        // Its client's owner learns code and text, and closes as well.
        let mut client = Talk::client(&Config::default());
        client.hears(said);
        let reason = CloseReason::PeerError { code, message };
        assert_eq!(client.told(), [Event::Closed { reason }]);
        assert!(client.connection.is_closed());
    }
}
