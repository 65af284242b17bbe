//! Writes the table of diagnoses in `docs/doctor.md` anew: `cargo run -p imds --features doctor --example doctor_page`. A test
//! fails where it isn't what this writes.

use std::fs;
use std::io;
use std::path::Path;

const BEGIN: &str =
    "<!-- diagnoses: begin (written by `cargo run -p imds --features doctor --example doctor_page`) -->\n";
const END: &str = "<!-- diagnoses: end -->";

fn main() -> io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.md");
    let page = fs::read_to_string(&path)?;
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or_else(|| io::Error::other("docs/doctor.md has lost its marks"))?;
    let rows: String =
        imds::doctor::diagnoses().map(|(id, about)| format!("| `{id}` | {about} |\n")).collect();
    fs::write(path, format!("{before}{BEGIN}\n| id | what it means |\n|---|---|\n{rows}\n{END}{after}"))
}
