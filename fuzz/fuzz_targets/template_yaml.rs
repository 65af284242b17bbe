//! YAML: the result says what the source says, with the values in the placeholders' places, and nothing else changes.
#![no_main]

use imds_fuzz::{POLICIES, source_and_machine, tree, yaml};
use imds_template::{Format, Template};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((source, machine)) = source_and_machine(data) else { return };
    let Ok(template) = Template::parse(source, Format::Yaml) else { return };
    let before = yaml::read(source);
    let own = yaml::read_by_implementation(source);
    let agreed = match (&before, &own) {
        // These break lines in YAML 1.1 and in libyaml, and don't in YAML 1.2.
        (Some(before), Some(own)) if !source.contains(['\u{85}', '\u{2028}', '\u{2029}']) => {
            tree::normal(before) == tree::normal(own)
        }
        _ => false,
    };
    for missing in POLICIES {
        let Some(before) = before.as_ref().filter(|_| agreed) else {
            drop(template.resolve(&machine, missing));
            continue;
        };
        // An entry with an anchor that is needed elsewhere can't be dropped.
        let lenient = before.iter().any(yaml::has_alias);
        tree::judge(&template, &machine, missing, before, yaml::read_result, lenient);
        if let Ok(result) = template.resolve(&machine, missing) {
            let (one, other) = (yaml::read_result(&result), yaml::read_by_implementation(&result));
            let (one, other) =
                (one.map(|nodes| tree::normal(&nodes)), other.map(|nodes| tree::normal(&nodes)));
            assert_eq!(one, other, "{missing:?}: read in two ways\n{source:?}\n{result:?}");
        }
    }
});
