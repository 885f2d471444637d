//! The lifetime of a stream, from Protocol.md, "Stream Sequences and Lifetimes".

use Ends::{Both, Neither, Other, Own};
use Interaction::{Channel, Response, Stream};
use Needs::{Credit, Nothing, OtherHalf, OwnHalf};
use Party::{Requester, Responder};
use Signal::{Cancel, Complete, Error, Next, NextComplete, RequestN};

/// The interaction of a stream. Fire-and-forget leaves no stream once it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interaction {
    Channel,
    Response,
    Stream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Requester,
    Responder,
}

/// A frame on an open stream; PAYLOAD by its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Cancel,
    Complete,
    Error,
    Next,
    NextComplete,
    RequestN,
}

/// When a party may send a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// At any time while the stream is open.
    Nothing,
    /// Until the party has completed.
    OwnHalf,
    /// Until the party has completed, and while it has credit.
    Credit,
    /// Until the other party has completed.
    OtherHalf,
}

/// What a signal ends. A stream is over when both of its halves are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    Neither,
    Own,
    Other,
    Both,
}

/// Which party may send which signal. A signal that is not listed may not be sent, and is ignored when it is received.
///
/// From the start, the requester's half is over except on a channel. The responder's credit is one for a response, and otherwise what the request
/// grants.
const TABLE: [(Interaction, Party, Signal, Needs, Ends); 21] = [
    (Response, Requester, Cancel, Nothing, Both),
    // "If a PAYLOAD for a REQUEST_RESPONSE is received that does not have a COMPLETE flag set, the implementation MUST assume it is set".
    (Response, Responder, Next, Credit, Own),
    (Response, Responder, NextComplete, Credit, Own),
    (Response, Responder, Complete, OwnHalf, Own),
    (Response, Responder, Error, OwnHalf, Both),
    //
    (Stream, Requester, RequestN, OtherHalf, Neither),
    (Stream, Requester, Cancel, Nothing, Both),
    (Stream, Responder, Next, Credit, Neither),
    (Stream, Responder, NextComplete, Credit, Own),
    (Stream, Responder, Complete, OwnHalf, Own),
    (Stream, Responder, Error, OwnHalf, Both),
    //
    (Channel, Requester, Next, Credit, Neither),
    (Channel, Requester, NextComplete, Credit, Own),
    (Channel, Requester, Complete, OwnHalf, Own),
    (Channel, Requester, Error, OwnHalf, Both),
    (Channel, Requester, Cancel, Nothing, Both),
    (Channel, Responder, Next, Credit, Neither),
    (Channel, Responder, NextComplete, Credit, Own),
    (Channel, Responder, Complete, OwnHalf, Own),
    (Channel, Responder, Error, OwnHalf, Both),
    // Not in the specification, which has no way to stop a requester; rsocket-java sends it.
    (Channel, Responder, Cancel, OtherHalf, Other),
];

/// "At any time, a Requester, as well as a Responder, may send REQUEST_N frames".
const EITHER: (Needs, Ends) = (OtherHalf, Neither);

/// Returns the rule for a signal.
pub(super) fn rule(
    interaction: Interaction,
    party: Party,
    signal: Signal,
) -> Option<(Needs, Ends)> {
    if (interaction, signal) == (Channel, RequestN) {
        return Some(EITHER);
    }
    let mut rows = TABLE.iter();
    let row = rows.find(|row| (row.0, row.1, row.2) == (interaction, party, signal));
    row.map(|row| (row.3, row.4))
}

impl Party {
    pub(super) fn other(self) -> Self {
        match self {
            Requester => Responder,
            Responder => Requester,
        }
    }
}
