//! Who posted it: `X-Imds-Signature: sha256=` and the HMAC-SHA256 (RFC 2104) of the body, in hexadecimal digits. The
//! receiver computes it with the same key.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The header.
pub const HEADER: &str = "x-imds-signature";
/// No key is longer; a longer file is something else.
const LONGEST: u64 = 4096;

/// Reads a key: the file's content, without line ends at its end. It is read for each request, so that it can be changed.
///
/// # Errors
/// Why there is no key in it.
pub fn key(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let unusable = |why: String| format!("the key {} can't be used: {why}", path.display());
    let file = File::open(path).map_err(|error| unusable(error.to_string()))?;
    let mut key = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
    file.take(LONGEST + 1).read_to_end(&mut key).map_err(|error| unusable(error.to_string()))?;
    if key.len() as u64 > LONGEST {
        return Err(unusable(format!("it is longer than {LONGEST} bytes")));
    }
    let length = key.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    key.truncate(length);
    if key.is_empty() { Err(unusable("it is empty".to_owned())) } else { Ok(key) }
}

/// The header's value for a body.
#[must_use]
pub fn sign(key: &[u8], body: &[u8]) -> String {
    // HMAC takes keys of every length (RFC 2104, section 2).
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(body);
    mac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_rfc_4231() {
        assert_eq!(
            sign(b"Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            sign(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "sha256=60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_key_is_a_file_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(key(&path).unwrap_err().contains("can't be used"));
        for (content, expected) in
            [("abc\r\n", Ok("abc")), (" a\nb", Ok(" a\nb")), ("\n\n", Err(())), ("", Err(()))]
        {
            std::fs::write(&path, content).unwrap();
            let read = key(&path);
            assert_eq!(
                read.as_ref().map(|key| &key[..]).map_err(|_| ()),
                expected.map(str::as_bytes),
                "{content:?}"
            );
        }
        std::fs::write(&path, "x".repeat(5000)).unwrap();
        assert!(key(&path).unwrap_err().contains("longer"));
    }
}
