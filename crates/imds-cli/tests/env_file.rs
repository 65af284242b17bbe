//! `show --format env`: a file that a shell and systemd's `EnvironmentFile=` read back exactly.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod process;

use std::collections::BTreeMap;
use std::process::Command;

use imds_fake::{Fake, Scenario};
use process::{imds, stderr, stdout};

/// Values that one reader or another might take for something else.
const VALUES: [&str; 32] = [
    "plain",
    "",
    " ",
    " around ",
    "tab\tinside",
    "a=b=c",
    "# no comment",
    "; no comment",
    "x # y",
    "\"quoted\"",
    "'quoted'",
    "\"",
    "'",
    "it's \"both\"",
    "\\",
    "\\\\",
    "ends with \\",
    "\\n isn't a newline",
    "\\\" \\$ \\` \\\\",
    "$HOME",
    "${HOME}",
    "$(id)",
    "`id`",
    "$",
    "$$",
    "${aws:InstanceId}",
    "!! !x",
    "~ * ? [a-z] {a,b}",
    "a & b | c ; d > e < f",
    "% %H %%",
    "é 東京 🦀",
    "export X=1",
];

type Variables = BTreeMap<String, String>;

/// The file that is written for these values, as tags, and the variables that it should hold.
fn file() -> (String, Variables) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut scenario = Scenario::parse("aws").unwrap();
    let mut expected = Variables::new();
    for (index, value) in VALUES.iter().enumerate() {
        scenario.set(&format!("meta-data/tags/instance/t{index}"), value).unwrap();
        expected.insert(format!("IMDS_TAG_T{index}"), (*value).to_owned());
    }
    let fake = runtime.block_on(Fake::start(scenario)).unwrap();
    let output = imds(&format!("show --format env --endpoint {}", fake.url())).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let _inside = runtime.enter();
    drop(fake);
    (stdout(&output), expected)
}

/// Only the variables of these tests.
fn of_tags(variables: Variables) -> Variables {
    variables.into_iter().filter(|(name, _)| name.starts_with("IMDS_TAG_T")).collect()
}

#[test]
fn a_shell_reads_back_exactly_what_was_there() {
    let (text, expected) = file();
    let path = std::env::temp_dir().join(format!("imds-env-file-{}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    for shell in ["sh", "bash"] {
        let script = r#"set -eu; set -a; . "$1"; exec env -0"#;
        let Ok(output) = Command::new(shell).args(["-c", script, shell]).arg(&path).output() else {
            assert_ne!(shell, "sh", "every machine has one");
            continue;
        };
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stdout(&output);
        let pairs = text.split_terminator('\0').filter_map(|pair| pair.split_once('='));
        let read = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(of_tags(read), expected, "{shell}");
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn systemd_reads_back_exactly_what_was_there() {
    let (text, expected) = file();
    let variables = systemd(&text).unwrap();
    assert_eq!(variables.len(), text.lines().count(), "every line is one variable");
    assert_eq!(of_tags(variables), expected);
}

/// The rules of systemd.exec(5), "EnvironmentFile=", as far as the manual page gives them: assignments a line each; empty
/// lines, and lines that start with `#` or `;`, are comments; a value is unquoted, in single or in double quotes, with
/// white space around quotes dropped; in double quotes a backslash stands before `"`, `\`, `` ` ``, `$` and a line's end,
/// and is itself anywhere else; in single quotes nothing is special; outside of quotes a backslash protects any character.
/// A file with a character that isn't a Unicode scalar value, or is a noncharacter or a byte order mark, is refused whole.
fn systemd(text: &str) -> Result<Variables, String> {
    if let Some(c) = text.chars().find(|c| {
        let code = u32::from(*c);
        code == 0 || code == 0xfeff || (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
    }) {
        return Err(format!("{c:?} isn't allowed"));
    }
    let mut variables = Variables::new();
    let mut rest = text.chars().peekable();
    while rest.peek().is_some() {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        if rest.next_if(|c| matches!(c, '#' | ';')).is_some() {
            while rest.next().is_some_and(|c| c != '\n') {}
            continue;
        }
        let mut name = String::new();
        let mut assigned = false;
        for c in rest.by_ref() {
            match c {
                '=' => assigned = true,
                '\n' => {}
                c => {
                    name.push(c);
                    continue;
                }
            }
            break;
        }
        if !assigned {
            continue;
        }
        let mut value = String::new();
        let mut quote = None;
        // White space at the end of an unquoted value is dropped; inside of quotes it isn't.
        let mut kept = 0;
        while let Some(c) = rest.next() {
            match (quote, c) {
                (None, '\n') => break,
                (None, '"' | '\'') if value.len() == kept => quote = Some(c),
                (None, '\\') => {
                    if let Some(next) = rest.next().filter(|next| *next != '\n') {
                        value.push(next);
                    }
                    kept = value.len();
                }
                (None, c) if c.is_whitespace() => {
                    if !value.is_empty() {
                        value.push(c);
                    }
                }
                (None, c) => {
                    value.push(c);
                    kept = value.len();
                }
                (Some(open), c) if open == c => {
                    quote = None;
                    kept = value.len();
                }
                (Some('"'), '\\') => match rest.next() {
                    Some('\n') => {}
                    Some(next @ ('"' | '\\' | '`' | '$')) => value.push(next),
                    Some(next) => value.extend(['\\', next]),
                    None => return Err("the file ends inside quotes".to_owned()),
                },
                (Some(_), c) => value.push(c),
            }
        }
        if quote.is_some() {
            return Err("the file ends inside quotes".to_owned());
        }
        value.truncate(kept);
        variables.insert(name.trim_end().to_owned(), value);
    }
    Ok(variables)
}

#[test]
fn the_reader_of_this_test_knows_the_rules() {
    let text = "# a comment\n; another\n\nA=b c  \nB='$x \\n'\nC=\"a\\\"b\\q\\\nc\" \nno assignment\nD=\nE=a\\ b\\\nc\n";
    let expected = [("A", "b c"), ("B", "$x \\n"), ("C", "a\"b\\qc"), ("D", ""), ("E", "a bc")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(systemd(text).unwrap(), expected.into_iter().collect());
    assert!(systemd("A=\u{feff}").is_err() && systemd("A=\"x").is_err());
}
