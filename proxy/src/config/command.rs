//! The command line, which is generated from the settings.

use super::kind::TomlType;
use super::original;
use super::settings::{self, Setting};
use super::value;
use clap::{Arg, ArgAction, Command};

/// The option that names the file with settings. Its variable is the same name in capitals, after the prefix.
pub(super) const CONFIG: &str = "config";

/// The option that checks the configuration.
pub(super) const CHECK: &str = "check-config";

/// The option that prints the configuration.
pub(super) const PRINT: &str = "print-config";

/// The id of an option is the field of its setting. An option that is not a setting uses its own name.
pub(super) fn command() -> Command {
    let command = Command::new("prometheus-rsocket-proxy")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Lets Prometheus scrape applications that may only open outgoing connections")
        .after_help(AFTER_HELP);
    let about_config = [
        Arg::new(CONFIG).long(CONFIG).value_name("FILE").value_parser(value::file).help(
            "TOML file with settings, named as the options are: max-connections = 500. Options and environment variables override it. \
             It is read again on SIGHUP and when it changes (--tls-reload-interval)",
        ),
        Arg::new(CHECK).long(CHECK).action(ArgAction::SetTrue).conflicts_with(PRINT).help(
            "Reads all settings and the files that they name, reports what is wrong with them, and exits: with 0 if nothing is wrong, else with 2",
        ),
        Arg::new(PRINT).long(PRINT).action(ArgAction::SetTrue).help(
            "Prints all settings, with where each comes from, as a file for --config, and exits",
        ),
    ];
    command.args(about_config).args(settings::all().map(option)).args(original::options())
}

fn option(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.field)
        .long(setting.name())
        .value_name(setting.value_name)
        .value_parser(|text: &str| setting.check(text).map(|()| text.to_owned()))
        .help(setting.help());
    let arg = match setting.heading {
        "" => arg,
        heading => arg.help_heading(heading),
    };
    match setting.toml_type {
        TomlType::Flag => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => arg,
    }
}

const AFTER_HELP: &str = "\
Times are written like 500ms, 10s, 5m or 1h30m; bytes like 16777215, 64KiB, 8MiB or 1GiB.

Every option can be set by an environment variable too: PROMETHEUS_RSOCKET_PROXY_ and its name in capitals, such as
PROMETHEUS_RSOCKET_PROXY_LISTEN_TCP. The names of the Java proxy work as well: --server.port,
--micrometer.prometheus-proxy.tcp-port and --micrometer.prometheus-proxy.websocket-port with a port, and SERVER_PORT,
MICROMETER_PROMETHEUSPROXY_TCPPORT and MICROMETER_PROMETHEUSPROXY_WEBSOCKETPORT in the environment; --server.address and
SERVER_ADDRESS set the host of all listeners whose --listen-… option is not given.
logging.level.… and server.ssl.… (PEM) are taken over as well, also from SPRING_APPLICATION_JSON; its other settings are
accepted with a warning and have no effect.
Options come before environment variables, both before the file of --config, and names of this program before names of the Java proxy.

`prometheus-rsocket-proxy healthcheck`, with the same options or environment, asks the proxy beside it for /-/ready: it exits with 0 if that is
ready, and with 1 if not.";
