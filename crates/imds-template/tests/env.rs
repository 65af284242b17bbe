//! Env files, read back by a shell and by systemd's rules.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use imds_template::{Format, Missing, Template};
use proptest::prelude::*;

mod machine;

fn with_tag(source: &str, value: &str) -> Result<String, String> {
    let values = machine::aws(&[("x", value), ("odd key", "odd")]);
    Template::parse(source, Format::Env)
        .and_then(|template| template.resolve(&values, Missing::Error))
        .map_err(|errors| errors.to_string())
}

/// What systemd reads from an `EnvironmentFile=`: its state machine, from systemd's `load_env_file`.
fn systemd(source: &str) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let mut chars = source.chars().peekable();
    loop {
        while chars.next_if(|char| char.is_whitespace()).is_some() {}
        match chars.peek() {
            None => return variables,
            Some('#' | ';') => {
                while chars.next().is_some_and(|char| char != '\n') {}
                continue;
            }
            Some(_) => {}
        }
        let mut key = String::new();
        while let Some(char) = chars.next_if(|char| !matches!(char, '=' | '\n' | '\r')) {
            key.push(char);
        }
        if chars.next_if_eq(&'=').is_none() {
            continue;
        }
        let (mut value, mut trailing) = (String::new(), 0);
        let mut started = false;
        while let Some(char) = chars.next() {
            match char {
                '\n' | '\r' => break,
                '\'' if !started => value.extend(chars.by_ref().take_while(|char| *char != '\'')),
                '"' if !started => {
                    while let Some(char) = chars.next().filter(|char| *char != '"') {
                        match (char, chars.peek()) {
                            ('\\', Some('"' | '\\' | '`' | '$')) => value.extend(chars.next()),
                            ('\\', Some('\n')) => drop(chars.next()),
                            _ => value.push(char),
                        }
                    }
                }
                ' ' | '\t' if !started => continue,
                '\\' => {
                    started = true;
                    value.extend(chars.next().filter(|char| *char != '\n'));
                }
                other => {
                    started = true;
                    value.push(other);
                    if other == ' ' || other == '\t' {
                        trailing += 1;
                        continue;
                    }
                }
            }
            trailing = 0;
        }
        value.truncate(value.len() - trailing);
        variables.insert(key.trim_end().to_owned(), value);
    }
}

