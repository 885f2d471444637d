use super::encode::Content;
use super::*;
use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn name() -> impl Strategy<Value = Name> {
    let len = prop_oneof![Just(1), Just(35), Just(128), 1..=128_usize];
    let text = len.prop_flat_map(|len| vec(0..0x80_u8, len));
    let known =
        prop_oneof![Just(Bytes::from("simple")), Just(Bytes::from("message/x.rsocket.routing.v0"))];
    prop_oneof![3 => text.prop_map(Bytes::from), 1 => known]
        .prop_map(|text| Name::new(text).unwrap())
}

fn mime_type() -> impl Strategy<Value = MimeType> {
    prop_oneof![
        (0..0x80_u8).prop_map(|id| MimeId::new(id).unwrap().into()),
        name().prop_map(MimeType::Named),
    ]
}

fn authentication() -> impl Strategy<Value = Authentication> {
    let auth_type = prop_oneof![
        (0..0x80_u8).prop_map(|id| AuthId::new(id).unwrap().into()),
        name().prop_map(AuthType::Named),
    ];
    (auth_type, bytes()).prop_map(|(auth_type, payload)| Authentication { auth_type, payload })
}

fn entry() -> impl Strategy<Value = Entry> {
    let content =
        prop_oneof![4 => bytes(), 1 => (250..70_000_usize).prop_map(|len| vec![7; len].into())];
    (mime_type(), content).prop_map(|(mime_type, content)| Entry { mime_type, content })
}

