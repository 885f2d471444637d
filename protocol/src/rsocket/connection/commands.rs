//! The owner's commands on streams.

use super::credit::{Balance, Credit};
use super::streams::{Half, Kind, Side, Stream};
use super::{Connection, RequestError, StreamError, cut};
use crate::rsocket::Payload;
use crate::rsocket::frame::{Body, ErrorCode, Frame, StreamId};
use bytes::Bytes;

impl Connection {
    /// Sends REQUEST_RESPONSE. [`Event::Response`](super::Event::Response) or
    /// [`Event::RequestFailed`](super::Event::RequestFailed) follows under the returned id. A payload that is too long for a
    /// frame is sent in fragments.
    ///
    /// # Errors
    ///
    /// The connection is not set up, or is closed or closing; the peer's lease allows no request; too many requests of ours are
    /// open; or too much output is queued. While the connection is suspended, requests are queued until it is resumed.
    pub fn request_response(&mut self, payload: Payload) -> Result<StreamId, RequestError> {
        let body = Body::RequestResponse { follows: false, payload };
        self.request(body, Kind::Response, Half::Closed, Credit::new(1))
    }

    /// Sends REQUEST_STREAM, with credit for the first payloads. [`request_n`](Self::request_n) grants more.
    ///
    /// [`Event::Payload`](super::Event::Payload) follows for each payload under the returned id, and
    /// [`Event::Completed`](super::Event::Completed) or [`Event::RequestFailed`](super::Event::RequestFailed) at the end. Fails
    /// like [`request_response`](Self::request_response).
    pub fn request_stream(
        &mut self,
        payload: Payload,
        initial_n: Credit,
    ) -> Result<StreamId, RequestError> {
        let body = Body::RequestStream { follows: false, initial_n: initial_n.get(), payload };
        self.request(body, Kind::Stream, Half::Closed, Some(initial_n))
    }

    /// Sends REQUEST_CHANNEL with our first payload, and credit for the peer's payloads. `complete` says that we send no other.
    ///
    /// More payloads may be [sent](Self::send) once [`Event::CreditReceived`](super::Event::CreditReceived) allows it. The
    /// peer's payloads arrive as with [`request_stream`](Self::request_stream). The channel is over when both sides are
    /// complete. Fails like [`request_response`](Self::request_response).
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

    /// Sends REQUEST_FNF. No event reports whether it arrived. Fails like [`request_response`](Self::request_response), except
    /// that the number of open requests does not matter, since it leaves no stream open.
    pub fn fire_and_forget(&mut self, payload: Payload) -> Result<StreamId, RequestError> {
        self.send_request(Body::RequestFnf { follows: false, payload })
    }

    /// Sends METADATA_PUSH. It is not a request, so it needs no lease.
    ///
    /// # Errors
    ///
    /// The connection is not set up, suspended, closed or closing; the metadata does not fit a frame, since METADATA_PUSH
    /// cannot be fragmented; or too much output is queued.
    pub fn metadata_push(&mut self, metadata: Bytes) -> Result<(), RequestError> {
        self.check_open()?;
        let frame = Frame::on_connection(Body::MetadataPush { metadata });
        self.check_frame(&frame)?;
        self.check_room(&frame)?;
        self.outbound.push_control(frame);
        Ok(())
    }

    /// Sends EXT, a frame outside the specification, on any stream. With `can_ignore`, a peer that does not understand the
    /// frame ignores it. Fails like [`metadata_push`](Self::metadata_push).
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

    /// Sends a payload on a channel, or on a stream of the peer's, and uses up credit for one payload. On a REQUEST_RESPONSE of
    /// the peer's, the payload is the answer and ends the stream.
    ///
    /// # Errors
    ///
    /// The stream is over, our side of it is complete, or it never existed; the peer has granted no credit; or too much output
    /// is queued.
    pub fn send(&mut self, stream_id: StreamId, payload: Payload) -> Result<(), StreamError> {
        let is_answer = self.sending(stream_id)?.kind == Kind::Response;
        self.send_payload(stream_id, payload, is_answer)
    }

    /// Sends the last payload: the answer to a REQUEST_RESPONSE, or the end of a stream or of our side of a channel. Fails like
    /// [`send`](Self::send).
    pub fn respond(&mut self, stream_id: StreamId, payload: Payload) -> Result<(), StreamError> {
        self.send_payload(stream_id, payload, true)
    }

    /// Completes our side of a stream without a payload. On a REQUEST_RESPONSE this is an empty answer (an empty `Mono` in
    /// Java). Fails like [`send`](Self::send), but needs no credit.
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

    /// Ends a stream by an ERROR frame: a stream of the peer's, or a channel of ours whose sending side is still open.
    /// `message` is cut after 64 KiB. Fails only if the stream is not open for this.
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

    /// Cancels a request of ours: sends CANCEL, or nothing if the request was not sent yet. No event follows.
    ///
    /// On a channel of the peer's, this ends what the peer sends, and our side stays open. The specification does not mention
    /// it, but rsocket-java does the same. Fails only if the stream is not open for this.
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

    /// Grants the peer credit for more payloads (REQUEST_N), on a stream of ours or on a channel. Credits add up.
    ///
    /// # Errors
    ///
    /// The stream is over, the peer's side of it is complete, or it is a REQUEST_RESPONSE; or too much output is queued.
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

    /// How many more payloads we may send on a stream; 0 if it is not open for sending.
    pub fn credit(&self, stream_id: StreamId) -> u32 {
        match self.streams.get(stream_id).map(|stream| stream.sending) {
            Some(Half::Open(balance)) => balance.get(),
            Some(Half::Closed) | None => 0,
        }
    }

    /// Whether frames of a stream are queued for [`poll_transmit`](crate::rsocket::Machine::poll_transmit).
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

    /// The stream, if our side of it is open.
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

    /// Cancels a request of ours. The peer need not know if it was not sent yet.
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
