//! The metadata extensions.

use crate::input::Input;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::rsocket::metadata::{
    AcceptMimeTypes, AuthType, Authentication, DataMimeType, DecodeError, Entries, Entry, Metadata,
    MimeId, MimeType, MimeTypes, Routing, Tags, Tracing,
};
use std::fmt::Debug;

/// What can be read is written as it was, and read as the same again; the rest is an error that says where.
pub fn metadata(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.below(6);
    let bytes = Bytes::copy_from_slice(input.rest());
    match kind {
        0 => composite(&bytes, 0),
        1 => routing(&bytes),
        2 => authentication(&bytes),
        3 => data_mime_type(&bytes),
        4 => accepted(&bytes),
        _ => tracing(&bytes),
    }
}

fn composite(bytes: &Bytes, depth: usize) {
    let Some(entries) = items(Entries::new(bytes.clone()), bytes) else { return };
    let mut written = BytesMut::new();
    for entry in &entries {
        entry.encode(&mut written).expect("it was one");
        mime_type(&entry.mime_type);
        let id = entry.mime_type.well_known();
        assert!(id.is_none_or(|id| entry.is(id)));
        match id {
            Some(MimeId::COMPOSITE_METADATA) if depth < 3 => composite(&entry.content, depth + 1),
            Some(MimeId::ROUTING) => routing(&entry.content),
            Some(MimeId::AUTHENTICATION) => authentication(&entry.content),
            Some(MimeId::MIME_TYPE) => data_mime_type(&entry.content),
            Some(MimeId::ACCEPT_MIME_TYPES) => accepted(&entry.content),
            Some(MimeId::TRACING_ZIPKIN) => tracing(&entry.content),
            _ => {}
        }
    }
    assert_eq!(written, bytes);
}

fn routing(bytes: &Bytes) {
    let Some(tags) = items(Tags::new(bytes.clone()), bytes) else { return };
    let texts: Result<Vec<_>, _> = tags.iter().map(|tag| tag.as_str()).collect();
    if let Ok(texts) = texts {
        same(&Routing(&texts), bytes);
    }
}

fn authentication(bytes: &Bytes) {
    match Authentication::decode(bytes.clone()) {
        Ok(read) => {
            same(&read, bytes);
            match read.credentials() {
                Ok(Some(credentials)) => {
                    let (mut out, mut whole) = (BytesMut::new(), BytesMut::new());
                    credentials.encode(&mut out).expect("they were read");
                    credentials.encode_entry(&mut whole).expect("they were read");
                    if let AuthType::WellKnown(_) = read.auth_type {
                        assert_eq!(out, bytes);
                    }
                    let entry = Entries::new(whole.freeze()).next().expect("one").expect("ours");
                    assert_eq!(
                        (entry.is(MimeId::AUTHENTICATION), entry.content),
                        (true, out.freeze())
                    );
                }
                Ok(None) => {}
                Err(error) => wrong(&error, &read.payload),
            }
        }
        Err(error) => wrong(&error, bytes),
    }
}

fn data_mime_type(bytes: &Bytes) {
    match DataMimeType::decode(bytes.clone()) {
        Ok(read) => {
            mime_type(&read.0);
            same(&read, bytes);
        }
        Err(error) => wrong(&error, bytes),
    }
}

fn accepted(bytes: &Bytes) {
    let Some(types) = items(MimeTypes::new(bytes.clone()), bytes) else { return };
    types.iter().for_each(mime_type);
    same(&AcceptMimeTypes(&types), bytes);
}

/// Of tracing, bits that mean nothing together are not kept.
fn tracing(bytes: &Bytes) {
    match Tracing::decode(bytes.clone()) {
        Ok(read) => {
            let mut out = BytesMut::new();
            read.encode(&mut out).expect("it was read");
            assert_eq!(Tracing::decode(out.freeze()), Ok(read));
        }
        Err(error) => wrong(&error, bytes),
    }
}

fn mime_type(read: &MimeType) {
    if let (Some(name), Some(id)) = (read.name(), read.well_known()) {
        assert_eq!((id.name(), MimeId::from_name(name)), (Some(name), Some(id)));
    }
    assert!(!read.to_string().is_empty());
}

/// Written as it was read, and as an entry the same.
fn same(read: &impl Metadata, bytes: &Bytes) {
    let mut out = BytesMut::new();
    read.encode(&mut out).expect("it was read");
    assert_eq!(out, bytes, "written differently");
    let mut entry = BytesMut::new();
    read.encode_entry(&mut entry).expect("it was read");
    let entry: Entry = Entries::new(entry.freeze()).next().expect("one").expect("one of ours");
    assert_eq!(entry.content, bytes);
}

/// All of them, if nothing is wrong. An error is the last.
fn items<T: Debug>(
    mut items: impl Iterator<Item = Result<T, DecodeError>>,
    bytes: &Bytes,
) -> Option<Vec<T>> {
    let mut all = Vec::new();
    while let Some(item) = items.next() {
        match item {
            Ok(item) => all.push(item),
            Err(error) => {
                wrong(&error, bytes);
                assert_eq!(error.index, Some(all.len()));
                assert!(items.next().is_none(), "more behind what is wrong");
                return None;
            }
        }
    }
    assert!(items.next().is_none());
    Some(all)
}

fn wrong(error: &DecodeError, bytes: &Bytes) {
    assert!(error.offset <= bytes.len(), "{error}");
    assert!(!error.to_string().is_empty());
}
