//! Settings of the original, a Spring Boot application, other than its ports. Those that exist here are adopted. The others are reported and have no
//! effect.

use super::error::ConfigError;
use super::settings::PREFIX;
use super::source::Environment;
use super::value;
use clap::Arg;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Takes the original's settings out of a command line, and adds what they mean to the environment, where this program's own options and variables
/// take precedence. Returns the remaining command line, and a sentence for each setting.
pub(super) fn translate(
    args: Vec<OsString>,
    env: &mut Environment,
) -> Result<(Vec<OsString>, Vec<String>), ConfigError> {
    let mut properties = Properties::default();
    properties.take_variables(env);
    properties.take_json(env)?;
    let args = properties.take_args(args);
    let Properties { found, mut sentences } = properties;
    apply(found, env, &mut sentences);
    Ok((args, sentences))
}

/// Spring's variable that holds properties in JSON.
const JSON: &str = "SPRING_APPLICATION_JSON";

/// The properties of a Java proxy's configuration, by canonical name. Later sources take precedence.
#[derive(Default)]
struct Properties {
    found: BTreeMap<String, Found>,
    sentences: Vec<String>,
}

struct Found {
    /// As it was given, for messages.
    given: String,
    value: String,
}

impl Properties {
    fn put(&mut self, name: &str, given: String, value: String) {
        self.found.insert(canonical(name), Found { given, value });
    }

    /// Reads variables that stand for properties with a meaning here. Others may belong to other programs.
    fn take_variables(&mut self, env: &Environment) {
        for (name, value) in env.variables().filter(|(_, value)| !value.is_empty()) {
            let upper = name.to_ascii_uppercase();
            if upper.starts_with("LOGGING_LEVEL_") || upper.starts_with("SERVER_SSL_") {
                self.put(name, format!("{name}={}", shown(value)), text(value));
            }
        }
    }

    fn take_json(&mut self, env: &Environment) -> Result<(), ConfigError> {
        let Some(json) = env.get(JSON) else { return Ok(()) };
        let parsed = serde_json::from_str(&text(json));
        let object: Value = parsed.map_err(|error| ConfigError::Environment {
            name: JSON.to_owned(),
            // The value may contain secrets.
            value: "…".to_owned(),
            reason: error.to_string(),
        })?;
        let mut open = vec![(String::new(), object)];
        // A loop, since JSON may be deeply nested.
        while let Some((name, value)) = open.pop() {
            match value {
                Value::Object(fields) => {
                    let dot = if name.is_empty() { "" } else { "." };
                    open.extend(
                        fields.into_iter().map(|(key, value)| (format!("{name}{dot}{key}"), value)),
                    );
                }
                Value::Null => {}
                Value::String(value) => self.put(&name, format!("{name} in {JSON}"), value),
                value => self.put(&name, format!("{name} in {JSON}"), value.to_string()),
            }
        }
        Ok(())
    }

    /// Reads options of Spring and of the JVM. Spring's options always have their value after an equals sign.
    fn take_args(&mut self, args: Vec<OsString>) -> Vec<OsString> {
        let mut left = Vec::with_capacity(args.len());
        let mut args = args.into_iter();
        left.extend(args.next());
        while let Some(arg) = args.next() {
            let given = arg.to_string_lossy().into_owned();
            if given == "--" {
                left.push(arg);
                left.extend(args);
                return left;
            }
            if given == "-cpus" || given == "--cpus" {
                let count = args.next().unwrap_or_default();
                self.sentences.push(format!(
                    "{given} {} is an option of the Java image and has no effect: this proxy uses the processors that it is given",
                    shown(&count)
                ));
            } else if ["-D", "-X", "-javaagent:", "-agentlib:"]
                .iter()
                .any(|jvm| given.starts_with(jvm))
            {
                let name = name_of(&given);
                self.sentences.push(format!("{name} is an option of the JVM and has no effect"));
            } else {
                match given.strip_prefix("--").map(|it| it.split_once('=').unwrap_or((it, "true")))
                {
                    Some((name, value)) if is_property(name) && !is_option(name) => {
                        let (name, value) = (name.to_owned(), value.to_owned());
                        self.put(&name, given, value);
                    }
                    _ => left.push(arg),
                }
            }
        }
        left
    }
}

/// Whether a name looks like a property of Spring's.
fn is_property(name: &str) -> bool {
    let root = name.split_once('.').map(|(root, _)| root);
    root.is_some_and(|root| {
        ["logging", "management", "micrometer", "server", "spring"].contains(&root)
    })
}

/// Whether an option of the original's is an option here, too.
fn is_option(name: &str) -> bool {
    LISTENERS.iter().any(|listener| listener.property == name) || name == ADDRESS
}

/// The options for which [`is_option`] returns true. The help does not list them.
pub(super) fn options() -> impl Iterator<Item = Arg> {
    let hidden = |name| Arg::new(name).long(name).hide(true);
    let address = hidden(ADDRESS)
        .value_name("HOST")
        .value_parser(value::host)
        .help("The original's name for the host of all listeners");
    let ports = LISTENERS.iter().map(move |Listener { field, property, .. }| {
        let help = format!("The original's name for the port of --{}", field.replace('_', "-"));
        hidden(property).value_name("PORT").value_parser(value::port).help(help)
    });
    [address].into_iter().chain(ports)
}

/// A listener whose port the original configures.
pub(super) struct Listener {
    /// The field of its setting here.
    pub(super) field: &'static str,
    pub(super) property: &'static str,
    /// The variable as Spring binds it (dots become underscores, dashes are dropped), and as people also write it.
    pub(super) variables: &'static [&'static str],
}

