//! Metadata that others wrote, read and written again: `vectors/metadata.tsv`, and the rows of kind `metadata` in
//! `vectors/frames.tsv`.

use crate::vectors::rows_of;
use bytes::{Bytes, BytesMut};
use prometheus_rsocket_protocol::rsocket::metadata::{
    AcceptMimeTypes, AuthId, AuthType, Authentication, Credentials, DataMimeType, DecodeError,
    Entries, Entry, Metadata, MimeId, MimeType, MimeTypes, Name, Routing, Sampling, Span, SpanId,
    Tags, TraceId, Tracing,
};
use prometheus_rsocket_testkit::vectors::{METADATA, MIME_TYPES, unhex};
use std::fmt::Write;

/// What metadata of this MIME type says, in the words of `metadata.tsv`. Checks that it is written as it was read.
fn meaning(id: MimeId, metadata: &Bytes) -> Result<String, DecodeError> {
    let mut written = BytesMut::new();
    let out = &mut written;
    let (meaning, result) = match id {
        MimeId::COMPOSITE_METADATA => (composite(metadata, out)?, Ok(())),
        MimeId::ROUTING => {
            let tags = Tags::new(metadata.clone()).collect::<Result<Vec<_>, _>>()?;
            let texts: Vec<_> = tags.iter().map(|tag| tag.as_str().unwrap()).collect();
            let meaning = texts.iter().map(|text| format!("<{}>", short(text))).collect();
            (meaning, Routing(&texts).encode(out))
        }
        MimeId::AUTHENTICATION => {
            let authentication = Authentication::decode(metadata.clone())?;
            (credentials(&authentication), authentication.encode(out))
        }
        MimeId::MIME_TYPE => {
            let mime_type = DataMimeType::decode(metadata.clone())?;
            (form(&mime_type.0), mime_type.encode(out))
        }
        MimeId::ACCEPT_MIME_TYPES => {
            let mime_types = MimeTypes::new(metadata.clone()).collect::<Result<Vec<_>, _>>()?;
            let forms: Vec<_> = mime_types.iter().map(form).collect();
            (forms.join(","), AcceptMimeTypes(&mime_types).encode(out))
        }
        MimeId::TRACING_ZIPKIN => {
            let tracing = Tracing::decode(metadata.clone())?;
            (trace(&tracing), tracing.encode(out))
        }
        _ => {
            out.extend_from_slice(metadata);
            (printable(metadata), Ok(()))
        }
    };
    result.unwrap();
    assert_eq!(written, metadata, "written differently: {meaning}");
    Ok(meaning)
}

fn composite(metadata: &Bytes, out: &mut BytesMut) -> Result<String, DecodeError> {
    let mut text = String::new();
    for entry in Entries::new(metadata.clone()) {
        let entry = entry?;
        entry.encode(out).unwrap();
        // Ids that are not known are no extension either.
        let id = entry.mime_type.well_known().unwrap_or(MimeId::APPLICATION_OCTET_STREAM);
        let content = meaning(id, &entry.content)?;
        write!(text, "[{} {content}]", form(&entry.mime_type)).unwrap();
    }
    Ok(text)
}

fn credentials(authentication: &Authentication) -> String {
    let credentials = authentication.credentials().unwrap();
    if let (Some(credentials), AuthType::WellKnown(_)) = (credentials, &authentication.auth_type) {
        let (mut direct, mut whole) = (BytesMut::new(), BytesMut::new());
        credentials.encode(&mut direct).unwrap();
        authentication.encode(&mut whole).unwrap();
        assert_eq!(direct, whole);
    }
    let said = match credentials {
        Some(Credentials::Simple { username, password }) => {
            format!("user={} password={}", short(username), short(password))
        }
        Some(Credentials::Bearer { token }) => format!("token={}", short(token)),
        _ => format!("payload={}", printable(&authentication.payload)),
    };
    match &authentication.auth_type {
        AuthType::WellKnown(id) => format!("#{:x} {said}", id.get()),
        AuthType::Named(name) => format!("'{}' {said}", short(name.as_str())),
    }
}

fn form(mime_type: &MimeType) -> String {
    match mime_type {
        MimeType::WellKnown(id) => format!("#{:02x}", id.get()),
        MimeType::Named(name) => format!("'{}'", short(name.as_str())),
    }
}

fn trace(tracing: &Tracing) -> String {
    let mut text = format!("{:?}", tracing.sampling);
    if let Some(span) = tracing.span {
        write!(text, " trace={} span={}", span.trace_id, span.id).unwrap();
        if let Some(parent) = span.parent {
            write!(text, " parent={parent}").unwrap();
        }
    }
    text
}

/// `c*n` for a long text of one character.
fn short(text: &str) -> String {
    match text.chars().next() {
        Some(first) if text.len() > 20 && text.chars().all(|c| c == first) => {
            format!("{first}*{}", text.len())
        }
        _ => text.to_owned(),
    }
}

fn printable(bytes: &[u8]) -> String {
    short(&bytes.escape_ascii().to_string())
}

fn lines(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').collect())
}

