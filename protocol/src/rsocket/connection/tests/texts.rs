use super::*;

/// These texts go to logs and to operators.
#[test]
fn every_end_says_what_happened() {
    let after = Duration::from_secs(90);
    let code = ErrorCode::REJECTED;
    let violation = Violation::FirstFrame;
    let reasons = [
        (CloseReason::Local { code, message: "bye".into() }, "closed by us with REJECTED: bye"),
        (CloseReason::PeerError { code, message: "no".into() }, "the peer sent REJECTED: no"),
        (
            CloseReason::PeerError {
                code: ErrorCode::CONNECTION_ERROR,
                message: "Disposed".into(),
            },
            "the peer closed the connection",
        ),
        (
            CloseReason::NotRsocket(Foreign::TlsAlert),
            "the peer does not speak RSocket: it sent a TLS alert",
        ),
        (CloseReason::Eof { unfinished: 0 }, "the peer closed the connection"),
        (CloseReason::Eof { unfinished: 7 }, "the peer closed the connection 7 bytes into a frame"),
        (CloseReason::SetupTimeout { after }, "no SETUP within 90s"),
        (CloseReason::KeepAliveTimeout { after }, "no keep-alive acks for 90s"),
        (CloseReason::ResumeTimeout { after }, "not resumed within 90s"),
        (
            CloseReason::Violation(violation.clone()),
            "SETUP or RESUME frame must be received before any others",
        ),
    ];
    for (reason, text) in reasons {
        assert_eq!(reason.to_string(), text);
    }
    let failures = [
        (StreamFailure::Error { code, data: "no".into() }, "REJECTED: no"),
        (StreamFailure::Closed, "the connection ended"),
        (
            StreamFailure::Violation(violation),
            "SETUP or RESUME frame must be received before any others",
        ),
    ];
    for (failure, text) in failures {
        assert_eq!(failure.to_string(), text);
    }
    let ordinary = |code, message: &str| {
        CloseReason::PeerError { code, message: message.to_owned() }.is_ordinary()
    };
    assert!(ordinary(ErrorCode::CONNECTION_ERROR, "Disposed"));
    assert!(ordinary(ErrorCode::CONNECTION_CLOSE, "going down"));
    assert!(!ordinary(ErrorCode::CONNECTION_ERROR, "No keep-alive acks for 90000 ms"));
    assert!(!ordinary(ErrorCode::REJECTED_SETUP, "Disposed"));
    assert!(CloseReason::Eof { unfinished: 0 }.is_ordinary());
    assert!(!CloseReason::Eof { unfinished: 1 }.is_ordinary());
    assert_eq!(Credit::UNBOUNDED.to_string(), "2147483647");
}
