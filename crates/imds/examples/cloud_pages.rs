//! Writes the pages of all clouds (`docs/clouds/`) and the table in the README anew from the clouds' descriptions:
//! `cargo run -p imds --example cloud_pages`. A test fails where they aren't what this writes.

use std::io;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- clouds: begin (written by `cargo run -p imds --example cloud_pages`) -->\n";
const END: &str = "<!-- clouds: end -->";

fn main() -> io::Result<()> {
    let root = root();
    for (path, page) in pages(&root)? {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, page)?;
    }
    for stray in strays(&root)? {
        std::fs::remove_file(stray)?;
    }
    Ok(())
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file, by its path in the repository, as it has to be.
pub(crate) fn pages(root: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let (clouds, nodes) = (imds::clouds(), imds::nodes());
    let mut pages = vec![
        (PathBuf::from("docs/clouds/README.md"), index(&clouds, &nodes)),
        (PathBuf::from("README.md"), readme(&std::fs::read_to_string(root.join("README.md"))?, &clouds)?),
    ];
    for cloud in clouds.iter().chain(&nodes) {
        pages.push((PathBuf::from(format!("docs/clouds/{}.md", cloud.name)), cloud.page()));
    }
    Ok(pages)
}

/// Pages of clouds that there aren't any more.
pub(crate) fn strays(root: &Path) -> io::Result<Vec<PathBuf>> {
    let known: Vec<PathBuf> = pages(root)?.into_iter().map(|(path, _)| root.join(path)).collect();
    let mut strays = Vec::new();
    for entry in std::fs::read_dir(root.join("docs/clouds"))? {
        let path = entry?.path();
        if !known.contains(&path) {
            strays.push(path);
        }
    }
    Ok(strays)
}

fn index(clouds: &[imds::CloudSummary], nodes: &[imds::CloudSummary]) -> String {
    let mut text = String::from(
        "# Clouds\n\n\
         Which fields each cloud's service has, and which events it announces. Each page says how the cloud is found and \
         asked, where each field lies, and where all that is known from. `imds clouds NAME` prints the same.\n\n",
    );
    text.push_str(&imds::matrix(clouds, ""));
    text.push_str("\n## Clouds that are named, but not read\n\n");
    for cloud in clouds.iter().filter(|cloud| cloud.fields.is_empty()) {
        text.push_str(&format!("- [{}]({}.md) (`{}`)\n", cloud.title, cloud.name, cloud.name));
    }
    text.push_str("\n## Nodes that aren't plain machines of their cloud\n\n");
    for node in nodes {
        let of = node.node_of.as_ref().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("- [{}]({}.md) (`{}`, of `{of}`)\n", node.title, node.name, node.name));
    }
    text.push_str(
        "\n## Clouds that there aren't any more\n\n\
         - Equinix Metal (Packet) closed in June 2026, and its metadata service with it.\n\n\
         ## A cloud that isn't here\n\n\
         can be described in a file of your own, without code: [how](../cloud-files.md).\n",
    );
    text
}

/// The README with the table as it has to be.
fn readme(text: &str, clouds: &[imds::CloudSummary]) -> io::Result<String> {
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| io::Error::other(format!("README.md has lost its marks: {BEGIN}{END}")))?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", imds::matrix(clouds, "docs/clouds/")))
}
