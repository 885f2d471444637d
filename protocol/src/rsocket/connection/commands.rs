//! What an owner does with streams.

use super::credit::{Balance, Credit};
use super::streams::{Half, Kind, Side, Stream};
use super::{Connection, RequestError, StreamError, cut};
use crate::rsocket::Payload;
use crate::rsocket::frame::{Body, ErrorCode, Frame, StreamId};
use bytes::Bytes;

impl Connection {
    /// Sends REQUEST_RESPONSE; [`Event::Response`](super::Event::Response) or
    /// [`Event::RequestFailed`](super::Event::RequestFailed) follows under the returned id.
    pub fn request_response(&mut self, payload: Payload) -> Result<StreamId, RequestError> {
        let body = Body::RequestResponse { follows: false, payload };
        self.request(body, Kind::Response, Half::Closed, Credit::new(1))
    }

    /// Sends REQUEST_STREAM, with credit for the first payloads; [`request_n`](Self::request_n) grants more.
    ///
    /// [`Event::Payload`](super::Event::Payload) follows for each under the returned id, and at the end
    /// [`Event::Completed`](super::Event::Completed) or [`Event::RequestFailed`](super::Event::RequestFailed).
    pub fn request_stream(
        &mut self,
        payload: Payload,
        initial_n: Credit,
    ) -> Result<StreamId, RequestError> {
        let body = Body::RequestStream { follows: false, initial_n: initial_n.get(), payload };
        self.request(body, Kind::Stream, Half::Closed, Some(initial_n))
    }

    /// Sends REQUEST_CHANNEL with its first payload, and credit for the peer's; `complete` if there is no other of ours.
    ///
    /// More may be [sent](Self::send) once [`Event::CreditReceived`](super::Event::CreditReceived) allows it. The peer's side is as with
    /// [`request_stream`](Self::request_stream). The channel is over when both sides are complete.
    pub fn request_channel(
        &mut self,
        payload: Payload,
        initial_n: Credit,
        complete: bool,
    ) -> Result<StreamId, RequestError> {
        let number = initial_n.get();
        let body = Body::RequestChannel { follows: false, complete, initial_n: number, payload };
        let sending = if complete { Half::Closed } else { Half::Open(Balance::default()) };
        self.request(body, Kind::Channel, sending, Some(initial_n))
    }

    /// Sends REQUEST_FNF. Nothing tells whether it arrived.
    pub fn fire_and_forget(&mut self, payload: Payload) -> Result<StreamId, RequestError> {
        self.send_request(Body::RequestFnf { follows: false, payload })
    }

    /// Sends METADATA_PUSH. It is no request, and no lease is needed.
    pub fn metadata_push(&mut self, metadata: Bytes) -> Result<(), RequestError> {
        self.check_open()?;
        let frame = Frame::on_connection(Body::MetadataPush { metadata });
        self.check_frame(&frame)?;
        self.check_room(&frame)?;
        self.outbound.push_control(frame);
        Ok(())
    }

    /// Sends EXT, a frame outside the specification, on any stream. With `can_ignore` a peer that does not know it ignores it.
    pub fn extension(
        &mut self,
        stream_id: StreamId,
        can_ignore: bool,
        extended_type: u32,
        payload: Payload,
    ) -> Result<(), RequestError> {
        self.check_open()?;
        let body = Body::Ext { extended_type, payload };
        let frame = Frame { stream_id, can_ignore, body };
        self.check_frame(&frame)?;
        self.check_room(&frame)?;
        if stream_id.is_connection() {
            self.outbound.push_control(frame);
        } else {
            self.outbound.push_stream(frame);
        }
        Ok(())
    }

    /// Sends a payload on a channel, or on a stream of the peer's, which takes one of the credit that the peer gave.
    /// On a REQUEST_RESPONSE of the peer's it is the answer, and ends the stream.
    ///
    /// # Errors
    ///
    /// The stream is over or never was; the peer has given no credit; or the payload cannot be queued now.
    pub fn send(&mut self, stream_id: StreamId, payload: Payload) -> Result<(), StreamError> {
        let is_answer = self.sending(stream_id)?.kind == Kind::Response;
        self.send_payload(stream_id, payload, is_answer)
    }

    /// Sends a payload, and with it that it is the last: the answer to a REQUEST_RESPONSE, or the end of a stream, or of our
    /// side of a channel. Errors as [`send`](Self::send).
    pub fn respond(&mut self, stream_id: StreamId, payload: Payload) -> Result<(), StreamError> {
        self.send_payload(stream_id, payload, true)
    }

    /// Says that we have sent our last payload; on a REQUEST_RESPONSE that there is none (Java's empty `Mono`).
    pub fn complete(&mut self, stream_id: StreamId) -> Result<(), StreamError> {
        self.sending(stream_id)?;
        let payload = Payload::default();
        let body = Body::Payload { follows: false, complete: true, next: false, payload };
        let frame = Frame::new(stream_id, body);
        self.check_room(&frame)?;
        self.outbound.push_stream(frame);
        self.close_sending(stream_id);
        Ok(())
    }

    /// Ends a stream by an ERROR frame: one of the peer's, or a channel of ours to which we still could send. A text
    /// over 64 KiB is cut.
    pub fn reject(
        &mut self,
        stream_id: StreamId,
        code: ErrorCode,
        message: &str,
    ) -> Result<(), StreamError> {
        self.sending(stream_id)?;
        self.streams.remove(stream_id);
        self.push_stream_error(stream_id, code, message);
        self.settle();
        Ok(())
    }