/// What a shell has in these variables after it has read the file.
fn shell(source: &str, variables: &[&str]) -> Vec<String> {
    let prints: Vec<String> = variables.iter().map(|name| format!("printf '%s\\0' \"${name}\"")).collect();
    let script = format!("{source}\n{}", prints.join("\n"));
    let mut command = Command::new("sh");
    command.env_clear().env("HOME", "/h").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // All of the script is read before anything is printed.
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{script}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// One variable for every way of quoting.
const QUOTINGS: &str = "# ${tag:x}\nA=${tag:x}\nB='${tag:x}'\nC=\"${tag:x}\"\nD=pre-${tag:x}.post\n\nexport E='<'\"${tag:x}\"'>'\nF=\"a \\\"${tag:x}\\\" b\\\n\"\n";
const EXAMPLES: &[&str] = &[
    "plain",
    "two words",
    "it's",
    "\"quoted\" 'both'",
    "$HOME `id` $(id) \\$x \\",
    "# no comment; true && false | x > y",
    "${aws:InstanceId} $${cloud:Region}",
    "a\tb ~ * ? [x] {a,b} !x",
    "",
    " ",
    "é\u{1F600}\u{2028}",
    "\\'\\\"",
    "=a=b",
];

#[test]
fn a_shell_and_systemd_read_back_exactly_the_value() {
    let long = "it's \"$x\" ".repeat(6500);
    for value in EXAMPLES.iter().chain([&long.as_str()]) {
        let result = with_tag(QUOTINGS, value).unwrap();
        assert!(result.starts_with("# ${tag:x}\n"));
        let expected = [
            (*value).to_owned(),
            (*value).to_owned(),
            (*value).to_owned(),
            format!("pre-{value}.post"),
            format!("<{value}>"),
            format!("a \"{value}\" b"),
        ];
        assert_eq!(shell(&result, &["A", "B", "C", "D", "E", "F"]), expected, "{result}");
        let mut read = systemd(&result);
        // The word export is the shell's own.
        let exported = read.remove("export E").unwrap();
        read.insert("E".to_owned(), exported);
        assert_eq!(read.into_values().collect::<Vec<_>>(), expected, "{result}");
    }
}

#[test]
fn comments_layout_and_everything_else_are_kept() {
    for (source, value, result) in [
        ("\u{feff}A=${tag:x} # ${tag:x}\r\n\r\n  B=1\r\n", "v", "\u{feff}A=v # ${tag:x}\r\n\r\n  B=1\r\n"),
        ("A=${tag:x}\r\nB=2", "two words", "A='two words'\r\nB=2"),
        ("A=\"$HOME/${tag:x}/\\\"b\\\"\"", "$y", "A=\"$HOME/\\$y/\\\"b\\\"\""),
        ("A=$HOME/${tag:x}/b", "v", "A=$HOME/v/b"),
        ("A=$HOME/${tag:x}/b", "a b", "A=\"$HOME/a b/b\""),
        ("A=${tag:none:-two words} # c", "", "A='two words' # c"),
        ("A=${tag:none:-a\\} b}", "", "A='a} b'"),
        ("A=${tag:\"odd key\"}", "", "A=odd"),
        ("A=\"${tag:\\\"odd key\\\"}\"", "", "A=\"odd\""),
        ("A=$${tag:x}", "", "A='${tag:x}'"),
        ("A=\"$${tag:x}\"", "", "A=\"\\${tag:x}\""),
        ("A=\"\\${tag:x}\"", "v", "A=\"v\""),
        (
            "A=${X:-a b} B=${Y}\nC=a b\n. ./x ${Z}\nD='a\nb ${tag:x}\n'",
            "v",
            "A=${X:-a b} B=${Y}\nC=a b\n. ./x ${Z}\nD='a\nb v\n'",
        ),
        ("A=it's\nB=${X}", "v", "A=it's\nB=${X}"),
        ("; ${tag:x}\nfoo.bar-baz=${tag:x}", "v", "; ${tag:x}\nfoo.bar-baz=v"),
        ("A=\\\n${tag:x}\\ b", "v", "A=\\\nv\\ b"),
        ("A=\"x\"${tag:x}", "v", "A=\"x\"v"),
    ] {
        assert_eq!(with_tag(source, value).as_deref(), Ok(result), "{source}");
    }
}

#[test]
fn what_an_env_file_cannot_hold_is_refused_with_place_and_advice() {
    for (source, value, place, reason) in [
        ("A=1\nB='${tag:x}'", "a\nb", "2:4", "line break"),
        ("A=${tag:x}", "a\0", "1:3", "'\\0'"),
        ("A=${tag:x}", "a\r", "1:3", "'\\r'"),
        ("A=${tag:x}", "\u{7f}", "1:3", "control character"),
        ("A= ${tag:x}", "v", "1:4", "put the whole value in double quotes"),
        ("A=a ${tag:x}", "v", "1:5", "put the whole value in double quotes"),
        ("A=${tag:x}${tag:\"a}\"b}\"", "", "1:11", "follows the quoted key"),
        ("A=${X:\"a}${tag:x}\"}", "", "1:10", "put the whole value in double quotes"),
        ("A=it's${tag:x}", "v", "1:7", "put the whole value in double quotes"),
        ("A=a\"${tag:x}\"", "v", "1:5", "put the whole value in double quotes"),
        ("A=a\\ ${tag:x}", "a b", "1:6", "put the whole value in double quotes"),
        ("A=~/${tag:x}", "a b", "1:5", "put the whole value in double quotes"),
        ("A=\"x\"${tag:x}", "a b", "1:6", "put the whole value in double quotes"),
        ("A=\"${tag:\"x\"}\"", "v", "1:4", "begins in one kind of quotes"),
        ("echo ${tag:x}", "v", "1:6", "isn't KEY=value"),
        ("A=1\n B='${tag:x}", "v", "2:4", "isn't closed"),
        ("A=\"${tag:x}\\\"", "v", "1:3", "isn't closed"),
    ] {
        let error = with_tag(source, value).unwrap_err();
        assert!(error.starts_with(&format!("{place}: ")) && error.contains(reason), "{source}: {error}");
    }
}

#[test]
fn dropped_lines_go_whole() {
    let template =
        "A=1\n  export B=\"${tag:none}\n\" # gone\nC=${tag:none}\r\nD=${cloud:Region}\nE=${tag:none}";
    let template = Template::parse(template, Format::Env).unwrap();
    assert_eq!(template.resolve(&machine::aws(&[]), Missing::Drop).unwrap(), "A=1\nD=eu-west-1\n");
}

#[test]
fn a_long_line_of_open_braces_takes_no_time() {
    let source = format!("A={}", "${".repeat(500_000));
    assert_eq!(with_tag(&source, "v").unwrap(), source);
}

proptest! {
    #[test]
    fn systemd_reads_back_any_value(value in "[^\\x00-\\x08\\x0a-\\x1f\\x7f]*|['\"\\\\$` #a]{0,12}") {
        let result = with_tag(QUOTINGS, &value).unwrap();
        let read = systemd(&result);
        for name in ["A", "B", "C"] {
            prop_assert_eq!(&read[name], &value, "{}", result);
        }
        prop_assert_eq!(&read["D"], &format!("pre-{value}.post"));
        prop_assert_eq!(&read["export E"], &format!("<{value}>"));
        prop_assert_eq!(&read["F"], &format!("a \"{value}\" b"));
    }

    #[test]
    fn no_source_is_too_strange(source in any::<String>(), parts in prop::collection::vec("[A='\"\\\\ \\t\\r\\n#;$é{}]{0,4}|\\$\\{tag:x\\}|export ", 0..30)) {
        for source in [source, parts.concat()] {
            if let Ok(template) = Template::parse(&source, Format::Env) {
                for missing in [Missing::Keep, Missing::Empty, Missing::Drop] {
                    let result = template.resolve(&machine::aws(&[]), missing);
                    if missing == Missing::Keep && !source.contains("$${") {
                        prop_assert_eq!(result.as_deref(), Ok(source.as_str()));
                    }
                }
                let _ = template.resolve(&machine::aws(&[("x", "it's \"$x\"")]), Missing::Error);
            }
        }
    }
}
