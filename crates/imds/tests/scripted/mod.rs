//! A host that answers as a test says, to the letter.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The header by which EC2 says how long a token lives.
pub(crate) const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n";

/// A status, header lines that end in CRLF, and a body.
pub(crate) type Answer = (u16, &'static str, Vec<u8>);

/// A request.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    head: &'a str,
    body: &'a str,
}

impl Asked<'_> {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// The body, of which a test needs only that it came.
    pub(crate) fn body(&self) -> &str {
        self.body
    }
}

/// Answers every request by its method and path, on a connection of its own. Lives as long as the test's runtime.
pub(crate) async fn serve(answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> String {
    serve_requests(move |asked: &Asked<'_>| {
        // Both are read where a test looks at more than the path.
        let _ = (asked.header("host"), asked.body());
        answer(asked.method, asked.path)
    })
    .await
}

/// As [`serve`], by the whole request.
pub(crate) async fn serve_requests(answer: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static) -> String {
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

async fn converse(mut stream: TcpStream, answer: &(impl Fn(&Asked<'_>) -> Answer + Sync)) {
    let mut request = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut request).await.is_ok_and(|read| read == 0) {
            return;
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let asked = Asked { method: "", path: "", head, body: "" };
        let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            break (head.to_owned(), body.to_owned());
        }
    };
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (status, headers, body) = answer(&Asked { method, path, head: &head, body: &body });
    let head = format!(
        "HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
}
