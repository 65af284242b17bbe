//! Lines of `name: value`, a `-` before the first of each record: what Hetzner's service says of private networks. Such
//! text is also YAML, of which this crate reads nothing more.

use serde_json::{Map, Value};

/// The records in order; nothing where the text is of another form. Values are text, without the quotes around them.
pub(super) fn parse(text: &str) -> Option<Value> {
    let mut records: Vec<Map<String, Value>> = Vec::new();
    if text.trim() == "[]" {
        return Some(Value::Array(Vec::new()));
    }
    for line in text.lines().map(str::trim_end) {
        let bare = line.trim_start();
        if bare.is_empty() || bare.starts_with('#') || bare == "---" {
            continue;
        }
        let (begins, pair) = match bare.strip_prefix("- ") {
            Some(pair) => (true, pair.trim_start()),
            None => (false, bare),
        };
        // What a value that is a list of its own holds is nobody's business here.
        let Some((name, value)) = pair.split_once(':') else {
            if begins && !records.is_empty() {
                continue;
            }
            return None;
        };
        if begins || records.is_empty() {
            records.push(Map::new());
        }
        let value = value.trim();
        let unquoted = ['\'', '"'].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        let value = Value::String(unquoted.unwrap_or(value).to_owned());
        records.last_mut()?.insert(name.trim().to_owned(), value);
    }
    Some(Value::Array(records.into_iter().map(Value::Object).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_and_nothing_else() {
        let text = "- ip: 10.0.0.2\n  alias_ips: []\n  mac_address: '86:00:00:98:40:6e'\n- ip: 10.1.0.2\n";
        let expected = serde_json::json!([
            {"ip": "10.0.0.2", "alias_ips": "[]", "mac_address": "86:00:00:98:40:6e"},
            {"ip": "10.1.0.2"},
        ]);
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse(""), Some(serde_json::json!([])));
        assert_eq!(parse("[]\n"), Some(serde_json::json!([])));
        assert_eq!(parse("alone: yes\nmore: 1"), Some(serde_json::json!([{"alone": "yes", "more": "1"}])));
        assert_eq!(parse("no record at all"), None);
        assert_eq!(parse("- just\n- words"), None);
    }

    #[test]
    fn a_list_inside_a_record_is_passed_over() {
        let text = "- ip: 10.0.0.2\n  alias_ips:\n  - 10.0.0.3\n  gateway: 10.0.0.1\n";
        let expected = serde_json::json!([{"ip": "10.0.0.2", "alias_ips": "", "gateway": "10.0.0.1"}]);
        assert_eq!(parse(text), Some(expected));
    }
}
