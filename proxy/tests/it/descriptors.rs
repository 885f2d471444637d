//! Few file descriptors, and more applications than they are for.

use crate::program::{RUNTIMES, program};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};

struct Limited {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Limited {
    /// The program with a limit of descriptors.
    fn start(limit: usize, runtime: &str) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")])
            .arg(program().get_program())
            .args(["--listen-tcp=127.0.0.1:0", "--listen-websocket=off"])
            .args(["--listen-http=127.0.0.1:0", &format!("--runtime={runtime}")])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// The next line that contains a text.
    fn line(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "no line {text:?}");
            if line.contains(text) {
                return line;
            }
        }
    }

    fn address(&mut self) -> SocketAddr {
        let line = self.line("listening");
        line.split("address=").nth(1).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn scrapers_get_in_while_applications_use_all_descriptors_that_are_for_them() {
    for (runtime, _) in RUNTIMES.iter().filter(|(_, is_built_in)| *is_built_in) {
        let mut program = Limited::start(64, runtime);
        let warning = program.line("the limit of 64 file descriptors is too low");
        assert!(warning.contains("need 11072"), "{warning}");
        let (tcp, http) = (program.address(), program.address());
        let held: Vec<_> = (0..200).map(|_| TcpStream::connect(tcp).unwrap()).collect();
        let silent: Vec<_> = (0..100).map(|_| TcpStream::connect(http).unwrap()).collect();
        for path in ["/metrics/connected", "/-/healthy", "/metrics/proxy"] {
            let mut stream = TcpStream::connect(http).unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{runtime} {path}: {answer}");
        }
        drop((held, silent));
    }
}
