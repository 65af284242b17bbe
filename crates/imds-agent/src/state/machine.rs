//! Which machine this is, and which boot of it.

use std::fmt::Write as _;

use imds::Config;
use imds::machine::Files;
use sha2::{Digest, Sha256};

/// What firmware says of one machine and no other. The first characters that a text has to have stand behind it, where
/// only those with them are an identity: AWS writes the instance's id into the asset tag, others `Default string`.
const IDENTITY: [(&str, &str); 5] = [
    ("/sys/class/dmi/id/product_uuid", ""),
    ("/sys/class/dmi/id/product_serial", ""),
    ("/sys/class/dmi/id/board_serial", ""),
    ("/sys/class/dmi/id/board_asset_tag", "i-"),
    ("/sys/hypervisor/uuid", ""),
];
/// What it says of the kind of machine. The product's name isn't here: on AWS it changes with the instance's size.
const KIND: [&str; 2] = ["/sys/class/dmi/id/sys_vendor", "/sys/class/dmi/id/board_vendor"];
/// The kernel's own name for this boot.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// Shorter texts are fillers: `0`, `None`, `123456789`.
const SHORTEST: usize = 10;
/// Firmware images that were copied with their identity: AMI's and Phoenix's samples.
const COPIED: [&str; 2] = ["03000200-0400-0500-0006-000700080009", "12345678-1234-5678-90ab-cddeefaabbcc"];

/// This machine, as far as it can be told from others. Has to be read before privileges are dropped: only root may see
/// serial numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    digest: Vec<u8>,
    unique: bool,
    boot: Option<String>,
}

impl Machine {
    /// The machine that these files are of.
    #[must_use]
    pub fn of(files: &dyn Files) -> Self {
        let text = |path: &str| {
            let content = files.read(path).ok()?;
            let text = String::from_utf8(content).ok()?.trim().to_ascii_lowercase();
            (!text.is_empty()).then_some(text)
        };
        let mut digest = Sha256::new();
        let mut unique = false;
        for (path, start) in IDENTITY {
            if let Some(text) = text(path).filter(|text| text.starts_with(start) && tells_apart(text)) {
                unique = true;
                digest.update(format!("{path}={text}\n"));
            }
        }
        for path in KIND {
            if let Some(text) = text(path) {
                digest.update(format!("{path}={text}\n"));
            }
        }
        let boot = text(BOOT).filter(|boot| boot.len() <= 64);
        Self { digest: digest.finalize().to_vec(), unique, boot }
    }

    /// What a state of this machine is bound to, when this is what the client is told.
    #[must_use]
    pub fn binding(&self, client: &Config) -> Binding {
        let mut digest = Sha256::new();
        digest.update(&self.digest);
        digest.update(client.given_endpoint().unwrap_or_default());
        Binding { machine: hex(&digest.finalize()), unique: self.unique, boot: self.boot.clone() }
    }
}

/// What a state is bound to. Says nothing of the machine: it is a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The machine, and the endpoint where one was given.
    pub machine: String,
    /// Whether that tells this machine from every other.
    pub unique: bool,
    /// The boot; nothing where the system doesn't say.
    pub boot: Option<String>,
}

/// Whether no other machine has the same text: long enough, and not what makers leave in.
fn tells_apart(text: &str) -> bool {
    let mut letters = text.chars().filter(char::is_ascii_alphanumeric);
    let first = letters.next();
    text.len() >= SHORTEST
        && text.chars().any(|c| c.is_ascii_digit())
        && letters.any(|c| Some(c) != first)
        && !COPIED.contains(&text)
        && !"0123456789".contains(text)
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use imds::machine::{Environment, MemoryFiles};
    use std::sync::Arc;

    fn files(texts: &[(&str, &str)]) -> MemoryFiles {
        texts.iter().fold(MemoryFiles::new(), |files, (path, text)| files.with(path, format!("{text}\n")))
    }

    const UUID: &str = "/sys/class/dmi/id/product_uuid";

    #[test]
    fn machines_are_told_apart_by_what_only_one_has() {
        let one = Machine::of(&files(&[(UUID, "EC2E1916-9099-7CAF-FD21-012345ABCDEF")]));
        let other = Machine::of(&files(&[(UUID, "ec2e1916-9099-7caf-fd21-012345abcdee")]));
        let same = Machine::of(&files(&[(UUID, "ec2e1916-9099-7caf-fd21-012345abcdef")]));
        assert!(one.unique && other.unique);
        assert_eq!(one, same, "kernels print the id in either case");
        assert_ne!(one.digest, other.digest);
    }

    #[test]
    fn fillers_are_no_identity() {
        for (path, text) in [
            (UUID, "00000000-0000-0000-0000-000000000000"),
            (UUID, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
            (UUID, "03000200-0400-0500-0006-000700080009"),
            ("/sys/class/dmi/id/product_serial", "0123456789"),
            ("/sys/class/dmi/id/board_serial", "None"),
            ("/sys/class/dmi/id/board_serial", "To be filled by O.E.M."),
            ("/sys/class/dmi/id/board_asset_tag", "Asset-1234567890"),
            ("/sys/class/dmi/id/sys_vendor", "Amazon EC2 1234567890"),
        ] {
            assert!(!Machine::of(&files(&[(path, text)])).unique, "{path} {text}");
        }
        assert!(Machine::of(&files(&[("/sys/class/dmi/id/board_asset_tag", "i-0fedcba9876543210")])).unique);
    }

    #[test]
    fn another_endpoint_is_another_binding_and_nothing_can_be_read_from_one() {
        let machine = Machine::of(&files(&[(UUID, "ec2e1916-9099-7caf-fd21-012345abcdef"), (BOOT, "b-1")]));
        let client = |url: Option<&str>| {
            let builder = Config::builder(Environment::default()).files(Arc::new(MemoryFiles::new()));
            url.map_or(builder.clone(), |url| builder.endpoint(url, "--endpoint")).build().unwrap()
        };
        let own = machine.binding(&client(None));
        let elsewhere = machine.binding(&client(Some("http://127.0.0.1:1")));
        assert_ne!(own.machine, elsewhere.machine);
        assert_eq!(own.boot.as_deref(), Some("b-1"));
        assert!(!format!("{own:?}").contains("012345abcdef"));
    }
}
