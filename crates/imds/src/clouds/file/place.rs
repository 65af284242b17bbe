//! Where in a file something is: `FILE:LINE:COLUMN`, both from 1, columns in characters.

use std::ops::Range;

use toml::de::{DeArray, DeTable, DeValue};

/// `LINE:COLUMN` of a byte of a text.
pub(super) fn position(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let column = line.trim_start_matches('\u{feff}').chars().count() + 1;
    format!("{}:{column}", before.matches('\n').count() + 1)
}

/// Where the value at these keys is; of a table its header. Keys that aren't there end the search where they are missing.
/// Below what was found, the text `about` is meant, where it is there.
pub(super) fn find(document: &DeTable<'_>, at: &[String], about: Option<&str>) -> usize {
    let Some((first, rest)) = at.split_first() else { return 0 };
    let Some((key, value)) = document.get_key_value(first.as_str()) else { return 0 };
    let (mut place, mut value) = (spot(value.get_ref(), key.span(), value.span()), value.get_ref());
    for key in rest {
        let next = match value {
            DeValue::Table(table) => table
                .get_key_value(key.as_str())
                .map(|(key, value)| (spot(value.get_ref(), key.span(), value.span()), value.get_ref())),
            DeValue::Array(array) => item(array, key),
            // One item may be written without brackets.
            _ => None,
        };
        match next {
            Some(next) => (place, value) = next,
            None if key.parse::<usize>().is_ok() => {}
            None => break,
        }
    }
    about.and_then(|about| text(value, about)).unwrap_or(place)
}

/// What people look at: the key of what spans lines, the value of everything else.
fn spot(value: &DeValue<'_>, key: Range<usize>, span: Range<usize>) -> usize {
    match value {
        DeValue::Table(_) | DeValue::Array(_) => key.start,
        _ => span.start,
    }
}

fn item<'d, 'i>(array: &'d DeArray<'i>, index: &str) -> Option<(usize, &'d DeValue<'i>)> {
    let item = array.get(index.parse::<usize>().ok()?)?;
    Some((item.span().start, item.get_ref()))
}

/// The first text below a value that is this one.
fn text(value: &DeValue<'_>, wanted: &str) -> Option<usize> {
    match value {
        DeValue::Table(table) => table.iter().find_map(|(key, value)| {
            let key = (&**key.get_ref() == wanted).then(|| key.span().start);
            key.or_else(|| spanned_text(value.get_ref(), value.span(), wanted))
        }),
        DeValue::Array(array) => {
            array.iter().find_map(|value| spanned_text(value.get_ref(), value.span(), wanted))
        }
        _ => None,
    }
}

fn spanned_text(value: &DeValue<'_>, span: Range<usize>, wanted: &str) -> Option<usize> {
    match value {
        DeValue::String(text) => (&**text == wanted).then_some(span.start),
        value => text(value, wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let text = "a = 1\n# é\nüb = 2\n";
        for (needle, place) in [("a", "1:1"), ("1", "1:5"), ("b", "3:2"), ("2", "3:6")] {
            assert_eq!(position(text, text.find(needle).unwrap()), place, "{needle}");
        }
        assert_eq!(position(text, 999), "4:1");
    }

    #[test]
    fn keys_lead_to_what_they_name() {
        let text = concat!(
            "name = \"x\"\n",
            "[service]\n",
            "ipv4 = \"1\"\n",
            "[fields]\n",
            "region = [\"a#/r\", \"b#/r\"]\n",
            "zone = { from = \"c\" }\n",
            "[[interfaces]]\n",
            "each = \"d\"\n",
            "[[interfaces]]\n",
            "each = \"e\"\n",
        );
        let document = DeTable::parse(text).unwrap();
        for (at, about, place) in [
            (&["name"][..], None, "1:8"),
            (&["service", "ipv4"], None, "3:8"),
            (&["service", "port"], None, "2:2"),
            (&["fields", "region"], None, "5:1"),
            (&["fields", "region"], Some("b#/r"), "5:19"),
            (&["fields", "zone"], Some("c"), "6:17"),
            (&["interfaces", "1"], Some("e"), "10:8"),
            (&["interfaces", "1"], None, "9:1"),
            (&["nowhere"], None, "1:1"),
        ] {
            let at: Vec<String> = at.iter().map(|key| (*key).to_owned()).collect();
            assert_eq!(position(text, find(document.get_ref(), &at, about)), place, "{at:?} {about:?}");
        }
    }
}