fn tracing() -> impl Strategy<Value = Tracing> {
    let sampling = prop_oneof![
        Just(Sampling::Debug),
        Just(Sampling::NotSampled),
        Just(Sampling::Sampled),
        Just(Sampling::Undecided)
    ];
    let trace_id = prop_oneof![
        any::<u64>().prop_map(TraceId::Bits64),
        any::<u128>().prop_map(TraceId::Bits128)
    ];
    let span =
        (trace_id, any::<u64>(), option::of(any::<u64>())).prop_map(|(trace_id, id, parent)| {
            Span { trace_id, id: SpanId(id), parent: parent.map(SpanId) }
        });
    (sampling, option::of(span)).prop_map(|(sampling, span)| Tracing { sampling, span })
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

/// Random bytes, chosen such that they are often valid metadata, with lengths that fit.
fn wild_bytes() -> impl Strategy<Value = Bytes> {
    let byte = prop_oneof![3 => 0..6_u8, 1 => Just(0x80), 1 => b'a'..b'd', 2 => any::<u8>()];
    // Other bytes surround the metadata; no reader may reach them.
    vec(byte, 0..60).prop_map(|mut bytes| {
        let len = bytes.len();
        bytes.extend([0xee; 300]);
        Bytes::from([vec![0xee; 3], bytes].concat()).slice(3..3 + len)
    })
}

/// Writes a value by itself and as an entry, after bytes that must not change. Returns its encoding.
#[track_caller]
fn written<T: Content>(value: &T) -> Bytes {
    let mut out = BytesMut::from("before");
    value.encode(&mut out).unwrap();
    assert_eq!(out.len() - 6, value.check().unwrap());
    let own = out.split_off(6).freeze();
    value.encode_entry(&mut out).unwrap();
    assert_eq!(out.split_to(6), "before");
    let entries: Vec<_> = Entries::new(out.freeze()).map(Result::unwrap).collect();
    assert_eq!(entries, [Entry::new(T::MIME, own.clone())]);
    own
}

/// Asserts that writing fails and changes nothing. Returns the error's message.
#[track_caller]
fn refused(write: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>) -> String {
    let mut out = BytesMut::from("before");
    let error = write(&mut out).unwrap_err();
    assert_eq!(out, "before");
    error.to_string()
}

/// Asserts that a part was not copied. An empty part may point anywhere.
#[track_caller]
fn assert_within(part: &[u8], whole: &Bytes) {
    if part.is_empty() {
        return;
    }
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    assert!(whole.start <= part.start && part.end <= whole.end, "{part:?} is not in {whole:?}");
}

/// Reads a list to its end. Returns its items, and the error that ended it, if any.
#[track_caller]
fn read<T>(
    mut items: impl Iterator<Item = Result<T, DecodeError>>,
) -> (Vec<T>, Option<DecodeError>) {
    let (mut read, mut failed) = (Vec::new(), None);
    for item in items.by_ref() {
        match item {
            Ok(item) => read.push(item),
            Err(error) => {
                assert_eq!(error.index, Some(read.len()));
                failed = Some(error);
                break;
            }
        }
    }
    assert!(items.next().is_none() && items.next().is_none());
    (read, failed)
}

/// Asserts that the items of a list, encoded again, are its bytes up to its end or to the error.
#[track_caller]
fn assert_whole(whole: &Bytes, rewritten: &[u8], error: Option<DecodeError>) {
    assert!(whole.starts_with(rewritten));
    match error {
        None => assert_eq!(rewritten.len(), whole.len()),
        Some(error) => {
            assert!(rewritten.len() < whole.len());
            assert_error_within(whole, rewritten.len(), error);
        }
    }
}

/// Asserts that an error points into its item and says what is missing.
#[track_caller]
fn assert_error_within(whole: &Bytes, item: usize, error: DecodeError) {
    assert!((item..=whole.len()).contains(&error.offset), "{error} in {} bytes", whole.len());
    if let DecodeErrorKind::Truncated { needed, available, .. } = error.kind {
        assert_eq!(available, whole.len() - error.offset);
        assert!(needed > available);
    }
}

proptest! {
    #[test]
    fn entries_read_back_as_written(entries in vec(entry(), 0..6)) {
        let mut out = BytesMut::new();
        for entry in &entries {
            entry.encode(&mut out).unwrap();
        }
        let metadata = out.freeze();
        let (read, error) = read(Entries::new(metadata.clone()));
        prop_assert_eq!(error, None);
        for entry in &read {
            assert_within(&entry.content, &metadata);
            if let MimeType::Named(name) = &entry.mime_type {
                assert_within(name.as_ref(), &metadata);
            }
        }
        prop_assert_eq!(read, entries);
    }

    #[test]
    fn tags_read_back_as_written(tags in vec("[a-z/.é]{0,120}", 0..6)) {
        let metadata = written(&Routing(&tags));
        let (read, error) = read(Tags::new(metadata.clone()));
        prop_assert_eq!(error, None);
        read.iter().for_each(|tag| assert_within(tag.as_bytes(), &metadata));
        let texts: Vec<_> = read.iter().map(|tag| tag.as_str().unwrap()).collect();
        prop_assert_eq!(texts, tags);
    }

    #[test]
    fn mime_types_read_back_as_written(mime_types in vec(mime_type(), 0..6)) {
        let metadata = written(&AcceptMimeTypes(&mime_types));
        let (read, error) = read(MimeTypes::new(metadata));
        prop_assert_eq!(error, None);
        prop_assert_eq!(&read, &mime_types);
        for mime_type in read {
            let data = DataMimeType(mime_type);
            prop_assert_eq!(DataMimeType::decode(written(&data)), Ok(data));
        }
    }

    #[test]
    fn authentication_reads_back_as_written(authentication in authentication()) {
        let metadata = written(&authentication);
        let read = Authentication::decode(metadata.clone()).unwrap();
        assert_within(&read.payload, &metadata);
        prop_assert_eq!(read, authentication);
    }

    #[test]
    fn credentials_read_back_as_written(username in ".{0,400}", password in ".{0,20}") {
        let simple = Credentials::Simple { username: &username, password: &password };
        let metadata = written(&simple);
        let read = Authentication::decode(metadata.clone()).unwrap();
        prop_assert_eq!(read.credentials(), Ok(Some(simple)));
        let Ok(Some(Credentials::Simple { username, password })) = read.credentials() else { unreachable!() };
        assert_within(username.as_bytes(), &metadata);
        assert_within(password.as_bytes(), &metadata);

        let bearer = Credentials::Bearer { token: username };
        let read = Authentication::decode(written(&bearer)).unwrap();
        prop_assert_eq!(read.credentials(), Ok(Some(bearer)));
    }

    #[test]
    fn tracing_reads_back_as_written(tracing in tracing()) {
        let metadata = written(&tracing);
        prop_assert_eq!(Tracing::decode(metadata.clone()), Ok(tracing));
        for cut in 0..metadata.len() {
            let cut = metadata.slice(..cut);
            assert_error_within(&cut, 0, Tracing::decode(cut.clone()).unwrap_err());
        }
    }

    /// Any bytes can be read: the items up to the first error are yielded, and nothing else.
    #[test]
    fn lists_of_wild_bytes_end_where_they_are_wrong(wild in wild_bytes()) {
        let (entries, error) = read(Entries::new(wild.clone()));
        let mut rewritten = BytesMut::new();
        for entry in &entries {
            assert_within(&entry.content, &wild);
            entry.encode(&mut rewritten).unwrap();
        }
        assert_whole(&wild, &rewritten, error);

        let (tags, error) = read(Tags::new(wild.clone()));
        let rewritten = tags.iter().flat_map(|tag| {
            assert_within(tag.as_bytes(), &wild);
            [&[tag.as_bytes().len() as u8], &tag.as_bytes()[..]].concat()
        });
        assert_whole(&wild, &rewritten.collect::<Vec<_>>(), error);

        let (mime_types, error) = read(MimeTypes::new(wild.clone()));
        assert_whole(&wild, &written(&AcceptMimeTypes(&mime_types)), error);
    }

    #[test]
    fn values_of_wild_bytes_are_read_or_refused(wild in wild_bytes()) {
        match DataMimeType::decode(wild.clone()) {
            Ok(data) => prop_assert_eq!(&written(&data), &wild),
            Err(error) => assert_error_within(&wild, 0, error),
        }
        match Tracing::decode(wild.clone()) {
            Ok(tracing) => prop_assert_eq!(Tracing::decode(written(&tracing)), Ok(tracing)),
            Err(error) => assert_error_within(&wild, 0, error),
        }
        match Authentication::decode(wild.clone()) {
            Ok(authentication) => prop_assert_eq!(&written(&authentication), &wild),
            Err(error) => assert_error_within(&wild, 0, error),
        }
        for auth_type in [AuthId::SIMPLE, AuthId::BEARER] {
            let authentication = Authentication { auth_type: auth_type.into(), payload: wild.clone() };
            match authentication.credentials() {
                Ok(credentials) => prop_assert_eq!(&written(&credentials.unwrap())[1..], &wild[..]),
                Err(error) => assert_error_within(&wild, 0, error),
            }
        }
    }

    /// Wherever metadata is truncated, the items before the cut are read, and the error names the next one.
    #[test]
    fn cut_lists_name_the_item_that_is_cut(entries in vec(entry(), 1..4), at in any::<prop::sample::Index>()) {
        let mut out = BytesMut::new();
        let mut starts = vec![];
        for entry in &entries {
            starts.push(out.len());
            entry.encode(&mut out).unwrap();
        }
        let cut = at.index(out.len());
        let (read, error) = read(Entries::new(out.freeze().slice(..cut)));
        let whole = starts.iter().skip(1).filter(|start| **start <= cut).count();
        prop_assert_eq!(&read, &entries[..whole]);
        match error {
            None => prop_assert!(starts.contains(&cut)),
            Some(error) => {
                prop_assert_eq!(error.index, Some(whole));
                prop_assert!((starts[whole]..=cut).contains(&error.offset));
            }
        }
    }
}

#[test]
fn names_have_1_to_128_ascii_bytes() {
    assert_eq!(Name::new(""), Err(NameError::Empty));
    assert_eq!(Name::new("a".repeat(129)), Err(NameError::TooLong { len: 129 }));
    assert_eq!(Name::new("ab\u{80}"), Err(NameError::NotAscii { position: 2 }));
    for len in [1, 128] {
        assert_eq!(Name::new("a".repeat(len)).unwrap().as_str(), "a".repeat(len));
    }
    let messages = [Name::new(""), Name::new("a".repeat(129)), Name::new("aé")]
        .map(|name| name.unwrap_err().to_string());
    let expected = [
        "name is empty",
        "name of 129 bytes is over its limit of 128",
        "name is not ASCII at byte 1",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn ids_have_7_bits_and_those_of_nobody_have_no_name() {
    assert_eq!(MimeId::new(0x80), None);
    assert_eq!(AuthId::new(0x80), None);
    let unknown = MimeType::WellKnown(MimeId::new(0x50).unwrap());
    assert_eq!(unknown.name(), None);
    assert_eq!(unknown.well_known().map(MimeId::get), Some(0x50));
    assert_eq!(unknown.to_string(), "well-known MIME type 0x50");
    let unknown = AuthType::WellKnown(AuthId::new(2).unwrap());
    assert_eq!(unknown.to_string(), "well-known authentication type 0x02");
    assert_eq!(AuthType::named("bearer"), Ok(AuthType::WellKnown(AuthId::BEARER)));
    assert_eq!(AuthType::named("simple").unwrap().to_string(), "simple");
    assert_eq!(AuthType::named("my").unwrap().well_known(), None);
    assert_eq!(MimeType::named("image/png").unwrap().to_string(), "image/png");
    assert_eq!(MimeType::named("image/PNG").unwrap().well_known(), None);
}

#[test]
fn a_well_known_type_may_come_as_text() {
    let named = |text| Name::new(text).unwrap();
    let entry = Entry::new(MimeType::Named(named("message/x.rsocket.routing.v0")), "");
    assert!(entry.is(MimeId::ROUTING) && !entry.is(MimeId::AUTHENTICATION));
    assert_ne!(entry, Entry::new(MimeId::ROUTING, ""));
    let auth_type = AuthType::Named(named("bearer"));
    let authentication = Authentication { auth_type, payload: "token".into() };
    assert_eq!(authentication.credentials(), Ok(Some(Credentials::Bearer { token: "token" })));
    let auth_type = AuthType::Named(named("Bearer"));
    let authentication = Authentication { auth_type, payload: "token".into() };
    assert_eq!(authentication.credentials(), Ok(None));
}

#[test]
fn what_is_too_long_is_refused_and_changes_nothing() {
    let (fits, long) = ("t".repeat(255), "t".repeat(256));
    written(&Routing(&["", fits.as_str()]));
    let routing = Routing(&["first", long.as_str()]);
    assert_eq!(refused(|out| routing.encode(out)), "tag of 256 bytes is over its limit of 255");
    assert_eq!(
        refused(|out| routing.encode_entry(out)),
        "tag of 256 bytes is over its limit of 255"
    );

    let (name, long) = ("u".repeat(65_535), "u".repeat(65_536));
    written(&Credentials::Simple { username: &name, password: &long });
    written(&Credentials::Bearer { token: &long });
    let simple = Credentials::Simple { username: &long, password: "" };
    let message = "username of 65536 bytes is over its limit of 65535";
    assert_eq!(refused(|out| simple.encode(out)), message);

    let mut content = Bytes::from(vec![0; 0x100_0000]);
    let message = "metadata payload of 16777216 bytes is over its limit of 16777215";
    assert_eq!(refused(|out| Entry::new(MimeId::TEXT_PLAIN, content.clone()).encode(out)), message);
    // The metadata by itself has no limit of its own.
    let tags = vec![fits.as_str(); 0x1_0000];
    assert_eq!(Routing(&tags).check(), Ok(0x100_0000));
    assert_eq!(refused(|out| Routing(&tags).encode_entry(out)), message);
    content.truncate(0xff_ffff);
    let mut out = BytesMut::new();
    Entry::new(MimeId::TEXT_PLAIN, content).encode(&mut out).unwrap();
    assert_eq!(out[..4], [0xa1, 0xff, 0xff, 0xff]);
}

#[test]
fn errors_say_which_item_and_byte() {
    let mime = |bytes: &[u8]| read(MimeTypes::new(Bytes::copy_from_slice(bytes))).1.unwrap();
    assert_eq!(
        mime(b"\x85\x02abc\x7f").to_string(),
        "item 2, byte 6: MIME type takes 128 bytes, 0 left"
    );
    assert_eq!(mime(b"\x85\x02ab\xc3").to_string(), "item 1, byte 4: MIME type is not ASCII");
    let error = read(Entries::new(Bytes::from_static(b"\x85\0\0\0\x85\0\0\x02z"))).1.unwrap();
    assert_eq!(error.to_string(), "item 1, byte 8: metadata payload takes 2 bytes, 1 left");
    let error = DataMimeType::decode(Bytes::from_static(b"\x85\x85\x85")).unwrap_err();
    assert_eq!(error.to_string(), "byte 1: 2 bytes after the MIME type, its last field");
    let error = DataMimeType::decode(Bytes::new()).unwrap_err();
    assert_eq!(error.to_string(), "byte 0: MIME ID or length takes 1 bytes, 0 left");
    let authentication = |bytes: &'static [u8]| Authentication::decode(Bytes::from_static(bytes));
    let error = authentication(b"\x02ab").unwrap_err();
    assert_eq!(error.to_string(), "byte 1: authentication type takes 3 bytes, 2 left");
    let credentials = |bytes| authentication(bytes).unwrap().credentials().unwrap_err().to_string();
    assert_eq!(credentials(b"\x80\0"), "byte 0: username length takes 2 bytes, 1 left");
    assert_eq!(credentials(b"\x80\0\x03us"), "byte 2: username takes 3 bytes, 2 left");
    assert_eq!(credentials(b"\x80\0\x02a\xffp"), "byte 3: username is not UTF-8");
    assert_eq!(credentials(b"\x80\0\x01ap\xff"), "byte 4: password is not UTF-8");
    assert_eq!(credentials(b"\x81a\xc3"), "byte 1: bearer token is not UTF-8");
}

#[test]
fn tags_that_are_not_text_are_still_bytes() {
    let (tags, _) = read(Tags::new(Bytes::from_static(b"\x02a\xff\x00")));
    assert!(tags[0].as_str().is_err());
    assert_eq!(tags[0].as_bytes(), &b"a\xff"[..]);
    assert_eq!(Bytes::from(tags[1].clone()), "");
}

#[test]
fn tracing_flags_count_in_the_order_of_the_specification() {
    let sampling = |flags: u8| {
        let tracing = Tracing::decode(Bytes::from(vec![flags])).unwrap();
        assert_eq!(tracing.span, None);
        tracing.sampling
    };
    assert_eq!(sampling(0x70), Sampling::Debug);
    assert_eq!(sampling(0x30), Sampling::Sampled);
    assert_eq!(sampling(0x10), Sampling::NotSampled);
    // Flags T and P without ids, and reserved bits.
    assert_eq!(sampling(0x0f), Sampling::Undecided);
    let longer = Bytes::from_static(b"\xa3\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02more");
    let span = Span { trace_id: TraceId::Bits64(1), id: SpanId(2), parent: None };
    assert_eq!(Tracing::decode(longer).unwrap().span, Some(span));
}

#[test]
fn debug_output_shows_no_secret() {
    let simple = Credentials::Simple { username: "secret", password: "secret" };
    let metadata = written(&simple);
    let authentication = Authentication::decode(metadata.clone()).unwrap();
    let entry = Entry::new(MimeId::AUTHENTICATION, metadata.clone());
    let debug = format!(
        "{simple:?} {authentication:?} {entry:?} {:?} {:?} {:?} {:?}",
        Credentials::Bearer { token: "secret" },
        Entries::new(metadata.clone()),
        Tags::new(metadata.clone()),
        MimeTypes::new(metadata),
    );
    assert!(!debug.contains("secret"), "{debug}");
    assert!(debug.contains("content: 15 bytes") && debug.contains("Entries(15 bytes)"), "{debug}");
}
