//! TLS of the listeners: the same four settings for each.

use super::Config;
use super::error::ConfigError;
use super::kind::TomlType;
use super::settings::{Change, Setting, TLS};
use super::value::{self, ClientAuthKind, choose, chosen};
use prometheus_rsocket_runtime::tls::{ClientAuth, ServerTlsFiles};
use std::path::{Path, PathBuf};

/// The settings that are given for the listeners for TCP, WebSocket and HTTP.
pub(super) type Draft = [Given; 3];

/// The four settings of one listener.
#[derive(Clone, Default)]
pub(super) struct Given {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    client_auth: Option<ClientAuthKind>,
}

/// Generates the four settings of each listener from its index in [`Draft`], its field of [`Config`], and a name and a help for each setting.
macro_rules! settings {
    ($($index:literal $files:ident {
        $certificate:ident: $certificate_help:literal,
        $key:ident: $key_help:literal,
        $client_ca:ident: $client_ca_help:literal,
        $client_auth:ident: $client_auth_help:literal,
    })+) => {
        pub(super) static SETTINGS: &[Setting] = &[$(
            Setting {
                field: stringify!($certificate),
                help: &[$certificate_help],
                set: |draft, text| put(&mut draft.tls[$index].certificate, value::file(text)),
                show: |config| config.$files.as_ref().and_then(|it| path(&it.certificate)),
                ..FILE
            },
            Setting {
                field: stringify!($key),
                help: &[$key_help],
                set: |draft, text| put(&mut draft.tls[$index].key, value::file(text)),
                show: |config| config.$files.as_ref().and_then(|it| path(&it.key)),
                ..FILE
            },
            Setting {
                field: stringify!($client_ca),
                help: &[$client_ca_help],
                set: |draft, text| put(&mut draft.tls[$index].client_ca, value::file(text)),
                show: |config| config.$files.as_ref().and_then(|it| client_ca(&it.client_auth)),
                ..FILE
            },
            Setting {
                field: stringify!($client_auth),
                help: &[$client_auth_help],
                value_name: "HOW",
                set: |draft, text| {
                    put(&mut draft.tls[$index].client_auth, choose(text).map(Some))
                },
                show: |config| config.$files.as_ref().and_then(|it| client_auth(&it.client_auth)),
                ..FILE
            },
        )+];
    };
}

settings! {
    0 tcp_tls {
        tcp_tls_cert: "PEM file with the certificate of --listen-tcp and its chain; turns TLS on",
        tcp_tls_key: "PEM file with its private key, not encrypted",
        tcp_tls_client_ca: "PEM file with the CAs that the certificates of applications must come from",
        tcp_tls_client_auth: "Whether applications must present one: required or optional; required if there is a CA",
    }
    1 websocket_tls {
        websocket_tls_cert: "The same for --listen-websocket",
        websocket_tls_key: "Its private key",
        websocket_tls_client_ca: "The CAs of applications",
        websocket_tls_client_auth: "Whether applications must present a certificate",
    }
    2 http_tls {
        http_tls_cert: "The same for --listen-http",
        http_tls_key: "Its private key",
        http_tls_client_ca: "The CAs of scrapers",
        http_tls_client_auth: "Whether scrapers must present a certificate",
    }
}

/// The properties that the settings of all listeners share.
const FILE: Setting = Setting {
    field: "",
    heading: TLS,
    help: &[],
    value_name: "FILE",
    toml_type: TomlType::Text,
    set: |_, _| Ok(()),
    show: |_| None,
    change: Change::Restart,
};

/// Applies the given settings to the configuration, and adds conflicts to `errors`.
pub(super) fn resolve(given: Draft, config: &mut Config, errors: &mut Vec<ConfigError>) {
    let listeners = [
        ("tcp", &mut config.tcp_tls),
        ("websocket", &mut config.websocket_tls),
        ("http", &mut config.http_tls),
    ];
    for (given, (listener, files)) in given.into_iter().zip(listeners) {
        match given.files(listener) {
            Ok(given) => *files = given,
            Err(error) => errors.push(error),
        }
    }
}

impl Given {
    fn files(self, listener: &str) -> Result<Option<ServerTlsFiles>, ConfigError> {
        let needs = |has, lacks| {
            let (has, lacks) = (format!("{listener}-tls-{has}"), format!("{listener}-tls-{lacks}"));
            Err(ConfigError::Conflict(format!("--{has} needs --{lacks}")))
        };
        let (certificate, key) = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => return needs("cert", "key"),
            (None, Some(_)) => return needs("key", "cert"),
            (None, None) if self.client_ca.is_some() => return needs("client-ca", "cert"),
            (None, None) if self.client_auth.is_some() => return needs("client-auth", "client-ca"),
            (None, None) => return Ok(None),
        };
        let mut files = ServerTlsFiles::new(certificate, key);
        files.client_auth = match (self.client_ca, self.client_auth) {
            (None, None) => ClientAuth::Off,
            (None, Some(_)) => return needs("client-auth", "client-ca"),
            (Some(ca), Some(ClientAuthKind::Optional)) => ClientAuth::Optional { ca },
            (Some(ca), Some(ClientAuthKind::Required) | None) => ClientAuth::Required { ca },
        };
        Ok(Some(files))
    }
}

fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

fn path(path: &Path) -> Option<String> {
    Some(path.to_string_lossy().into_owned())
}

fn client_ca(auth: &ClientAuth) -> Option<String> {
    match auth {
        ClientAuth::Optional { ca } | ClientAuth::Required { ca } => path(ca),
        _ => None,
    }
}

fn client_auth(auth: &ClientAuth) -> Option<String> {
    let kind = match auth {
        ClientAuth::Optional { .. } => ClientAuthKind::Optional,
        ClientAuth::Required { .. } => ClientAuthKind::Required,
        _ => return None,
    };
    Some(chosen(&kind).to_owned())
}
