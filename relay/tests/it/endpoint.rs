use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// An HTTP endpoint that answers each request with the next of these answers, and the last one ever after.
pub(crate) fn endpoint(answers: &'static [&'static str]) -> String {
    let answers = answers.iter().map(|answer| answer.as_bytes().to_vec()).collect();
    let (url, _) = heard_endpoint(answers);
    url
}

/// The same, and the heads of the requests that came.
pub(crate) fn heard_endpoint(answers: Vec<Vec<u8>>) -> (String, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    let (tell, heard) = channel();
    thread::spawn(move || {
        for number in 0.. {
            let (mut stream, _) = listener.accept().unwrap();
            let head = BufReader::new(stream.try_clone().unwrap()).lines();
            let lines: Vec<String> =
                head.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            // Nobody need listen.
            let _ = tell.send(lines);
            let _ = stream.write_all(&answers[answers.len().min(number + 1) - 1]);
        }
    });
    (url, heard)
}
