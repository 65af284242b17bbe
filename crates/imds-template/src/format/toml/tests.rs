//! One row for each thing that a file can do.

use crate::format::Format as _;
use crate::format::testing::{dropped, filled};

use super::Toml;

#[track_caller]
fn fills(source: &str, value: &str, expected: &str) {
    assert_eq!(filled::<Toml>(source, value).unwrap(), expected);
}

#[test]
fn basic_strings_stay_basic_and_keep_their_spelling() {
    fills(
        "a = \"${x}\" # note ${x}\nb = 0x1F\n",
        "012345678901",
        "a = \"012345678901\" # note ${x}\nb = 0x1F\n",
    );
    fills(
        r#"a = "\u0041 ${x} \t""#,
        "q\"\\\n\0é😀\u{7f}\u{85}",
        r#"a = "\u0041 q\"\\\n\u0000é😀\u007F\u0085 \t""#,
    );
    fills("\u{feff}a.'${x}'.\"${x}\" = \"${x}\"\r\n", "v", "\u{feff}a.'${x}'.\"${x}\" = \"v\"\r\n");
    fills(
        "[\"${x}\"]\na = [1, '''b''', { c = \"${x}\" }]\n",
        "v",
        "[\"${x}\"]\na = [1, '''b''', { c = \"v\" }]\n",
    );
}

#[test]
fn literal_strings_stay_literal_where_they_can() {
    fills("a = 'C:\\${x}'\n", "v\\w\"", "a = 'C:\\v\\w\"'\n");
    fills("a = 'C:\\${x}'\n", "it's", "a = \"C:\\\\it's\"\n");
    fills("a = 'C:\\${x}'\n", "v\nw", "a = \"C:\\\\v\\nw\"\n");
    fills("a = '''\nC:\\${x}\n'''\n", "it's\nv", "a = '''\nC:\\it's\nv\n'''\n");
    fills("a = '''\nC:\\\"${x}\n'''\n", "'''", "a = \"\"\"\nC:\\\\\\\"'''\n\"\"\"\n");
    fills("a = '''\nC:${x}'''\n", "v'", "a = '''\nC:v''''\n");
    fills("a = '''\r\nC:${x}'''\r\n", "v\nw", "a = \"\"\"\r\nC:v\\nw\"\"\"\r\n");
    fills("a = '''${x}'''\n", "\nv", "a = \"\"\"\\nv\"\"\"\n");
}

#[test]
fn multi_line_basic_strings_stay_on_their_lines() {
    fills(
        "a = \"\"\"\none \\\n  ${x} \\u0041\n  \"two\"\"\"\"\n",
        "v",
        "a = \"\"\"\none \\\n  v \\u0041\n  \"two\"\"\"\"\n",
    );
    fills("a = \"\"\"\none \\\n  ${x}\"\"\"\n", " v\nw", "a = \"\"\"\none \\\n  \\u0020v\nw\"\"\"\n");
    fills("a = \"\"\"${x}\"\"\"\n", "\nv\"\"\"", "a = \"\"\"\\nv\\\"\\\"\\\"\"\"\"\n");
    fills("a = \"\"\"\r\n${x}\r\n\"\"\"\r\n", "v\nw", "a = \"\"\"\r\nv\\nw\r\n\"\"\"\r\n");
    fills("a = \"\"\"one \\\n ${x} two\"\"\"\n", "", "a = \"one  two\"\n");
}

#[test]
fn other_types_stay() {
    let source = "a = 1_000\nb = 1979-05-27T07:32:00Z # ${x}\nc = [true, inf]\n\"${x}\" = { \"${x}\" = 0b1 }\n[['${x}']]\n";
    fills(source, "v", source);
}

#[test]
fn what_does_not_parse_is_an_error_at_its_place() {
    for (source, least) in [
        ("a = \"${x}\nb = 1\n", 4),
        ("a = ${x}\n", 4),
        ("a = \"\\q${x}\"\n", 5),
        ("a = [\"${x}\"\n", 4),
        ("a = {b = \"${x}\" c = 1}\n", 16),
        ("= \"${x}\"\n", 0),
        ("a = \"x\u{1}\"\n", 5),
    ] {
        let error = Toml::scalars(source).unwrap_err();
        assert!(error.offset >= least && error.offset <= source.len(), "{source} {error:?}");
        assert!(!error.message.is_empty());
    }
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Toml::scalars(&deep).is_err());
}

#[test]
fn origins_lead_back_to_the_placeholder() {
    for source in [
        "a = '${x}'",
        "a = \"\\u00e9\\t${x}\"",
        "a = '''\n\n ${x}'''",
        "a = \"\"\"\r\n\\\r\n  b\\n\r\n ${x}\"\"\"",
    ] {
        let scalar = &Toml::scalars(source).unwrap()[0];
        let offset = scalar.text.find('$').unwrap();
        assert_eq!(scalar.origins.source(offset), source.find('$').unwrap(), "{source:?} {scalar:?}");
    }
}

#[test]
fn dropped_entries_leave_the_others() {
    for (source, expected) in [
        ("a = '${x}' # note\nb = 1\n", "b = 1\n"),
        ("\u{feff}a = '${x}'\r\nb = 1\r\n", "\u{feff}b = 1\r\n"),
        ("[t]\n# about a\n  a.b = \"\"\"\n${x}\n\"\"\"\n[u]", "[t]\n# about a\n[u]"),
        ("a = ['${x}', 'b', \"${x}\"]\n", "a = ['b']\n"),
        ("a = ['${x}', \"${x}\"]\n", "a = []\n"),
        ("a = [\n  'b', # b\n  '${x}', # x\n]\n", "a = [\n  'b', # b\n  # x\n]\n"),
        ("a = [1, ['${x}'], '${x}']\n", "a = [1, []]\n"),
        ("a = { b = '${x}', c = 1 }\n", "a = { c = 1 }\n"),
        ("a = { c = 1, b.d = '${x}' }\n", "a = { c = 1 }\n"),
        ("a = { c = [1], b = '${x}', d = \"${x}\" }\n", "a = { c = [1] }\n"),
        ("a = { b = '${x}' }\n", "a = { }\n"),
        ("a = '${x}'", ""),
    ] {
        assert_eq!(dropped::<Toml>(source), expected, "{source:?}");
    }
}
