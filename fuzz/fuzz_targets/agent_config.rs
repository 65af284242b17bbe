//! The agent's configuration: mistakes are told at their places, and a file that is accepted is TOML, names only settings
//! that the schema has, listens on loopback alone, and means one thing.
#![no_main]

use std::sync::OnceLock;

use imds::machine::Environment;
use imds_agent::config::{Config, HookAction, Owner, schema};
use libfuzzer_sys::fuzz_target;

fn schema_of() -> &'static serde_json::Value {
    static SCHEMA: OnceLock<serde_json::Value> = OnceLock::new();
    SCHEMA.get_or_init(schema)
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let outcome = Config::parse(text, "agent.toml", &Owner::root());
    let config = match outcome {
        Ok(config) => config,
        Err(invalid) => {
            assert!(!invalid.problems().is_empty());
            let lines: Vec<&str> = text.split('\n').collect();
            for problem in invalid.problems() {
                let line = problem.line.checked_sub(1).and_then(|line| lines.get(line));
                let line = line.unwrap_or_else(|| panic!("{problem:?} in {} lines", lines.len()));
                assert!((1..=line.chars().count() + 2).contains(&problem.column), "{problem:?} in {line:?}");
                assert!(!problem.message.is_empty() && !problem.message.contains('\n'), "{problem:?}");
            }
            return;
        }
    };
    let table: toml::Table = text.parse().expect("only TOML is a configuration");
    known(&table);
    assert!(config.tcp.as_ref().is_none_or(|tcp| tcp.listen.ip().is_loopback()));
    assert!(config.metrics.is_none_or(|listen| listen.ip().is_loopback()));
    assert!(config.agent.socket_mode <= 0o777);
    assert!(config.files.iter().filter_map(|file| file.mode).all(|mode| mode <= 0o777));
    for hook in &config.hooks {
        match &hook.action {
            HookAction::Command(command) => {
                assert!(command.first().is_some_and(|program| !program.is_empty()))
            }
            HookAction::Webhook { url, headers, .. } => {
                assert!(url.starts_with("http://") || url.starts_with("https://"), "{url}");
                for (name, value) in &headers.0 {
                    let clean = |text: &str| !text.contains(['\r', '\n', '\0']);
                    assert!(clean(name) && clean(value) && !name.is_empty(), "{name:?}: {value:?}");
                }
            }
            _ => {}
        }
    }
    let again = Config::parse(text, "agent.toml", &Owner::root()).expect("as before");
    assert_eq!(again, config);
    // Where it is refused, that is said by an error.
    let _ = config.client(&Environment::default());
});

/// Every section and every key is in the schema.
fn known(table: &toml::Table) {
    for (section, content) in table {
        let in_schema = &schema_of()["properties"][section];
        assert!(in_schema.is_object(), "{section} isn't in the schema");
        let (settings, tables) = match content {
            toml::Value::Table(table) => (&in_schema["properties"], vec![table]),
            toml::Value::Array(items) => {
                (&in_schema["items"]["properties"], items.iter().filter_map(toml::Value::as_table).collect())
            }
            other => panic!("{section} is {other:?}"),
        };
        for key in tables.into_iter().flat_map(toml::Table::keys) {
            assert!(settings[key].is_object(), "{section}.{key} isn't in the schema");
        }
    }
}
