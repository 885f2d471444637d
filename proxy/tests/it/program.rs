use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prometheus-rsocket-proxy"));
    command.env_clear().stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

#[test]
fn a_bad_flag_ends_with_2_and_names_it() {
    for args in [
        &["--no-such-flag"][..],
        &["--listen-tcp=nowhere"],
        &["--runtime=async-std"],
        &["--log=verbose"],
        &["--rsa-backend=boringssl"],
        &["--log-format=xml"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        let flag = args[0].split('=').next().unwrap();
        assert!(message.contains(flag), "{message}");
    }
}

#[test]
fn a_runtime_that_is_not_built_in_ends_with_2() {
    for (runtime, _) in RUNTIMES.iter().filter(|(_, is_built_in)| !is_built_in) {
        let output = run(&["--runtime", runtime]);
        assert_eq!(output.status.code(), Some(2));
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(&format!("--runtime {runtime}")), "{message}");
    }
}

#[test]
fn an_rsa_backend_that_is_not_built_in_ends_with_2_and_names_the_feature() {
    if cfg!(feature = "openssl") {
        return;
    }
    for envelope in ["encrypted", "plaintext"] {
        let output = program()
            .env("PROMETHEUS_RSOCKET_PROXY_RSA_BACKEND", "openssl")
            .args(["--listen-tcp=127.0.0.1:0", "--listen-websocket=off", "--listen-http=off"])
            .args(["--envelope", envelope])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("--rsa-backend openssl"), "{message}");
        assert!(message.contains("feature `openssl`"), "{message}");
    }
}

#[test]
fn the_rsa_backend_is_named_once_in_the_log() {
    let auto = if cfg!(feature = "openssl") { "openssl" } else { "rust" };
    for (asked, named) in [("auto", auto), ("rust", "rust"), (auto, auto)] {
        let mut child = program()
            .args(["--listen-tcp=127.0.0.1:0", "--listen-websocket=off", "--listen-http=off"])
            .args(["--rsa-backend", asked])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let lines: Vec<String> =
            lines.take_while(|line| !line.contains("listener=\"tcp\"")).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        let told: Vec<&String> =
            lines.iter().filter(|line| line.contains("rsa_backend=")).collect();
        assert_eq!(told.len(), 1, "{lines:?}");
        assert!(told[0].contains(&format!("rsa_backend=\"{named}\"")), "{told:?}");
    }
}

#[test]
fn an_address_in_use_ends_with_1_and_names_it_and_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for listener in ["tcp", "websocket", "http"] {
        let of = |name| if name == listener { &*address } else { "off" };
        let listen =
            ["tcp", "websocket", "http"].map(|name| format!("--listen-{name}={}", of(name)));
        let output = program().args(listen).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(&format!("{address} (--listen-{listener})")), "{message}");
    }
}

#[test]
fn a_misspelt_variable_ends_with_2_and_the_nearest_name() {
    let output = program()
        .env("PROMETHEUS_RSOCKET_PROXY_LISTEN_HTPP", "off")
        .env("PROMETHEUS_RSOCKET_PROXY_PORT", "tcp://10.0.0.1:7001")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(
        message
            .starts_with("error: the environment variable PROMETHEUS_RSOCKET_PROXY_LISTEN_HTPP "),
        "{message}"
    );
    assert!(message.trim_end().ends_with("PROMETHEUS_RSOCKET_PROXY_LISTEN_HTTP"), "{message}");
}

