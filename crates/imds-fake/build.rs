//! Packs the scenarios: as they are they would be a twentieth of the command.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=scenarios");
    let mut all = String::new();
    for cloud in entries(Path::new("scenarios"))? {
        for file in entries(&cloud)? {
            // As `scenarios.rs` looks for it: cloud and name behind a mark that no text holds.
            let text = fs::read_to_string(&file)?;
            let key = file.strip_prefix("scenarios").map_err(Error::other)?.with_extension("");
            let key = key.to_string_lossy().replace('\\', "/");
            all.extend(["\0", &*key, "\n", &*text]);
        }
    }
    let directory = env::var_os("OUT_DIR").ok_or_else(|| Error::other("cargo sets OUT_DIR"))?;
    let packed = miniz_oxide::deflate::compress_to_vec(all.as_bytes(), 10);
    fs::write(Path::new(&directory).join("scenarios.deflate"), packed)
}

/// What is in a directory, in the same order everywhere.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut entries: Vec<_> =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    entries.sort();
    Ok(entries)
}
