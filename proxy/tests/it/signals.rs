use crate::program::{RUNTIMES, program};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Making a key of this size takes seconds in a build without optimisation, so that the signal comes while it is made.
#[test]
fn a_signal_while_the_key_is_made_ends_the_program_at_once() {
    for (runtime, _) in RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in) {
        for signal in ["TERM", "INT"] {
            let child = program()
                .args(["--key-bits=4096", "--runtime", runtime])
                .args(
                    ["tcp", "websocket", "http"].map(|name| format!("--listen-{name}=127.0.0.1:0")),
                )
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(500));
            let output = signalled(child, signal);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
    }
}

#[test]
fn a_signal_while_it_serves_ends_the_program_with_0() {
    for (runtime, _) in RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in) {
        let mut child = program()
            .args(["--runtime", runtime, "--envelope=plaintext"])
            .args(["tcp", "websocket", "http"].map(|name| format!("--listen-{name}=127.0.0.1:0")))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listener=\"http\"") {
            line.clear();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "the program has ended");
        }
        std::thread::sleep(Duration::from_millis(200));
        let output = signalled(child, "TERM");
        assert_eq!(output.status.code(), Some(0));
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert!(rest.trim_end().ends_with("stopped"), "{rest}");
    }
}

/// The end of a program that was sent a signal, which has to come within 5 s.
pub(crate) fn signalled(mut child: Child, signal: &str) -> Output {
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
    let give_up = Instant::now() + Duration::from_secs(5);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > give_up {
            child.kill().unwrap();
            panic!("the program goes on: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}
