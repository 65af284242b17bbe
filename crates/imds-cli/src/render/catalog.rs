//! The table of clouds and fields.

use std::fmt::Write as _;

use crate::commands::clouds::{Catalog, Cloud};

/// Clouds, fields, and with `matrix` which cloud serves which field.
pub(crate) fn catalog(catalog: &Catalog, matrix: bool) -> String {
    let mut text = String::new();
    let names = catalog.clouds.iter().map(|cloud| cloud.name.len()).max().unwrap_or_default();
    let titles = catalog.clouds.iter().map(|cloud| cloud.title.chars().count()).max().unwrap_or_default();
    let yes = |fact| if fact { "yes" } else { "-" };
    // Writing to a string can't fail, here and below.
    let _ = writeln!(text, "{:names$}  {:titles$}  firmware  read  fields", "cloud", "title");
    for cloud in &catalog.clouds {
        let _ = writeln!(
            text,
            "{:names$}  {:titles$}  {:8}  {:4}  {:>6}",
            cloud.name,
            cloud.title,
            yes(cloud.named_by_firmware),
            yes(cloud.read),
            cloud.fields.len()
        );
    }
    if matrix {
        text.push('\n');
        text.push_str(&served(catalog));
    }
    let fields = catalog.fields.iter().map(|field| field.name.name().len()).max().unwrap_or_default();
    let keys = catalog.fields.iter().filter_map(|field| Some(field.key?.len())).max().unwrap_or_default();
    let _ = writeln!(text, "\n{:fields$}  class    {:keys$}  meaning", "field", "key");
    for field in &catalog.fields {
        let key = field.key.unwrap_or("-");
        let _ = writeln!(text, "{:fields$}  {:7}  {key:keys$}  {}", field.name, field.class, field.summary);
    }
    text
}

/// Fields downwards, the clouds that can be read across.
fn served(catalog: &Catalog) -> String {
    let clouds: Vec<&Cloud> = catalog.clouds.iter().filter(|cloud| cloud.read).collect();
    let fields = catalog.fields.iter().map(|field| field.name.name().len()).max().unwrap_or_default();
    let header: String = clouds.iter().map(|cloud| format!("  {}", cloud.name)).collect();
    let mut text = format!("{:fields$}{header}\n", "served by");
    for field in &catalog.fields {
        let marks: String = clouds
            .iter()
            .map(|cloud| {
                let mark = if cloud.fields.contains(&field.name) { "x" } else { "" };
                format!("  {mark:width$}", width = cloud.name.len())
            })
            .collect();
        text.push_str(format!("{:fields$}{marks}", field.name).trim_end());
        text.push('\n');
    }
    text
}
