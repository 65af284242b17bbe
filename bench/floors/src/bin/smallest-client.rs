//! The smallest client that makes the same round trips: one connection, no library, no retry, no deadline.
//!
//! `smallest-client aws|azure|gcp ADDR:PORT PATH` prints the body.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a floor has no error handling to pay for")]

use std::io::{Read, Write};
use std::net::TcpStream;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, cloud, address, path] = &arguments[..] else { std::process::exit(2) };
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_nodelay(true).unwrap();
    let header = match cloud.as_str() {
        "aws" => {
            let token = "PUT /latest/api/token HTTP/1.1\r\nHost: 169.254.169.254\r\n\
                         X-aws-ec2-metadata-token-ttl-seconds: 21600\r\nContent-Length: 0\r\n\r\n";
            format!("X-aws-ec2-metadata-token: {}", exchange(&mut connection, token))
        }
        "azure" => "Metadata: true".to_owned(),
        _ => "Metadata-Flavor: Google".to_owned(),
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\n{header}\r\n\r\n");
    println!("{}", exchange(&mut connection, &request));
}

/// One request, and the body that its `Content-Length` announces.
fn exchange(connection: &mut TcpStream, request: &str) -> String {
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::with_capacity(4096);
    let mut piece = [0; 4096];
    loop {
        let read = connection.read(&mut piece).unwrap();
        assert_ne!(read, 0, "the service closed the connection");
        answer.extend_from_slice(&piece[..read]);
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&answer[..end]).unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
        });
        if answer.len() >= end + 4 + length.unwrap() {
            return String::from_utf8(answer.split_off(end + 4)).unwrap();
        }
    }
}