    /// Gives up a request of ours: sends CANCEL, or nothing where the request had not been sent yet. No event follows.
    ///
    /// On a channel of the peer's it gives up what the peer sends; our side stays open. The specification has no name for
    /// that, but rsocket-java does so, too.
    pub fn cancel(&mut self, stream_id: StreamId) -> Result<(), StreamError> {
        let stream = self.streams.known(stream_id).ok_or(StreamError::NotOpen(stream_id))?;
        match stream.side {
            Side::Requested => self.abandon(stream_id),
            Side::Received if stream.receiving.is_open() => {
                stream.receiving = Half::Closed;
                let unfinished = stream.assembly.take();
                self.streams.on_finished(unfinished.map_or(0, |assembly| assembly.cost()));
                self.outbound.push_stream(Frame::new(stream_id, Body::Cancel));
                self.streams.tidy(stream_id);
            }
            Side::Received => return Err(StreamError::NotOpen(stream_id)),
        }
        self.settle();
        Ok(())
    }

    /// Allows the peer so many more payloads, on a stream of ours or on a channel. Credits add up.
    pub fn request_n(&mut self, stream_id: StreamId, credit: Credit) -> Result<(), StreamError> {
        let frame = Frame::new(stream_id, Body::RequestN { n: credit.get() });
        let room = self.check_room(&frame);
        let stream = self.streams.known(stream_id).filter(|stream| stream.kind != Kind::Response);
        match stream.map(|stream| &mut stream.receiving) {
            Some(Half::Open(balance)) => {
                room?;
                balance.add(credit);
                self.outbound.push_stream(frame);
                Ok(())
            }
            Some(Half::Closed) | None => Err(StreamError::NotOpen(stream_id)),
        }
    }

    /// How many payloads the peer takes on a stream; 0 where none can be sent.
    pub fn credit(&self, stream_id: StreamId) -> u32 {
        match self.streams.get(stream_id).map(|stream| stream.sending) {
            Some(Half::Open(balance)) => balance.get(),
            Some(Half::Closed) | None => 0,
        }
    }

    /// Whether frames of a stream wait to be taken by [`poll_transmit`](crate::Machine::poll_transmit).
    pub fn has_output(&self, stream_id: StreamId) -> bool {
        self.outbound.has_stream(stream_id)
    }

    fn request(
        &mut self,
        body: Body,
        kind: Kind,
        sending: Half,
        credit: Option<Credit>,
    ) -> Result<StreamId, RequestError> {
        self.check_may_request()?;
        let limit = self.config.max_open_streams;
        if self.streams.count(Side::Requested) >= limit {
            return Err(RequestError::TooManyStreams { limit });
        }
        let stream_id = self.send_request(body)?;
        let receiving = Half::Open(Balance::new(credit));
        self.streams.insert(stream_id, Stream::new(Side::Requested, kind, sending, receiving));
        Ok(stream_id)
    }

    fn send_request(&mut self, body: Body) -> Result<StreamId, RequestError> {
        self.check_may_request()?;
        let mut frame = Frame::on_connection(body);
        self.check_room(&frame)?;
        let stream_id = self.ids.take(|id| self.streams.get(id).is_some());
        frame.stream_id = stream_id;
        self.count_request();
        self.outbound.push_stream(frame);
        Ok(stream_id)
    }

    fn send_payload(
        &mut self,
        stream_id: StreamId,
        payload: Payload,
        complete: bool,
    ) -> Result<(), StreamError> {
        let body = Body::Payload { follows: false, complete, next: true, payload };
        let frame = Frame::new(stream_id, body);
        let room = self.check_room(&frame);
        let Half::Open(balance) = &mut self.sending(stream_id)?.sending else {
            return Err(StreamError::NotOpen(stream_id));
        };
        if balance.get() == 0 {
            return Err(StreamError::NoCredit(stream_id));
        }
        room?;
        balance.take();
        self.outbound.push_stream(frame);
        if complete {
            self.close_sending(stream_id);
        }
        Ok(())
    }

    /// A stream on which we may send.
    fn sending(&mut self, stream_id: StreamId) -> Result<&mut Stream, StreamError> {
        let stream = self.streams.known(stream_id).filter(|stream| stream.sending.is_open());
        stream.ok_or(StreamError::NotOpen(stream_id))
    }

    fn close_sending(&mut self, stream_id: StreamId) {
        if let Some(stream) = self.streams.get_mut(stream_id) {
            stream.sending = Half::Closed;
        }
        self.streams.tidy(stream_id);
    }

    /// Ends a request of ours towards the peer, who need not know of one that was not sent yet.
    pub(super) fn abandon(&mut self, stream_id: StreamId) {
        self.streams.remove(stream_id);
        if !self.outbound.drop_stream(stream_id) {
            self.outbound.push_stream(Frame::new(stream_id, Body::Cancel));
        }
    }

    pub(super) fn push_stream_error(
        &mut self,
        stream_id: StreamId,
        code: ErrorCode,
        message: &str,
    ) {
        self.outbound.push_stream(Frame::error(stream_id, code, cut(message).to_owned()));
    }
}
