//! The default file and the schema, out of the table of settings.

use serde_json::{Map, Value, json};

use super::settings::{SECTIONS, Section, Setting, Shape};

/// The widest line of the default file.
const WIDTH: usize = 110;

/// A file with every setting, each explained and commented out: it says what the defaults are, and means them.
#[must_use]
pub fn default_text() -> String {
    let mut text = paragraph(
        "What the imds agent does. Every setting is here with its default, or with an example where there is none; take \
         away the # in front of what you want otherwise. `imds agent --check` says whether the file can be used, and \
         SIGHUP makes a running agent read it again.",
    );
    for section in SECTIONS {
        text.push('\n');
        text.push_str(&paragraph(section.about));
        let (open, close) = if section.several { ("# [[", "]]") } else { ("[", "]") };
        text.push_str(&format!("{open}{}{close}\n", section.name));
        for setting in section.settings {
            text.push('\n');
            text.push_str(&paragraph(setting.about));
            let value = setting.default.unwrap_or(setting.example);
            text.push_str(&format!("# {} = {value}\n", setting.key));
        }
    }
    text
}

/// Comment lines.
fn paragraph(about: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in about.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}

/// The JSON Schema (draft 2020-12) of the file, for editors and for tools that write one.
#[must_use]
pub fn schema() -> Value {
    let sections: Map<String, Value> =
        SECTIONS.iter().map(|section| (section.name.to_owned(), of_section(section))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The imds agent's configuration",
        "description": "/etc/imds/agent.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": sections,
    })
}

fn of_section(section: &Section) -> Value {
    let settings: Map<String, Value> =
        section.settings.iter().map(|setting| (setting.key.to_owned(), of_setting(setting))).collect();
    let mut table = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": settings,
    });
    let needed: Vec<&str> =
        section.settings.iter().filter(|setting| setting.needed).map(|setting| setting.key).collect();
    if let Value::Object(table) = &mut table
        && !needed.is_empty()
    {
        table.insert("required".to_owned(), json!(needed));
    }
    match section.several {
        true => json!({ "description": section.about, "type": "array", "items": table }),
        false => {
            if let Value::Object(table) = &mut table {
                table.insert("description".to_owned(), json!(section.about));
            }
            table
        }
    }
}

fn of_setting(setting: &Setting) -> Value {
    let mut schema = match setting.shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Duration => {
            json!({ "type": "string", "pattern": "^[0-9]+ ?[a-zµ]+( ?[0-9]+ ?[a-zµ]+)*$" })
        }
        Shape::Mode => json!({ "type": "string", "pattern": "^(0o)?0?[0-7]{3}$" }),
        Shape::Loopback => {
            json!({ "type": "string", "pattern": "^(127\\.[0-9.]+|\\[[0-9a-fA-F:.]+\\]):[0-9]+$" })
        }
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Count { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Shape::Choices(words) => json!({ "type": "array", "items": { "enum": words } }),
        Shape::Command => json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }),
        Shape::Principals => json!({
            "type": "array",
            "items": { "type": "string", "pattern": "^(everybody|root|(user|group):[^\\s:/,-][^\\s:/,]*)$" },
        }),
        Shape::Words => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
    };
    if let Value::Object(object) = &mut schema {
        object.insert("description".to_owned(), json!(setting.about));
        if let Some(default) = setting.default.and_then(as_json) {
            object.insert("default".to_owned(), default);
        }
        if let Some(example) = as_json(setting.example) {
            object.insert("examples".to_owned(), json!([example]));
        }
    }
    schema
}

/// A TOML value as JSON.
fn as_json(value: &str) -> Option<Value> {
    let table: Map<String, Value> = toml::from_str(&format!("value = {value}")).ok()?;
    table.get("value").cloned()
}
