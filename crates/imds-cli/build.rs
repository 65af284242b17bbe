//! Has the released command start without what a program that never unwinds doesn't need.
//!
//! In the release profile a panic aborts, so nothing ever walks the unwind tables; yet the compiler emits them on most systems,
//! and they would be an eighth of the file. What is lost are the frames of a backtrace, which a stripped program couldn't name
//! anyway. For the same reason GCC's unwinder is linked statically where the linker has it so: that is 30 kB, and finding and
//! loading it as a library took a seventh of an empty program's time.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

const UNWINDER: &str = "libgcc_eh.a";

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
        if is("CARGO_CFG_TARGET_ENV", "gnu") && has_unwinder() {
            println!("cargo::rustc-link-lib=static:-bundle,+verbatim={UNWINDER}");
        }
    }
}

/// Whether the linker of this target finds GCC's unwinder as a static library.
fn has_unwinder() -> bool {
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let native = env::var("HOST").ok() == env::var("TARGET").ok();
    let Some(linker) = env::var("RUSTC_LINKER").ok().or(native.then(|| "cc".to_owned())) else {
        return false;
    };
    let asked = Command::new(linker).arg(format!("-print-file-name={UNWINDER}")).output();
    // What it doesn't find, it gives back as it is.
    asked.is_ok_and(|found| {
        let path = String::from_utf8_lossy(&found.stdout);
        Path::new(path.trim()).is_absolute() && fs::metadata(path.trim()).is_ok()
    })
}
