//! A host that answers as a test says, to the letter.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The header by which EC2 says how long a token lives.
pub(crate) const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n";

/// A status, header lines that end in CRLF, and a body.
pub(crate) type Answer = (u16, &'static str, Vec<u8>);

/// Answers every request by its method and path, on a connection of its own. Lives as long as the test's runtime.
pub(crate) async fn serve(answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move { converse(stream, &*answer).await });
        }
    });
    url
}

async fn converse(mut stream: TcpStream, answer: &(impl Fn(&str, &str) -> Answer + Sync)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
            continue;
        }
        return;
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split_whitespace();
    let (status, headers, body) = answer(words.next().unwrap_or(""), words.next().unwrap_or(""));
    let head = format!(
        "HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
}
