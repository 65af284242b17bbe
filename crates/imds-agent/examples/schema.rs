//! Prints the JSON schema of the agent's configuration file, as it stands in `schema/agent.schema.json`.

use std::io::Write;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &imds_agent::config::schema())?;
    out.write_all(b"\n")
}