#[test]
fn a_configuration_is_checked_without_a_start() {
    let good = |name| format!("{}/../runtime/tests/pem/{name}", env!("CARGO_MANIFEST_DIR"));
    let output = run(&["--check-config", "--listen-tcp=192.0.2.1:1"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "the configuration is good\n");
    let (certificate, key) = (good("server.pem"), "--http-tls-key=none.key");
    let certificate = format!("--http-tls-cert={certificate}");
    let output = run(&["--check-config", &certificate, key, "--auth-file=none.toml"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("none.key") && message.contains("none.toml"), "{message}");
    let output = run(&["--check-config", "--config=none.toml"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_printed_configuration_is_good() {
    let output = run(&["--print-config", "--demo=3"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let path = std::env::temp_dir().join(format!("printed-{}.toml", std::process::id()));
    std::fs::write(&path, &output.stdout).unwrap();
    let again = program().args(["--print-config", "--config"]).arg(&path).output().unwrap();
    std::fs::remove_file(path).unwrap();
    let values = |output: &Output| {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let values = text.lines().map(|line| line.split("  # ").next().unwrap().to_owned());
        values.collect::<Vec<_>>()
    };
    assert_eq!(values(&again), values(&output));
    assert!(values(&again).contains(&"demo = 3".to_owned()));
}

#[test]
fn the_log_may_be_json() {
    let mut child = program()
        .arg("--log-format=json")
        .args(["tcp", "websocket", "http"].map(|name| format!("--listen-{name}=127.0.0.1:0")))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let lines: Vec<String> = lines.take(2).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    for (line, parts) in lines.iter().zip([
        ["\"level\":\"INFO\"", "\"rsa_backend\":\"", "\"bits\":2048"],
        ["\"level\":\"INFO\"", "\"message\":\"listening\"", "\"listener\":\"tcp\""],
    ]) {
        assert!(line.starts_with("{\"timestamp\":\"") && line.ends_with('}'), "{line}");
        for part in parts {
            assert!(line.contains(part), "{line}");
        }
    }
}

#[test]
fn a_file_of_tls_that_cannot_be_used_ends_with_2_and_is_named() {
    let tls = ["--tcp-tls-cert=no-such.pem", "--tcp-tls-key=no-such.key"];
    let listen = ["--listen-tcp=127.0.0.1:0", "--listen-websocket=off", "--listen-http=off"];
    let output = run(&[&tls[..], &listen[..]].concat());
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("no-such.pem"), "{message}");
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_ends_with_2_and_is_named() {
    let fifo = std::env::temp_dir().join(format!("program-{}.fifo", std::process::id()));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let listen = ["--listen-tcp=127.0.0.1:0", "--listen-websocket=off", "--listen-http=off"];
    for (file, kind) in [
        (fifo.to_str().unwrap(), "a FIFO"),
        ("/dev/zero", "a device"),
        (env!("CARGO_MANIFEST_DIR"), "a directory"),
    ] {
        let good = |name| format!("{}/../runtime/tests/pem/{name}", env!("CARGO_MANIFEST_DIR"));
        for bad in 0..3 {
            let mut files = [good("server.pem"), good("server.key"), good("ca.pem")];
            files[bad] = file.to_owned();
            let [certificate, key, ca] = files;
            let files = [("cert", certificate), ("key", key), ("client-ca", ca)];
            let files = files.map(|(what, file)| format!("--tcp-tls-{what}={file}"));
            let output = program().args(listen).args(files).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{bad}");
            let message = String::from_utf8(output.stderr).unwrap();
            assert!(message.contains(file) && message.contains(kind), "{message}");
        }
    }
    std::fs::remove_file(fifo).unwrap();
}

#[test]
fn each_listener_is_named_once_in_the_log() {
    for (runtime, _) in RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in) {
        names_each_listener(&["--runtime", runtime]);
    }
    // The default is one that is built in.
    names_each_listener(&[]);
}

fn names_each_listener(args: &[&str]) {
    let mut child = program()
        .args(["tcp", "websocket", "http"].map(|name| format!("--listen-{name}=127.0.0.1:0")))
        .args(args)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    for listener in ["tcp", "websocket", "http"] {
        let field = format!("listener=\"{listener}\"");
        let line = lines.find(|line| line.contains(&field)).expect("a line for each listener");
        let address = line.split("address=").nth(1).expect("the address");
        assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{line}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

pub(crate) const RUNTIMES: [(&str, bool); 2] =
    [("smol", cfg!(feature = "smol")), ("tokio", cfg!(feature = "tokio"))];
