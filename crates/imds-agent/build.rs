//! Packs `openapi.json`: as it is, it would be seven times as much of the command.

use std::io::{Error, Result};
use std::path::Path;
use std::{env, fs};

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=openapi.json");
    let directory = env::var_os("OUT_DIR").ok_or_else(|| Error::other("cargo sets OUT_DIR"))?;
    let packed = miniz_oxide::deflate::compress_to_vec(&fs::read("openapi.json")?, 10);
    fs::write(Path::new(&directory).join("openapi.deflate"), packed)
}
