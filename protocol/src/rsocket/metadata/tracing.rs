use super::encode::Content;
use super::read::{Parsed, Source};
use super::{DecodeError, EncodeError, MimeId};
use bytes::{BufMut, Bytes, BytesMut};
use nom::number::complete::{be_u8, be_u64, be_u128};
use std::fmt;

/// Zipkin tracing metadata (Extensions/Tracing-Zipkin.md): the sampling decision, and the span of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tracing {
    /// The sampling decision.
    pub sampling: Sampling,
    /// The span; `None` if only the decision is passed on (for example that a health check is not sampled).
    pub span: Option<Span>,
}

impl Tracing {
    /// Decodes `metadata` of the MIME type [`MimeId::TRACING_ZIPKIN`].
    ///
    /// If several of the flags D, S and N are set, D counts before S, and S before N. As in rsocket-java, the two lowest bits,
    /// flags T and P without ids, and bytes after the last field are ignored.
    ///
    /// # Errors
    ///
    /// The metadata ends inside a field.
    pub fn decode(metadata: Bytes) -> Result<Self, DecodeError> {
        let (source, input) = Source::new(&metadata);
        let (input, flags) = source.parse("flags", 1, be_u8, input)?;
        let sampling = match flags {
            _ if flags & DEBUG != 0 => Sampling::Debug,
            _ if flags & SAMPLED != 0 => Sampling::Sampled,
            _ if flags & NOT_SAMPLED != 0 => Sampling::NotSampled,
            _ => Sampling::Undecided,
        };
        let span = match flags & IDS_SET {
            0 => None,
            _ => Some(Span::read(flags, source, input)?.1),
        };
        Ok(Self { sampling, span })
    }

    fn flags(&self) -> u8 {
        let sampling = match self.sampling {
            Sampling::Debug => DEBUG,
            Sampling::NotSampled => NOT_SAMPLED,
            Sampling::Sampled => SAMPLED,
            Sampling::Undecided => 0,
        };
        sampling | self.span.as_ref().map_or(0, Span::flags)
    }
}

impl Content for Tracing {
    const MIME: MimeId = MimeId::TRACING_ZIPKIN;

    fn check(&self) -> Result<usize, EncodeError> {
        Ok(1 + self.span.as_ref().map_or(0, Span::encoded_len))
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.flags());
        if let Some(span) = &self.span {
            span.write(out);
        }
    }
}

/// The sampling decision: whether a trace is to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sampling {
    /// Record it whatever else is decided: flag D.
    Debug,
    /// Do not record it: flag N.
    NotSampled,
    /// Record it: flag S.
    Sampled,
    /// Not decided: the receiver decides. None of the flags.
    Undecided,
}

/// A span of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The id of the trace, which all of its spans share.
    pub trace_id: TraceId,
    /// The id of this span.
    pub id: SpanId,
    /// The id of the parent span; `None` for the root span.
    pub parent: Option<SpanId>,
}

impl Span {
    fn read<'a>(flags: u8, source: Source<'a>, input: &'a [u8]) -> Parsed<'a, Self> {
        let (input, trace_id) = match flags & TRACE_ID_128 {
            0 => {
                let (input, id) = source.parse("trace ID", 8, be_u64, input)?;
                (input, TraceId::Bits64(id))
            }
            _ => {
                let (input, id) = source.parse("trace ID", 16, be_u128, input)?;
                (input, TraceId::Bits128(id))
            }
        };
        let (input, id) = source.parse("span ID", 8, be_u64, input)?;
        let (input, parent) = match flags & PARENT {
            0 => (input, None),
            _ => {
                let (input, parent) = source.parse("parent span ID", 8, be_u64, input)?;
                (input, Some(SpanId(parent)))
            }
        };
        Ok((input, Self { trace_id, id: SpanId(id), parent }))
    }

    fn flags(&self) -> u8 {
        let size = match self.trace_id {
            TraceId::Bits64(_) => 0,
            TraceId::Bits128(_) => TRACE_ID_128,
        };
        IDS_SET | size | self.parent.map_or(0, |_| PARENT)
    }

    fn encoded_len(&self) -> usize {
        let trace_id = match self.trace_id {
            TraceId::Bits64(_) => 8,
            TraceId::Bits128(_) => 16,
        };
        trace_id + 8 + self.parent.map_or(0, |_| 8)
    }

    fn write(&self, out: &mut BytesMut) {
        match self.trace_id {
            TraceId::Bits64(id) => out.put_u64(id),
            TraceId::Bits128(id) => out.put_u128(id),
        }
        out.put_u64(self.id.0);
        if let Some(parent) = self.parent {
            out.put_u64(parent.0);
        }
    }
}

/// The id of a trace, of 64 or 128 bits. The width is kept, so that a trace is passed on with the id that it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TraceId {
    /// 64 bits.
    Bits64(u64),
    /// 128 bits: flag T.
    Bits128(u128),
}

/// 16 or 32 hexadecimal digits, as Zipkin writes them.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bits64(id) => write!(f, "{id:016x}"),
            Self::Bits128(id) => write!(f, "{id:032x}"),
        }
    }
}

/// The id of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub u64);

/// 16 hexadecimal digits, as Zipkin writes them.
impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

const IDS_SET: u8 = 0x80;
const DEBUG: u8 = 0x40;
const SAMPLED: u8 = 0x20;
const NOT_SAMPLED: u8 = 0x10;
const TRACE_ID_128: u8 = 0x08;
const PARENT: u8 = 0x04;