#[test]
fn metadata_of_others_is_read_and_written_as_it_was() {
    let mut count = 0;
    for line in lines(METADATA) {
        let [_who, what, hex, expected] = line[..] else { panic!("{line:?}: not four columns") };
        let id = match what {
            "accept-mime-types" => MimeId::ACCEPT_MIME_TYPES,
            "authentication" => MimeId::AUTHENTICATION,
            "composite" => MimeId::COMPOSITE_METADATA,
            "mime-type" => MimeId::MIME_TYPE,
            "routing" => MimeId::ROUTING,
            "tracing" => MimeId::TRACING_ZIPKIN,
            _ => panic!("unknown kind of metadata {what}"),
        };
        let actual = meaning(id, &unhex(hex)).unwrap_or_else(|error| format!("invalid: {error}"));
        assert_eq!(actual, expected, "{what} {hex}");
        count += 1;
    }
    assert_eq!(count, 64);
}

#[test]
fn metadata_rows_of_the_frames_say_what_they_should() {
    use MimeId as Id;
    let expected = [
        // Built by rsocket-py; 0x18 is the length of a MIME type of 25 bytes, minus one.
        (
            39,
            Id::COMPOSITE_METADATA,
            "[#7e <target.path>][#7a #1e][#7a 'some-custom-encoding/type']\
             [#7c #0 user=username password=password]",
        ),
        // Captured from Spring; 0x22 is the length of a MIME type of 35 bytes, minus one.
        (
            47,
            Id::COMPOSITE_METADATA,
            "[#7e <shell-client>]['message/x.rsocket.authentication.v0' #0 user=user password=pass]",
        ),
        (48, Id::AUTHENTICATION, "#0 user=1234 password=abcd"),
        (49, Id::ROUTING, "<route.path><other.route>"),
        (93, Id::COMPOSITE_METADATA, "[#7e <route.a>]"),
        (94, Id::COMPOSITE_METADATA, "['x' ]"),
        (95, Id::COMPOSITE_METADATA, "[#21 v][#05 {}]"),
        (96, Id::ROUTING, "<route.path><other.route>"),
        (97, Id::AUTHENTICATION, "#0 user=user password=pass"),
        (98, Id::AUTHENTICATION, "'my' payload=pl"),
        (99, Id::MIME_TYPE, "#05"),
        (100, Id::ACCEPT_MIME_TYPES, "#05,'x/y',#21"),
        (101, Id::TRACING_ZIPKIN, "Undecided"),
        (102, Id::TRACING_ZIPKIN, "Sampled trace=0000000000000001 span=0000000000000002"),
    ];
    let rows: Vec<_> = rows_of("metadata").collect();
    assert_eq!(rows.len(), expected.len());
    for (row, (line, id, expected)) in rows.into_iter().zip(expected) {
        assert_eq!(row.line, line);
        let mut bytes = row.bytes();
        if line == 48 {
            // The row is a payload of type `simple` without the type.
            bytes = [&[0x80 | AuthId::SIMPLE.get()], &bytes[..]].concat().into();
        }
        assert_eq!(meaning(id, &bytes).as_deref(), Ok(expected), "line {line}");
    }
}

#[test]
fn the_well_known_mime_types_are_those_of_the_specification_and_of_java() {
    let mut ids = Vec::new();
    for line in lines(MIME_TYPES) {
        let [id, name, who] = line[..] else { panic!("{line:?}: not three columns") };
        let id = MimeId::new(u8::from_str_radix(id, 16).unwrap()).unwrap();
        assert_eq!(id.name(), Some(name));
        assert_eq!(MimeId::from_name(name), Some(id));
        // The short form is for those that all can read.
        let short = MimeType::named(name).unwrap();
        assert_eq!(short == MimeType::WellKnown(id), who == "spec java js", "{name}");
        assert_eq!((short.well_known(), short.name()), (Some(id), Some(name)));
        ids.push(id);
    }
    assert_eq!(ids.len(), 49);
    assert_eq!(ids, MimeId::ALL);
    let known = (0..=0xff).filter_map(MimeId::new).filter(|id| id.name().is_some()).count();
    assert_eq!(known, 49);
}

/// What rsocket-java 1.1.5 writes for the same values.
#[test]
fn composite_metadata_is_written_as_java_writes_it() {
    let mut out = BytesMut::new();
    Routing(&["orders.find"]).encode_entry(&mut out).unwrap();
    Credentials::Bearer { token: "token" }.encode_entry(&mut out).unwrap();
    let span = Span { trace_id: TraceId::Bits64(1), id: SpanId(2), parent: None };
    Tracing { sampling: Sampling::Sampled, span: Some(span) }.encode_entry(&mut out).unwrap();
    Entry::new(MimeType::Named(Name::new("x/y").unwrap()), "z").encode(&mut out).unwrap();
    let java = "fe00000c0b6f72646572732e66696e64fc00000681746f6b656efd000011a00000000000000001000000000000\
                000202782f790000017a";
    assert_eq!(out, unhex(java));
    let json = DataMimeType(MimeId::APPLICATION_JSON.into());
    out.clear();
    json.encode_entry(&mut out).unwrap();
    let accepted = [json.0, MimeType::named("x/y").unwrap()];
    AcceptMimeTypes(&accepted).encode_entry(&mut out).unwrap();
    Credentials::Simple { username: "user", password: "pass" }.encode_entry(&mut out).unwrap();
    let expected = "fa00000185fb0000058502782f79fc00000b8000047573657270617373";
    assert_eq!(out, unhex(expected));
}
