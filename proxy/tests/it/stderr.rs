//! Nothing that happens to standard error ends or freezes the program.

use crate::app::App;
use crate::program::{RUNTIMES, program};
use crate::signals::signalled;
use std::fs::OpenOptions;
use std::io::{PipeReader, Read, Write, pipe};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A port that was free a moment ago. The log, which says where the program listens, is what cannot be read here.
fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The program, with nobody to tell where it listens.
struct Silent {
    child: Option<Child>,
    tcp: SocketAddr,
    http: SocketAddr,
}

impl Silent {
    fn start(runtime: &str, stderr: impl Into<Stdio>) -> Self {
        Self::start_as(program(), runtime, stderr)
    }

    fn start_as(mut command: Command, runtime: &str, stderr: impl Into<Stdio>) -> Self {
        let (tcp, http) = (free_port(), free_port());
        command.args(["--runtime", runtime, "--envelope=plaintext", "--log=debug"]);
        command.args([format!("--listen-tcp={tcp}"), format!("--listen-http={http}")]);
        let child = command.arg("--listen-websocket=off").stderr(stderr).spawn().unwrap();
        let silent = Self { child: Some(child), tcp, http };
        for _ in 0..1_000 {
            if TcpStream::connect(http).is_ok() {
                return silent;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the program does not listen");
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        answer
    }

    /// Waits until a line is counted that was lost.
    fn wait_dropped(&self) {
        for _ in 0..1_000 {
            if self.dropped() > 0.0 {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("what is lost is counted");
    }

    fn dropped(&self) -> f64 {
        let text = self.get("/metrics/proxy");
        let series = "prometheus_proxy_log_lines_dropped_total ";
        let value = text.lines().find_map(|line| line.strip_prefix(series));
        value.expect("the counter").parse().unwrap()
    }

    /// Serves applications and scrapers, each of which logs lines, and ends when it is told to.
    fn serves_and_ends(mut self) {
        for _ in 0..50 {
            drop(App::connect(self.tcp));
            self.get("/metrics/connected");
        }
        assert_eq!(signalled(self.child.take().unwrap(), "TERM").status.code(), Some(0));
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Only where a test has failed.
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn runtimes() -> impl Iterator<Item = &'static str> {
    RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in).map(|(runtime, _)| *runtime)
}

/// A pipe that is full, and read by nobody as long as its reader is kept.
fn stalled() -> (PipeReader, Stdio) {
    let (reader, mut writer) = pipe().unwrap();
    // What a pipe holds on Linux, unless it was told otherwise.
    writer.write_all(&[b'x'; 65_536]).unwrap();
    (reader, writer.into())
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// The program without any standard error.
fn closed() -> Command {
    let mut command = Command::new("sh");
    let program = program();
    command.args(["-c", "exec \"$0\" \"$@\" 2>&-"]).arg(program.get_program());
    command.env_clear().stdin(Stdio::null());
    command
}

#[test]
fn a_reader_that_goes_away_changes_nothing() {
    for runtime in runtimes() {
        let (reader, writer) = pipe().unwrap();
        let program = Silent::start(runtime, writer);
        drop(reader);
        program.wait_dropped();
        program.serves_and_ends();
    }
}

#[test]
fn a_reader_that_does_not_read_holds_nothing_up() {
    for runtime in runtimes() {
        let (_reader, stderr) = stalled();
        Silent::start(runtime, stderr).serves_and_ends();
    }
}

#[test]
fn a_full_disk_changes_nothing() {
    for runtime in runtimes() {
        let program = Silent::start(runtime, full());
        program.wait_dropped();
        program.serves_and_ends();
    }
}

#[test]
fn no_standard_error_changes_nothing() {
    for runtime in runtimes() {
        Silent::start_as(closed(), runtime, Stdio::inherit()).serves_and_ends();
    }
}

#[test]
fn the_exit_status_is_the_same_whatever_becomes_of_the_output() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = format!("--listen-tcp={}", taken.local_addr().unwrap());
    let in_use = [&*in_use, "--listen-websocket=off", "--listen-http=off", "--envelope=plaintext"];
    let half_of_tls = ["--tcp-tls-cert=a.pem"];
    for (args, status) in [
        (&["--no-such-flag"][..], 2),
        (&half_of_tls[..], 2),
        (&in_use[..], 1),
        (&["--help"], 0),
        (&["--version"], 0),
    ] {
        let (_reader, stderr) = stalled();
        let (_other_reader, stdout) = stalled();
        let mut commands = [program(), program(), program(), closed()];
        commands[0].stderr(stderr).stdout(stdout);
        commands[1].stderr(full()).stdout(full());
        // Their readers have gone.
        commands[2].stderr(pipe().unwrap().1).stdout(pipe().unwrap().1);
        commands[3].stdout(Stdio::null());
        for (number, command) in commands.iter_mut().enumerate() {
            let ended = command.args(args).status().unwrap();
            assert_eq!(ended.code(), Some(status), "{args:?} {number}");
        }
    }
}
