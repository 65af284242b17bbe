//! One Varlink call: JSON that ends with a NUL, there and back (varlink.org, "Method Call").
//!
//! Own code rather than the crate zlink: that reads up to 100 MiB of a reply into memory, which can't be set, and nothing here
//! takes more than a call and its reply on a connection.

use std::io;
use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::Refusal;

/// Calls a method, and gives the parameters of the reply, which is no larger than the limit. The caller sets the deadline.
pub(super) async fn call(
    socket: &Path,
    method: &str,
    parameters: &Value,
    limit: usize,
) -> Result<Value, Refusal> {
    let mut stream = UnixStream::connect(socket).await.map_err(Refusal::NotThere)?;
    must_be_trusted(&stream)?;
    let broken = |error: io::Error| Refusal::Malformed(format!("the connection broke: {error}"));
    let mut message = json!({ "method": method, "parameters": parameters }).to_string().into_bytes();
    message.push(0);
    stream.write_all(&message).await.map_err(broken)?;
    reply(&mut stream, limit).await
}

/// Reads one reply.
async fn reply(stream: &mut (impl AsyncRead + Unpin), limit: usize) -> Result<Value, Refusal> {
    let mut message = Vec::new();
    let mut chunk = [0; 8192];
    let end = loop {
        let length = stream
            .read(&mut chunk)
            .await
            .map_err(|error| Refusal::Malformed(format!("the connection broke: {error}")))?;
        let read = chunk.get(..length).unwrap_or_default();
        let end = read.iter().position(|byte| *byte == 0).map(|end| message.len() + end);
        message.extend_from_slice(read);
        if end.unwrap_or(message.len()) > limit {
            return Err(Refusal::TooLarge(limit));
        }
        match end {
            Some(end) => break end,
            None if length == 0 => {
                return Err(Refusal::Malformed("the connection was closed without an answer".to_owned()));
            }
            None => {}
        }
    };
    message.truncate(end);
    let mut reply: Value = serde_json::from_slice(&message)
        .map_err(|error| Refusal::Malformed(format!("the reply isn't JSON: {error}")))?;
    match reply.get("error") {
        None | Some(Value::Null) => {}
        Some(Value::String(name)) => return Err(Refusal::of(name)),
        Some(_) => return Err(Refusal::Malformed("the reply's error has no name".to_owned())),
    }
    match reply.get_mut("parameters").map(Value::take) {
        Some(parameters @ Value::Object(_)) => Ok(parameters),
        None | Some(Value::Null) => Ok(json!({})),
        Some(_) => Err(Refusal::Malformed("the reply's parameters are no object".to_owned())),
    }
}

/// The socket of the system's daemon belongs to root, who listens on it for the daemon; one's own stands in for it in tests
/// and demos.
fn must_be_trusted(stream: &UnixStream) -> Result<(), Refusal> {
    let unknown = |error: io::Error| Refusal::Malformed(format!("who listens can't be found out: {error}"));
    let holder = stream.peer_cred().map_err(unknown)?.uid();
    let (own, _far) = UnixStream::pair().map_err(unknown)?;
    let own = own.peer_cred().map_err(unknown)?.uid();
    if holder == 0 || holder == own { Ok(()) } else { Err(Refusal::Untrusted(holder)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8], limit: usize) -> Result<Value, Refusal> {
        reply(&mut &*bytes, limit).await
    }

    #[tokio::test]
    async fn a_reply_is_its_parameters_or_a_named_error() {
        assert_eq!(read(b"{\"parameters\":{\"data\":\"eA==\"}}\0", 100).await.unwrap()["data"], "eA==");
        assert_eq!(read(b"{}\0", 100).await.unwrap(), json!({}));
        assert_eq!(read(b"{\"parameters\":{\"a\":1},\"continues\":false}\0{", 100).await.unwrap()["a"], 1);
        for (name, expected) in [
            ("io.systemd.InstanceMetadata.KeyNotFound", "KeyNotFound"),
            ("io.systemd.InstanceMetadata.NotAvailable", "NotAvailable"),
            ("io.systemd.InstanceMetadata.NotSupported", "NotSupported"),
            ("io.systemd.InstanceMetadata.CommunicationFailure", "CommunicationFailure"),
            ("io.systemd.InstanceMetadata.Timeout", "Timeout"),
            ("org.varlink.service.PermissionDenied", "NotPermitted"),
            ("io.systemd.InteractiveAuthenticationRequired", "NotPermitted"),
            ("io.systemd.System", "Other(\"io.systemd.System\")"),
        ] {
            let message = format!("{{\"error\":\"{name}\",\"parameters\":{{}}}}\0");
            assert_eq!(format!("{:?}", read(message.as_bytes(), 200).await.unwrap_err()), expected);
        }
    }

    #[tokio::test]
    async fn what_is_no_reply_is_refused() {
        for bytes in [&b""[..], b"{}", b"\0", b"<html>\0", b"{\"error\":7}\0", b"{\"parameters\":[]}\0"] {
            let refused = read(bytes, 100).await;
            assert!(matches!(refused, Err(Refusal::Malformed(_))), "{bytes:?}: {refused:?}");
        }
        let endless = [b'x'; 300];
        assert!(matches!(read(&endless, 100).await, Err(Refusal::TooLarge(100))));
        let mut late = endless.to_vec();
        late.push(0);
        assert!(matches!(read(&late, 100).await, Err(Refusal::TooLarge(100))));
    }

    #[tokio::test]
    async fn nobody_there_is_said() {
        let nowhere = Path::new("/nonexistent/socket");
        assert!(matches!(call(nowhere, "a.B", &json!({}), 9).await, Err(Refusal::NotThere(_))));
    }
}