pub(super) const LISTENERS: [Listener; 3] = [
    Listener {
        field: "listen_tcp",
        property: "micrometer.prometheus-proxy.tcp-port",
        variables: &["MICROMETER_PROMETHEUSPROXY_TCPPORT", "MICROMETER_PROMETHEUS_PROXY_TCP_PORT"],
    },
    Listener {
        field: "listen_websocket",
        property: "micrometer.prometheus-proxy.websocket-port",
        variables: &[
            "MICROMETER_PROMETHEUSPROXY_WEBSOCKETPORT",
            "MICROMETER_PROMETHEUS_PROXY_WEBSOCKET_PORT",
        ],
    },
    Listener { field: "listen_http", property: "server.port", variables: &["SERVER_PORT"] },
];

/// The property with the host of all listeners.
pub(super) const ADDRESS: &str = "server.address";
pub(super) const ADDRESS_VARIABLE: &str = "SERVER_ADDRESS";

/// Spring's relaxed binding: dashes and case do not matter, and variables have underscores for dots.
fn canonical(name: &str) -> String {
    name.chars().filter(|c| !"-_.".contains(*c)).map(|c| c.to_ascii_lowercase()).collect()
}

fn apply(mut found: BTreeMap<String, Found>, env: &mut Environment, sentences: &mut Vec<String>) {
    let ports = LISTENERS.iter().map(|listener| (listener.property, listener.variables[0]));
    for (property, variable) in ports.chain([(ADDRESS, ADDRESS_VARIABLE)]) {
        if let Some(port) = found.remove(&canonical(property)) {
            env.replace(variable, port.value);
        }
    }
    apply_levels(&mut found, env, sentences);
    apply_tls(&mut found, env, sentences);
    let unknown = found.into_values().map(|Found { given, .. }| {
        format!(
            "{} is a setting of the Java proxy that has no counterpart here, and has no effect",
            name_of(&given)
        )
    });
    sentences.extend(unknown);
}

/// Applies `logging.level.…`.
fn apply_levels(
    found: &mut BTreeMap<String, Found>,
    env: &mut Environment,
    sentences: &mut Vec<String>,
) {
    let (mut all, mut ours) = (None, None);
    for (name, Found { given, value }) in found.extract_if(.., |name, _| name.starts_with(LEVEL)) {
        let of = name.strip_prefix(LEVEL).unwrap_or_default();
        let level = match value.to_ascii_lowercase().as_str() {
            level @ ("debug" | "error" | "info" | "off" | "trace" | "warn") => level.to_owned(),
            "fatal" => "error".to_owned(),
            "false" => "off".to_owned(),
            _ => {
                sentences.push(format!("{given}: that is no level of logging, and has no effect"));
                continue;
            }
        };
        let setting = match of {
            "root" => &mut all,
            _ if ["iomicrometer", "iorsocket"].iter().any(|ours| of.starts_with(ours)) => &mut ours,
            _ => {
                sentences.push(format!(
                    "{given} is for classes that are not in this proxy, and has no effect"
                ));
                continue;
            }
        };
        *setting = Some((given, level));
    }
    if all.is_none() && ours.is_none() {
        return;
    }
    let filter = all.as_ref().map_or("info", |(_, level)| level).to_owned();
    let filter = match &ours {
        Some((_, level)) => format!("{filter},prometheus_rsocket={level}"),
        None => filter,
    };
    for (given, _) in [all, ours].into_iter().flatten() {
        sentences
            .push(format!("{given} is a setting of the Java proxy; here it is --log {filter}"));
    }
    env.add(format!("{PREFIX}LOG"), filter);
}

const LEVEL: &str = "logginglevel";

/// Applies `server.ssl.…`, which is for HTTP.
fn apply_tls(
    found: &mut BTreeMap<String, Found>,
    env: &mut Environment,
    sentences: &mut Vec<String>,
) {
    let is_off = found.remove("serversslenabled").is_some_and(|it| it.value == "false");
    for (property, option) in [
        ("serversslcertificate", "http-tls-cert"),
        ("serversslcertificateprivatekey", "http-tls-key"),
        ("serverssltrustcertificate", "http-tls-client-ca"),
        ("serversslclientauth", "http-tls-client-auth"),
    ] {
        let Some(Found { given, value }) = found.remove(property) else { continue };
        if is_off {
            continue;
        }
        let value = match (option, value.to_ascii_lowercase().as_str()) {
            ("http-tls-client-auth", "need") => "required".to_owned(),
            ("http-tls-client-auth", "want") => "optional".to_owned(),
            ("http-tls-client-auth", _) => continue,
            _ => value.strip_prefix("file:").unwrap_or(&value).to_owned(),
        };
        sentences
            .push(format!("{given} is a setting of the Java proxy; here it is --{option} {value}"));
        let name = option.replace('-', "_").to_ascii_uppercase();
        env.add(format!("{PREFIX}{name}"), value);
    }
    for (_, Found { given, .. }) in
        found.extract_if(.., |name, _| name.starts_with("serversslkeystore"))
    {
        sentences.push(format!(
            "{}: key stores of Java are not read; write certificate and key as PEM (openssl pkcs12 -nodes), for --http-tls-cert and --http-tls-key",
            name_of(&given)
        ));
    }
}

/// Returns the name of a setting without its value, which may be a secret.
fn name_of(given: &str) -> &str {
    given.split('=').next().unwrap_or(given)
}

fn text(value: &OsStr) -> String {
    value.to_string_lossy().into_owned()
}

/// Returns up to 64 characters, for a message.
fn shown(value: &OsStr) -> String {
    value.to_string_lossy().chars().take(64).collect()
}
