use super::{accepted, refused};
use crate::config::Config;
use prometheus_rsocket_runtime::tls::{ClientAuth, ServerTlsFiles};

/// Listener, option and variable of each setting of TLS. They have no defaults.
pub(super) fn options() -> Vec<(&'static str, String, String)> {
    let options = ["tcp", "websocket", "http"].into_iter().flat_map(|listener| {
        ["cert", "key", "client-ca", "client-auth"].map(|name| {
            let option = format!("{listener}-tls-{name}");
            let env =
                format!("PROMETHEUS_RSOCKET_PROXY_{}", option.to_uppercase().replace('-', "_"));
            (listener, option, env)
        })
    });
    options.collect()
}

fn tls_files(name: &str) -> ServerTlsFiles {
    ServerTlsFiles::new(format!("{name}.pem"), format!("{name}.key"))
}

#[test]
fn each_listener_has_tls_of_its_own() {
    let (mut args, mut env) = (Vec::new(), Vec::new());
    for (listener, option, variable) in options() {
        let value = match option.rsplit_once("-tls-").unwrap().1 {
            "cert" => format!("{listener}.pem"),
            "key" => format!("{listener}.key"),
            "client-ca" => format!("{listener}-ca.pem"),
            _ if listener == "websocket" => "optional".to_owned(),
            _ => "required".to_owned(),
        };
        args.push(format!("--{option}={value}"));
        env.push((variable, value));
    }
    let mut expected = Config::default();
    let all = [&mut expected.tcp_tls, &mut expected.websocket_tls, &mut expected.http_tls];
    for (files, name) in all.into_iter().zip(["tcp", "websocket", "http"]) {
        let ca = format!("{name}-ca.pem").into();
        let files = files.insert(tls_files(name));
        files.client_auth = match name {
            "websocket" => ClientAuth::Optional { ca },
            _ => ClientAuth::Required { ca },
        };
    }
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    assert_eq!(accepted(&args, &[]), expected);
    let env: Vec<_> = env.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(accepted(&[], &env), expected);
    // Half of the settings come from the command line, the others from the environment.
    assert_eq!(accepted(&args[..6], &env[5..]), expected);
}

#[test]
fn certificates_of_clients_are_required_where_there_is_a_ca_and_nothing_else_is_said() {
    for listener in ["tcp", "websocket", "http"] {
        let args = ["cert=a.pem", "key=a.key", "client-ca=ca.pem", "client-auth=optional"]
            .map(|option| format!("--{listener}-tls-{option}"));
        let files = |count: usize| {
            let args: Vec<_> = args[..count].iter().map(String::as_str).collect();
            let config = accepted(&args, &[]);
            let Config { tcp_tls, websocket_tls, http_tls, .. } = config;
            let found = [tcp_tls, websocket_tls, http_tls].into_iter().flatten();
            let [files] = found.collect::<Vec<_>>().try_into().unwrap();
            (files.certificate, files.key, files.client_auth)
        };
        let ca = || "ca.pem".into();
        assert_eq!(files(2), ("a.pem".into(), "a.key".into(), ClientAuth::Off));
        assert_eq!(files(3).2, ClientAuth::Required { ca: ca() });
        assert_eq!(files(4).2, ClientAuth::Optional { ca: ca() });
    }
}

#[test]
fn options_of_tls_that_do_not_fit_together_are_named() {
    for listener in ["tcp", "websocket", "http"] {
        let option = |name: &str| format!("--{listener}-tls-{name}");
        for (given, [has, lacks]) in [
            (&["cert=a"][..], ["cert", "key"]),
            (&["key=a"], ["key", "cert"]),
            (&["client-ca=a"], ["client-ca", "cert"]),
            (&["client-ca=a", "client-auth=optional"], ["client-ca", "cert"]),
            (&["client-auth=required"], ["client-auth", "client-ca"]),
            (&["cert=a", "key=a", "client-auth=required"], ["client-auth", "client-ca"]),
            (&["cert=a", "client-ca=a"], ["cert", "key"]),
        ] {
            let args: Vec<_> = given.iter().map(|given| option(given)).collect();
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            refused(&args, &[], &[&format!("{} needs {}", option(has), option(lacks))]);
        }
        refused(&[&option("cert=")], &[], &[&option("cert")]);
        refused(&[&option("client-auth=maybe")], &[], &[&option("client-auth"), "maybe"]);
    }
    for (_, option, env) in options() {
        let bad = [(&*env, "maybe")];
        if option.ends_with("client-auth") {
            refused(&[], &bad, &[&env, "maybe"]);
        } else {
            refused(&[], &bad, &[&format!("--{option}"), "needs"]);
        }
    }
}
