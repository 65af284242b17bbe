//! Reads the clouds' descriptions (`clouds/*.toml`, `not-clouds.toml`), and packs them and their texts.

use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "src/clouds/description.rs"]
#[expect(dead_code, unreachable_pub, reason = "the crate itself uses the rest")]
mod description;
#[macro_use]
#[path = "src/clouds/shape.rs"]
mod shape;
#[path = "build/pack.rs"]
mod pack;
#[path = "src/clouds/reading.rs"]
#[expect(unreachable_pub, reason = "the crate itself reads the same file")]
mod reading;

use description::{Description, NotClouds, Service, Text};
use pack::Pack;
use reading::Read;
use toml::de::DeTable;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/clouds/description.rs");
    println!("cargo::rerun-if-changed=src/clouds/reading.rs");
    println!("cargo::rerun-if-changed=src/clouds/shape.rs");
    println!("cargo::rerun-if-changed=clouds");
    println!("cargo::rerun-if-changed=not-clouds.toml");

    let mut files: Vec<PathBuf> =
        fs::read_dir("clouds")?.map(|entry| Ok(entry?.path())).collect::<Result<_, Failure>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();

    let said: Vec<(&PathBuf, Description)> =
        files.iter().map(|file| Ok((file, parse(file)?))).collect::<Result<_, Failure>>()?;
    // Clouds and nodes that aren't plain machines of theirs, each with the text that says it.
    let (mut clouds, mut nodes, mut texts) = (Vec::new(), Vec::new(), String::new());
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
        // As `texts.rs` looks for it: the name behind a mark that no text holds.
        texts.extend(["\0", &*cloud.name, "\n", &fs::read_to_string(file)?]);
        if cloud.node.is_some() { &mut nodes } else { &mut clouds }.push(cloud);
    }
    let others: NotClouds = parse(Path::new("not-clouds.toml"))?;
    let directory = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(directory.join("clouds.packed"), packed(&clouds))?;
    fs::write(directory.join("nodes.packed"), packed(&nodes))?;
    fs::write(directory.join("not-clouds.packed"), packed(&others))?;
    let services = || clouds.iter().chain(&nodes).filter_map(|cloud| cloud.service.as_ref());
    let numbers: Vec<Text> = services().flat_map(Service::number_variables).cloned().collect();
    fs::write(directory.join("number-variables.packed"), packed(&numbers))?;
    fs::write(directory.join("clouds.deflate"), miniz_oxide::deflate::compress_to_vec(texts.as_bytes(), 10))?;
    Ok(())
}

fn packed(what: &impl Pack) -> Vec<u8> {
    let mut bytes = Vec::new();
    what.pack(&mut bytes);
    bytes
}

fn parse<T: Read>(file: &Path) -> Result<T, Failure> {
    let text = fs::read_to_string(file)?;
    let document = DeTable::parse(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    reading::read(document).map_err(|wrong| {
        let line = text.get(..wrong.offset).map_or(0, |before| before.matches('\n').count()) + 1;
        let known =
            wrong.unknown.map_or_else(String::new, |(_, known)| format!("; known are {}", known.join(", ")));
        format!("{}:{line}: {}{known}", file.display(), wrong.what).into()
    })
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
