//! Somebody between the client and the service: passes everything on, and changes the head of the answers.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Listens on loopback for as long as the test runs; the answer to each request is what `answer` makes of the request.
pub(crate) fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let answer = Arc::new(answer);
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || converse(stream, &*answer));
        }
    });
    url
}

/// Passes requests on to a service, with these lines in the head of its answers, in the place of others of their names.
pub(crate) fn meddle(service: SocketAddr, lines: &'static [(&'static str, &'static str)]) -> String {
    serve(move |request| {
        let mut upstream = TcpStream::connect(service).unwrap();
        let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        upstream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let named = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default();
            !lines.iter().any(|(meant, _)| meant.eq_ignore_ascii_case(name))
        };
        let mut kept: Vec<String> = head.lines().filter(named).map(str::to_owned).collect();
        kept.extend(lines.iter().map(|(name, value)| format!("{name}: {value}")));
        [kept.join("\r\n").as_bytes(), &answer[end..]].concat()
    })
}

fn converse(mut stream: TcpStream, answer: &impl Fn(&str) -> Vec<u8>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&piece[..count]),
        }
    }
    let _ = stream.write_all(&answer(&String::from_utf8_lossy(&request)));
    let _ = stream.shutdown(Shutdown::Write);
}
