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

    let said: Vec<(&PathBuf, Description)> =
        files.iter().map(|file| Ok((file, parse(file)?))).collect::<Result<_, Failure>>()?;
    // Clouds and nodes that aren't plain machines of theirs, each with the text that says it.
    let (mut clouds, mut nodes, mut texts) = (String::new(), String::new(), String::new());
    for (file, cloud) in &said {
        if file.file_stem().is_none_or(|stem| *stem != *cloud.name) {
            return Err(
                format!("{}: it describes {:?}; name the file so", file.display(), &*cloud.name).into()
            );
        }
        let base = cloud.based_on.as_ref().map(|base| {
            let found = said.iter().find(|(_, other)| *other.name == **base);
            found.map(|(_, base)| base).ok_or_else(|| format!("{}: no cloud {base}", file.display()))
        });
        let cloud = match base.transpose()? {
            Some(base) => cloud.clone().on(base),
            None => cloud.clone(),
        };
        check(file, &cloud)?;
        // The compact form on purpose: it is Rust source, see `description`.
        writeln!(if cloud.node.is_some() { &mut nodes } else { &mut clouds }, "{cloud:?},")?;
        let path = fs::canonicalize(file)?;
        writeln!(texts, "({:?}, include_str!({path:?})),", &*cloud.name)?;
    }
    let mut source = format!(
        "pub(crate) static CLOUDS: &[Description] = &[\n{clouds}];\n\
         pub(crate) static NODES: &[Description] = &[\n{nodes}];\n\
         pub(crate) static TEXTS: &[(&str, &str)] = &[\n{texts}];\n"
    );
    let others: NotClouds = parse(Path::new("not-clouds.toml"))?;
    writeln!(source, "pub(crate) static NOT_CLOUDS: &NotClouds = &{others:?};")?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("clouds.rs"), source)?;
    Ok(())
}

fn parse<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, Failure> {
    toml::from_str(&fs::read_to_string(file)?).map_err(|error| format!("{}: {error}", file.display()).into())
}

/// References inside a description have to lead somewhere, and every signature has to be shown by a fixture.
fn check(file: &Path, cloud: &Description) -> Result<(), Failure> {
    if let Some(mistake) = cloud.mistakes().first() {
        return Err(format!("{}: {}: {}", file.display(), mistake.at.join("."), mistake.what).into());
    }
    if cloud.firmware.iter().any(|row| row.fixture.is_empty() || row.source.is_empty()) {
        return Err(format!("{}: every firmware row needs a source and a fixture", file.display()).into());
    }
    Ok(())
}
