//! Patterns of the signature table.

use crate::clouds::description::Pattern;

impl Pattern {
    /// Whether the whole value is of this form.
    pub(crate) fn matches(&self, value: &str) -> bool {
        match self {
            Self::Exact(text) => &**text == value,
            Self::Glob { glob } => like(glob.as_bytes(), value.as_bytes(), |a, b| a == b),
            Self::Iglob { iglob } => {
                like(iglob.as_bytes(), value.as_bytes(), |a, b| a.eq_ignore_ascii_case(&b))
            }
        }
    }
}

/// Matches `*` (any run) and `?` (any byte) in linear space and at worst quadratic time: the last `*` alone has to be
/// tried again.
fn like(pattern: &[u8], value: &[u8], same: fn(u8, u8) -> bool) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star = None;
    while let Some(byte) = value.get(seen) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(expected) if *expected == b'?' || same(*expected, *byte) => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((star_at, star_seen)) = star else { return false };
                star = Some((star_at, star_seen + 1));
                (at, seen) = (star_at + 1, star_seen + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    #[test]
    fn globs_match_whole_values() {
        let exactly = |a: u8, b: u8| a == b;
        for (pattern, value, expected) in [
            ("VMware*", "VMware, Inc.", true),
            ("VMware*", "A VMware", false),
            ("*.amazon", "4.11.amazon", true),
            ("*.amazon", "amazon.4.11", false),
            ("*.metal", "m6g.metal.x", false),
            ("????2?ec-*", "45e12aec-dcd1", true),
            ("????2?ec-*", "45e13aec-dcd1", false),
            ("?*", "", false),
            ("*", "", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxx", false),
        ] {
            assert_eq!(
                super::like(pattern.as_bytes(), value.as_bytes(), exactly),
                expected,
                "{pattern} {value}"
            );
        }
    }
}
