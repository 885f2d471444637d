//! How values are written: their names in the help, their types in TOML, and how they are read and shown.

use super::balancers::{ProxyProtocol, TrustedProxies};
use super::log::{self, LogFormat};
use super::value::{self, Choice, Envelope, ListenAddr, RsaBackend, RuntimeKind, choose, chosen};
use prometheus_rsocket_protocol::collector::PushKeep;
use prometheus_rsocket_protocol::exposition::{Inject, OnBadLine, ReservedNames};
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

/// One kind of value.
pub(super) struct Kind<T> {
    pub(super) value_name: &'static str,
    pub(super) toml_type: TomlType,
    pub(super) parse: fn(&str) -> Result<T, String>,
    /// `None` if nothing is set.
    pub(super) show: fn(&T) -> Option<String>,
}

/// The types of TOML that a value may have besides a string, which is what an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TomlType {
    Text,
    Integer,
    Boolean,
    /// A boolean. The option takes no value, and means true.
    Flag,
    /// An array of strings that contain no comma. An option has commas between them.
    List,
}

impl<T> Kind<T> {
    const fn new(
        value_name: &'static str,
        toml_type: TomlType,
        parse: fn(&str) -> Result<T, String>,
        show: fn(&T) -> Option<String>,
    ) -> Self {
        Self { value_name, toml_type, parse, show }
    }
}

/// A choice of one of a few words.
const fn choice<T: Choice>(value_name: &'static str) -> Kind<T> {
    Kind::new(value_name, TomlType::Text, choose, |chosen_one| Some(chosen(chosen_one).to_owned()))
}

pub(super) const LISTEN_ADDR: Kind<ListenAddr> =
    Kind::new("ADDR", TomlType::Text, value::listen_addr, as_displayed);
pub(super) const WEBSOCKET_PATH: Kind<Option<String>> =
    Kind::new("PATH", TomlType::Text, value::websocket_path, |path| {
        Some(path.as_deref().unwrap_or(value::ANY_PATH).to_owned())
    });
pub(super) const AUTHORITY: Kind<Option<String>> =
    Kind::new("HOST:PORT", TomlType::Text, value::authority, Clone::clone);
pub(super) const FILE: Kind<Option<PathBuf>> =
    Kind::new("FILE", TomlType::Text, value::file, as_path);
pub(super) const DIRECTORY: Kind<Option<PathBuf>> =
    Kind::new("DIR", TomlType::Text, value::file, as_path);

pub(super) const TIME: Kind<Duration> =
    Kind::new("TIME", TomlType::Text, value::duration, |time| Some(value::time(*time)));
pub(super) const POSITIVE_TIME: Kind<Duration> = Kind { parse: value::positive_duration, ..TIME };
pub(super) const TIME_LIMIT: Kind<Option<Duration>> =
    Kind::new("TIME", TomlType::Text, value::limit_duration, |limit| {
        value::shown_limit(*limit, value::time)
    });
pub(super) const KEY_ROTATION: Kind<Option<Duration>> =
    Kind { parse: value::key_rotation, ..TIME_LIMIT };

pub(super) const BYTES: Kind<usize> =
    Kind::new("BYTES", TomlType::Integer, value::bytes, |bytes| Some(value::size(*bytes)));
pub(super) const FRAME_BYTES: Kind<usize> = Kind { parse: value::frame_bytes, ..BYTES };
pub(super) const BYTES_LIMIT: Kind<Option<usize>> =
    Kind::new("BYTES", TomlType::Integer, value::limit_bytes, |limit| {
        value::shown_limit(*limit, value::size)
    });

pub(super) const COUNT: Kind<usize> =
    Kind::new("COUNT", TomlType::Integer, value::count, as_displayed);
pub(super) const POSITIVE_COUNT: Kind<usize> = Kind { parse: value::positive_count, ..COUNT };
pub(super) const DEMO_COUNT: Kind<usize> = Kind { parse: value::demo_count, ..COUNT };
pub(super) const COUNT_LIMIT: Kind<Option<usize>> =
    Kind::new("COUNT", TomlType::Integer, value::limit_count, |limit| {
        value::shown_limit(*limit, |count| count.to_string())
    });
pub(super) const KEY_BITS: Kind<usize> =
    Kind::new("BITS", TomlType::Integer, value::key_bits, as_displayed);
pub(super) const GZIP_LEVEL: Kind<u32> =
    Kind::new("LEVEL", TomlType::Integer, value::gzip_level, as_displayed);
pub(super) const ENVELOPE_VERSION: Kind<u8> =
    Kind::new("VERSION", TomlType::Integer, value::envelope_version, as_displayed);

/// Read like a flag, but shown in other words.
pub(super) const SWITCH: Kind<bool> =
    Kind::new("WHETHER", TomlType::Boolean, value::switch, |is_on| {
        Some(if *is_on { "on" } else { "off" }.to_owned())
    });
pub(super) const FLAG: Kind<bool> =
    Kind::new("WHETHER", TomlType::Flag, value::switch, as_displayed);

pub(super) const LABEL_NAMES: Kind<Vec<String>> =
    Kind::new("NAMES", TomlType::List, value::label_names, |names| Some(value::listed(names)));
pub(super) const RESERVED_NAMES: Kind<ReservedNames> =
    Kind::new("NAMES", TomlType::List, value::reserved_names, |names| {
        Some(value::listed_reserved(names))
    });
pub(super) const NETWORKS: Kind<TrustedProxies> =
    Kind::new("NETWORKS", TomlType::List, str::parse, as_displayed);

pub(super) const RUNTIME: Kind<RuntimeKind> = choice("RUNTIME");
pub(super) const LOG_FILTER: Kind<String> =
    Kind::new("FILTER", TomlType::Text, log::filter, |filter| Some(filter.clone()));
pub(super) const LOG_FORMAT: Kind<LogFormat> = choice("FORMAT");
pub(super) const PROXY_PROTOCOL: Kind<ProxyProtocol> = choice("WHETHER");
pub(super) const INJECT: Kind<Inject> = choice("WHEN");
pub(super) const ON_BAD_LINE: Kind<OnBadLine> = choice("WHAT");
pub(super) const RSA_BACKEND: Kind<RsaBackend> = choice("WHICH");
pub(super) const ENVELOPE: Kind<Envelope> = choice("HOW");
pub(super) const PUSH_KEEP: Kind<PushKeep> = choice("WHICH");

fn as_displayed<T: Display>(value: &T) -> Option<String> {
    Some(value.to_string())
}

/// A path comes from a text, so no character is lost.
fn as_path(path: &Option<PathBuf>) -> Option<String> {
    path.as_ref().map(|path| path.to_string_lossy().into_owned())
}
