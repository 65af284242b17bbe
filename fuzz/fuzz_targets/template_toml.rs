//! TOML: the result says what the source says, with the values in the placeholders' places, and nothing else changes.
#![no_main]

use imds_fuzz::{POLICIES, source_and_machine, toml, tree};
use imds_template::{Format, Template};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((source, machine)) = source_and_machine(data) else { return };
    let template = Template::parse(source, Format::Toml);
    let before = toml::read(source);
    let template = match template {
        Ok(template) => template,
        Err(errors) => {
            // Whatever is TOML and has readable placeholders is accepted.
            let readable = before.is_some_and(|nodes| tree::is_readable(&nodes, &machine));
            assert!(!readable, "{source:?}\n{errors}");
            return;
        }
    };
    let independent = toml::read_independently(source);
    for missing in POLICIES {
        match &before {
            Some(before) => tree::judge(&template, &machine, missing, before, toml::read, false),
            // A key that is defined twice: who reads it says so.
            None => drop(template.resolve(&machine, missing)),
        }
        if let (Some(before), Some(independent)) = (&before, &independent)
            && before == independent
        {
            tree::judge(&template, &machine, missing, independent, toml::read_independently, false);
        }
    }
});
