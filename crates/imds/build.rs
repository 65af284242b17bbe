//! Turns the clouds' descriptions (`clouds/*.toml`, `not-clouds.toml`) into statics.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "src/clouds/description.rs"]
#[expect(dead_code, unreachable_pub, reason = "the crate itself uses the rest")]
mod description;

use description::{Description, NotClouds};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/clouds/description.rs");
    println!("cargo::rerun-if-changed=clouds");
    println!("cargo::rerun-if-changed=not-clouds.toml");

    let mut files: Vec<PathBuf> =
        fs::read_dir("clouds")?.map(|entry| Ok(entry?.path())).collect::<Result<_, Failure>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();

    let mut source = String::from("pub(crate) static CLOUDS: &[Description] = &[\n");
    for file in &files {
        let cloud: Description = parse(file)?;
        if file.file_stem().is_none_or(|stem| *stem != *cloud.name) {
            return Err(
                format!("{}: it describes {:?}; name the file so", file.display(), &*cloud.name).into()
            );
        }
        check(file, &cloud)?;
        // The compact form on purpose: it is Rust source, see `description`.
        writeln!(source, "{cloud:?},")?;
    }
    source.push_str("];\n");
    let others: NotClouds = parse(Path::new("not-clouds.toml"))?;
    writeln!(source, "pub(crate) static NOT_CLOUDS: &NotClouds = &{others:?};")?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("clouds.rs"), source)?;
    Ok(())
}

fn parse<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, Failure> {
    toml::from_str(&fs::read_to_string(file)?).map_err(|error| format!("{}: {error}", file.display()).into())
}

/// References inside a description have to lead somewhere.
fn check(file: &Path, cloud: &Description) -> Result<(), Failure> {
    let document = |place: &str| place.split('#').next().unwrap_or(place).to_owned();
    let mut named: Vec<String> = cloud.interfaces.iter().map(|rule| document(&rule.each)).collect();
    for (_, rule) in cloud.fields.iter() {
        named.extend(rule.from.iter().map(|place| document(place)));
        named.extend(rule.primary.iter().map(|place| document(place)));
    }
    named.extend(cloud.probe.iter().map(|probe| probe.document.to_string()));
    for name in named {
        if cloud.documents.get(&name).is_none() {
            return Err(format!("{}: there is no document {name:?}", file.display()).into());
        }
    }
    Ok(())
}
