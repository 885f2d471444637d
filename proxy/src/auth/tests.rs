use super::applications::{Applications, Found};
use super::live::LiveFile;
use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use prometheus_rsocket_protocol::collector::{Grant, Peer, PeerTls, Transport};
use prometheus_rsocket_protocol::token::Token;
use prometheus_rsocket_runtime::settings::Fault;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;

fn hex(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn argon2id(token: &str) -> String {
    let params = Params::new(8, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = SaltString::from_b64("c29tZXNhbHRzb21lc2FsdA").unwrap();
    argon2.hash_password(token.as_bytes(), &salt).unwrap().to_string()
}

fn peer(transport: Transport, tls: Option<PeerTls>) -> Peer {
    Peer { address: "10.0.0.1:1".to_owned(), transport, tls }
}

fn token(text: &str) -> Token {
    Token::new(text).unwrap()
}

fn parse(text: &str) -> Applications {
    Applications::parse(text).unwrap_or_else(|fault| panic!("{fault:?}"))
}

fn fault(text: &str) -> Fault {
    Applications::parse(text).expect_err("a bad file")
}

fn grant(applications: &Applications, found: Option<Found>) -> Grant {
    let Some(Found::Grant(id)) = found else { panic!("{found:?}") };
    applications.grants().into_iter().find(|grant| grant.id == id).unwrap()
}

#[test]
fn each_kind_of_credentials_leads_to_its_entry() {
    let text = format!(
        r#"
[[application]]
name = "orders"
token_sha256 = ["{}", "{}"]
token_argon2id = "{}"
certificate = ["CN=orders,O=Example", "dns:orders.example", "uri:spiffe://example/orders"]
labels = {{ application = "orders", team = "shop" }}
may_set = ["instance"]

[[application]]
name = "billing"
token_sha256 = "{}"
labels.application = "billing"
"#,
        hex("one"),
        hex("two"),
        argon2id("slow"),
        hex("three").to_uppercase(),
    );
    let all = parse(&text);
    let plain = peer(Transport::Tcp, None);
    for (text, entry) in [("one", "orders"), ("two", "orders"), ("three", "billing")] {
        let grant = grant(&all, all.by_token(&token(text), &plain));
        assert_eq!(&*grant.entry, entry);
        assert_eq!(grant.labels.get("application"), Some(entry));
    }
    assert_eq!(all.by_token(&token("slow"), &plain), None);
    let slow = grant(&all, all.by_slow_token(&token("slow"), &plain));
    assert_eq!(&*slow.entry, "orders");
    assert_eq!(slow.may_set, Some(["instance".into()].into()));
    assert_eq!(all.by_slow_token(&token("one"), &plain), None);
    for names in [
        (Some("CN=orders,O=Example"), vec![]),
        (None, vec!["email:a@b", "dns:orders.example"]),
        (Some("CN=x"), vec!["uri:spiffe://example/orders"]),
    ] {
        let names = PeerTls {
            subject: names.0.map(str::to_owned),
            names: names.1.into_iter().map(str::to_owned).collect(),
        };
        let found = all.by_certificate(&peer(Transport::Tcp, Some(names)));
        assert_eq!(&*grant(&all, found).entry, "orders");
    }
    let other = PeerTls { subject: Some("CN=orders".to_owned()), names: Vec::new() };
    assert_eq!(all.by_certificate(&peer(Transport::Tcp, Some(other))), None);
    assert_eq!(all.by_certificate(&plain), None);
    // Each has a grant of its own, so that it can be revoked alone.
    let ids: std::collections::BTreeSet<_> = all.grants().iter().map(|grant| grant.id).collect();
    assert_eq!(ids.len(), 7);
}

#[test]
fn credentials_are_good_for_the_transports_that_are_named() {
    let of = |transports: &str| {
        parse(&format!(
            "[[application]]\nname = \"a\"\ntoken_sha256 = \"{}\"\n{transports}\n",
            hex("t")
        ))
    };
    let transports = [
        peer(Transport::Tcp, None),
        peer(Transport::Tcp, Some(PeerTls::default())),
        peer(Transport::WebSocket, None),
        peer(Transport::WebSocket, Some(PeerTls::default())),
    ];
    let served = |transports_of: &str| {
        let all = of(transports_of);
        transports.each_ref().map(|peer| match all.by_token(&token("t"), peer) {
            Some(Found::Grant(_)) => true,
            Some(Found::OtherTransport(entry)) if &*entry == "a" => false,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(served(""), [true; 4]);
    assert_eq!(served("transports = [\"tls\", \"wss\"]"), [false, true, false, true]);
    assert_eq!(served("transports = \"ws\""), [false, false, true, false]);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let hash = hex("t");
    let entry = format!("[[application]]\nname = \"a\"\ntoken_sha256 = \"{hash}\"\n");
    let with = |line: &str| format!("{entry}{line}\n");
    for (text, line, part) in [
        ("[[application]\n".to_owned(), 1, ""),
        ("# x\n[[applications]]\n".to_owned(), 2, "\"applications\" is not known"),
        ("application = 3\n".to_owned(), 1, "a list of tables"),
        (with("tokens = 3"), 4, "\"tokens\" is not known here; there are name"),
        (with("labels = 3"), 4, "a table"),
        (with("labels = { \"a b\" = \"x\" }"), 4, "\"a b\" is not a label name"),
        (with("labels = { a = 3 }"), 4, "a string"),
        (with("labels = { a = \"x\" }\nmay_set = [\"a\"]"), 1, "a is among its labels"),
        (with("may_set = [\"__x\"]"), 4, "__x"),
        (with("transports = [\"tcp\", \"quic\"]"), 4, "\"quic\" is none of tcp, tls, ws, wss"),
        (with("certificate = \"orders\""), 4, "neither a subject"),
        (with("certificate = \"dns:\""), 4, "no name"),
        (with("certificate = 5"), 4, "certificate: must be a string or a list of strings"),
        (with("certificate = [\"CN=a\",\n\"CN=a\"]"), 5, "appears twice"),
        (with("token_argon2id = \"x\""), 4, "a PHC string"),
        (
            with("token_argon2id = \"$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$MTIzNDU2Nzg5MDEy\""),
            4,
            "argon2i, not argon2id",
        ),
        (
            with(
                "token_argon2id = \"$argon2id$v=19$m=65537,t=1,p=1$c29tZXNhbHQ$MTIzNDU2Nzg5MDEy\"",
            ),
            4,
            "too much",
        ),
        (with("token_argon2id = \"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ\""), 4, "missing"),
        (with(&entry), 4, "the name \"a\" appears twice"),
        (with(&entry.replace("\"a\"", "\"b\"")), 6, "b: this token appears twice"),
        ("[[application]]\ntoken_sha256 = \"00\"\n".to_owned(), 2, "64 hexadecimal digits"),
        (entry.replace("name = \"a\"", ""), 1, "without a name"),
        ("\n[[application]]\nname = \"a\"\n".to_owned(), 2, "a: there is no token_sha256"),
        (entry.replace("\"a\"", "\"a\\u0007\""), 2, "control characters"),
    ] {
        let fault = fault(&text);
        assert!(fault.line == line && fault.what.contains(part), "{text:?}: {fault:?}");
        assert!(!fault.what.contains(&hash), "{fault:?}");
    }
    let many: String = (0..33)
        .map(|n| {
            format!(
                "[[application]]\nname = \"{n}\"\ntoken_argon2id = \"{}\"\n",
                argon2id(&n.to_string())
            )
        })
        .collect();
    let fault = fault(&many);
    assert!(fault.line == 99 && fault.what.contains("more than 32 tokens"), "{fault:?}");
}

/// A file in a directory of its own.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("auth-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir.join("file"))
    }

    pub(super) fn write(&self, text: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::write(&self.0, text).unwrap();
        fs::set_permissions(&self.0, fs::Permissions::from_mode(mode)).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

#[test]
fn a_file_is_read_again_and_a_bad_one_changes_nothing() {
    let file = Scratch::new("reload");
    let of = |name: &str| format!("[[application]]\nname = \"{name}\"\ncertificate = \"CN=a\"\n");
    file.write(&of("one"), 0o644);
    let load = || LiveFile::load(file.0.clone(), Applications::parse);
    let error = load().unwrap_err().to_string();
    assert!(error.contains("others may read"), "{error}");
    file.write(&of("one"), 0o640);
    let live = load().unwrap();
    let name = || live.current().grants()[0].entry.to_string();
    assert!(!live.reload().unwrap());
    file.write(&of("two"), 0o600);
    assert!(live.reload().unwrap());
    assert_eq!(name(), "two");
    file.write("\n\nx", 0o600);
    let error = live.reload().unwrap_err().to_string();
    assert!(error.contains("file, line 3: "), "{error}");
    file.write(&of("three"), 0o604);
    assert!(live.reload().unwrap_err().to_string().contains("others may read"));
    fs::write(&file.0, b"a\n\xff").unwrap();
    fs::remove_file(&file.0).unwrap();
    assert!(live.reload().is_err());
    assert_eq!(name(), "two");
    fs::write(&file.0, b"a\n\xff\n").unwrap();
    file.write("", 0o600);
    fs::write(&file.0, b"a\n\xff\n").unwrap();
    assert!(live.reload().unwrap_err().to_string().contains("line 2: it is not UTF-8"));
}

proptest! {
    #[test]
    fn no_file_panics(text in r#"(\[\[application\]\]|name|token_sha256|labels|may_set|certificate|=|\{|\}|"|a|\n| |\[|\]|,|é){0,40}"#) {
        let _ = Applications::parse(&text);
    }
}
