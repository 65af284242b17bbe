//! The texts of the built-in descriptions, for whoever wants to build on one.

/// All of them, each behind a NUL, its cloud and a newline. Packed, since they are wanted so seldom.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/clouds.deflate"));

/// The text that describes a built-in cloud.
pub(crate) fn text(cloud: &str) -> Option<String> {
    let texts = String::from_utf8(miniz_oxide::inflate::decompress_to_vec(PACKED).ok()?).ok()?;
    texts.split('\0').find_map(|file| file.strip_prefix(cloud)?.strip_prefix('\n')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clouds::{CLOUDS, NODES};

    #[test]
    fn every_description_has_its_text() {
        for cloud in CLOUDS.iter().chain(NODES.iter()) {
            let text = text(&cloud.name).unwrap();
            assert!(text.contains(&format!("name = \"{}\"\n", cloud.name)), "{}", cloud.name);
        }
        assert_eq!(text("aw"), None);
    }
}
