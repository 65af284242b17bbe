//! Leaves the unwind tables out of the released command.
//!
//! In the release profile a panic aborts, so nothing ever walks them; yet the compiler emits them on most systems, and they
//! would be an eighth of the file. What is lost are the frames of a backtrace, which a stripped program couldn't name anyway.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=without-unwind-tables.ld");
    let is = |variable: &str, value: &str| env::var(variable).is_ok_and(|found| found == value);
    // The script is one for the linkers of ELF systems.
    if is("PROFILE", "release")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && let Ok(directory) = env::var("CARGO_MANIFEST_DIR")
    {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{directory}/without-unwind-tables.ld");
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
}
