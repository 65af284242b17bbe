//! `imds resolve --list`: the placeholders, before anybody is asked.

use std::fmt::Write as _;

use imds::Field;
use imds::model::Class;
use imds_template::{Format, Key, Template};
use serde::{Serialize, Serializer};

use super::content::Content;
use super::document::{Document, Trouble};
use super::{Order, Report};
use crate::exit::{DONE, Ending};
use crate::messages::{Messages, visible};
use crate::output::Output;

#[derive(Serialize)]
struct List {
    placeholders: Vec<Row>,
}

/// A placeholder in the list.
#[derive(Serialize)]
struct Row {
    file: String,
    line: u64,
    column: u64,
    /// As it is written.
    placeholder: String,
    /// What stands before the colon; dialects have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// What stands behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The field that it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<Field>,
    /// Who may see the value; nothing where no service is asked for it.
    #[serde(serialize_with = "by_name", skip_serializing_if = "Option::is_none")]
    class: Option<Class>,
    /// What stands in without a value.
    default: Option<String>,
}

fn by_name<S: Serializer>(class: &Option<Class>, serializer: S) -> Result<S::Ok, S::Error> {
    class.map(|class| class.to_string()).serialize(serializer)
}

/// Prints the list.
pub(in crate::commands) fn list(order: &Order<'_>, messages: &Messages, output: &mut Output) -> Ending {
    let contents = order.load()?;
    let mut report = Report::new(messages);
    let mut placeholders = Vec::new();
    for (input, content) in order.inputs.iter().zip(&contents) {
        match rows(order, &input.name(), input.format, content) {
            Ok(rows) => placeholders.extend(rows),
            Err(trouble) => report.trouble(input, trouble)?,
        }
    }
    if report.has_failed() {
        return Ok(report.code());
    }
    if order.arguments.json {
        output.json(&List { placeholders })?;
    } else {
        output.text(&table(&placeholders))?;
    }
    Ok(DONE)
}

fn rows(order: &Order<'_>, file: &str, format: Format, content: &Content) -> Result<Vec<Row>, Trouble> {
    // Only here text has to be in one piece. What isn't UTF-8 in it is nobody's business, and shifts no column.
    let text;
    let structured;
    let template = match order.dialect() {
        None if format == Format::Text => {
            text = String::from_utf8_lossy(content.bytes());
            Template::parse_with(&text, format, &order.grammar)?
        }
        _ => {
            structured = Document::parse(content, format, order)?;
            match structured {
                Document::Structured(template) => template,
                Document::CloudWatch(configuration, _) => {
                    let row = |one: imds_template::dialect::cloudwatch::Placeholder| Row {
                        file: file.to_owned(),
                        line: one.position.line,
                        column: one.position.column,
                        placeholder: one.written,
                        namespace: None,
                        key: None,
                        field: one.field,
                        class: one.field.map(Field::class),
                        default: None,
                    };
                    return Ok(configuration.placeholders().map(row).collect());
                }
                Document::Text { .. } => return Ok(Vec::new()),
            }
        }
    };
    let mut rows = Vec::new();
    for one in template.placeholders() {
        let class = match one.key() {
            // What is no path is refused when it is resolved.
            Key::Path(path) => Some(order.known.path_class(path).unwrap_or(Class::Private)),
            key => key.class(),
        };
        rows.push(Row {
            file: file.to_owned(),
            line: one.position().line,
            column: one.position().column,
            placeholder: one.as_written().to_owned(),
            namespace: Some(one.namespace().to_string()),
            key: Some(one.name().to_owned()),
            field: one.field(),
            class,
            default: one.default().map(str::to_owned),
        });
    }
    Ok(rows)
}

fn table(rows: &[Row]) -> String {
    let header = ["place", "placeholder", "class", "default"].map(str::to_owned);
    let cells = rows.iter().map(|row| {
        let what = match (&row.namespace, &row.key) {
            (Some(namespace), Some(key)) => format!("{namespace}:{key}"),
            _ if row.placeholder.is_empty() => "(empty)".to_owned(),
            _ => row.placeholder.clone(),
        };
        [
            visible(&format!("{}:{}:{}", row.file, row.line, row.column)),
            visible(&what),
            row.class.map_or_else(|| "-".to_owned(), |class| class.to_string()),
            if row.default.is_some() { "yes" } else { "no" }.to_owned(),
        ]
    });
    let lines: Vec<[String; 4]> = std::iter::once(header).chain(cells).collect();
    let widest =
        |pick: fn(&[String; 4]) -> &String| lines.iter().map(|line| pick(line).chars().count()).max();
    let (places, names) = (widest(|[place, ..]| place), widest(|[_, name, ..]| name));
    let (places, names) = (places.unwrap_or_default(), names.unwrap_or_default());
    let mut text = String::new();
    for [place, name, class, default] in &lines {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{place:places$}  {name:names$}  {class:7}  {default}");
    }
    text
}
