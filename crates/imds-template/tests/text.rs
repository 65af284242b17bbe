//! Text, whole and as a stream.

use std::io::{self, Read, Write};

use imds_template::{Format, Grammar, MAX_PLACEHOLDER, Missing, StreamError, Template, resolve_stream};
use proptest::prelude::*;

mod machine;

/// Gives a few bytes at a time.
struct Trickle<'b>(&'b [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.1.min(buffer.len());
        (&mut self.0).take(length as u64).read(buffer)
    }
}

fn stream(source: &[u8]) -> Result<Vec<u8>, StreamError> {
    let mut result = Vec::new();
    let values = machine::aws(&[("Name", "web")]);
    resolve_stream(&mut Trickle(source, 7001), &mut result, &values, Missing::Keep, &Grammar::default())?;
    Ok(result)
}

fn problems(source: &[u8]) -> String {
    match stream(source) {
        Err(StreamError::Unresolved(errors)) => errors.to_string(),
        other => format!("{other:?}"),
    }
}

/// How much is read at once; what is cut there has to be put together again.
const CHUNK: usize = 256 * 1024;

#[test]
fn a_placeholder_may_lie_anywhere_between_two_reads() {
    let pieces = "$${cloud:Region}|${cloud:Region}|$${X}|${tag:\"Name\"}|$$$|${X}";
    let resolved = "${cloud:Region}|eu-west-1|$${X}|web|$$$|${X}";
    for before in CHUNK - pieces.len() - 2..=CHUNK + 2 {
        let filling = "z".repeat(before);
        let result = stream(format!("{filling}{pieces}{filling}").as_bytes()).unwrap();
        assert!(result == format!("{filling}{resolved}{filling}").as_bytes(), "{before} bytes before");
        // The same once more, when its values have been seen.
        let filling = "z".repeat(before - pieces.len());
        let result = stream(format!("{pieces}{filling}{pieces}").as_bytes()).unwrap();
        assert!(result == format!("{resolved}{filling}{resolved}").as_bytes(), "{before} bytes before");
    }
}

#[test]
fn the_largest_placeholder_is_resolved_and_a_larger_one_is_none() {
    let placeholder = |length: usize| {
        let around = "${tag:none:-}".len();
        format!("${{tag:none:-{}}}", "d".repeat(length - around))
    };
    for before in [0, 1, CHUNK - MAX_PLACEHOLDER, CHUNK - 5] {
        let source = format!("{}{}|", "\n".repeat(before), placeholder(MAX_PLACEHOLDER));
        let length = before + MAX_PLACEHOLDER - "${tag:none:-}".len() + 1;
        assert_eq!(stream(source.as_bytes()).unwrap().len(), length);
        let source = format!("{}{}|", "\n".repeat(before), placeholder(MAX_PLACEHOLDER + 1));
        assert!(
            problems(source.as_bytes())
                .starts_with(&format!("{}:1: the placeholder has no end within", before + 1))
        );
    }
}

#[test]
fn places_are_right_far_into_a_stream_and_all_problems_are_told() {
    let source = format!(
        "\u{feff}${{cloud:Nope}}\n{}ä ${{tag:x:?say it}} {}\n ${{cloud:",
        "ö\r\n".repeat(CHUNK),
        "x".repeat(CHUNK)
    );
    assert_eq!(
        problems(source.as_bytes())
            .lines()
            .map(|line| line.split_inclusive(':').take(2).collect())
            .collect::<Vec<String>>(),
        ["1:1:".to_owned(), format!("{}:3:", CHUNK + 2), format!("{}:2:", CHUNK + 3)]
    );
}

#[test]
fn what_came_before_comes_again_and_places_after_it_are_right() {
    let source = "${tag:Name}\n ${tag:Name}$${tag:Name}$${tag:Name:-x} ${tag:Name:-x}${tag:none:-${tag:Name}\n${tag:Name} ${tag:\n";
    let told = problems(source.as_bytes());
    assert!(told.contains("3:13") && !told.contains("1:") && !told.contains("2:"), "{told}");
    let known = source.rsplit_once(' ').unwrap().0;
    assert_eq!(
        String::from_utf8(stream(known.as_bytes()).unwrap()).unwrap(),
        "web\n web${tag:Name}${tag:Name:-x} web${tag:Name\nweb"
    );
}

#[test]
fn what_is_not_utf8_goes_by_and_is_refused_inside_a_placeholder() {
    assert_eq!(stream(b"\xff\xfe ${cloud:Region} \x80\0").unwrap(), b"\xff\xfe eu-west-1 \x80\0");
    assert_eq!(problems(b"\xff\xe4 ${tag:\xff}"), "1:4: the placeholder isn't UTF-8");
}

#[test]
fn nothing_can_be_dropped_from_text() {
    let result = resolve_stream(
        &mut io::empty(),
        &mut io::sink(),
        &machine::aws(&[]),
        Missing::Drop,
        &Grammar::default(),
    );
    assert!(matches!(result, Err(StreamError::Unresolved(errors)) if errors.exit_code() == 2));
}

/// Repeats a line, this many times in all.
struct Repeated {
    times: usize,
    left: &'static [u8],
}

const LINE: &[u8] = b"region = ${cloud:Region}\n";

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() && self.times > 0 {
            self.times -= 1;
            self.left = LINE;
        }
        self.left.read(buffer)
    }
}

/// Counts, and remembers the largest write.
#[derive(Default)]
struct Counting {
    bytes: usize,
    largest: usize,
}

impl Write for Counting {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.bytes += buffer.len();
        self.largest = self.largest.max(buffer.len());
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_large_stream_goes_by_in_small_pieces() {
    let mut writer = Counting::default();
    let values = machine::aws(&[]);
    let grammar = Grammar::default();
    let mut reader = Repeated { times: 200_000, left: b"" };
    resolve_stream(&mut reader, &mut writer, &values, Missing::Error, &grammar).unwrap();
    assert_eq!(writer.bytes, 200_000 * "region = eu-west-1\n".len());
    assert!(writer.largest <= CHUNK + MAX_PLACEHOLDER);
}

proptest! {
    #[test]
    fn a_stream_is_resolved_as_the_whole_is(
        parts in prop::collection::vec(
            prop_oneof![
                Just("$".to_owned()), Just("${".to_owned()), Just("cloud:".to_owned()), Just("Region".to_owned()),
                Just("}".to_owned()), Just(":-".to_owned()), Just("\"".to_owned()), Just("\n".to_owned()),
                Just("${cloud:Region}".to_owned()), Just("${tag:x:-d}".to_owned()), Just("\\".to_owned()), any::<String>(),
            ],
            0..40,
        ),
    ) {
        let source = parts.concat();
        let values = machine::aws(&[("Name", "web")]);
        let whole = Template::parse(&source, Format::Text)
            .and_then(|template| template.resolve(&values, Missing::Keep))
            .map_err(|errors| errors.to_string());
        let streamed = match stream(source.as_bytes()) {
            Ok(result) => Ok(String::from_utf8(result).unwrap()),
            Err(error) => Err(error.to_string()),
        };
        if let (Err(whole), Err(streamed)) = (&whole, &streamed) {
            // A stream asks for values on its way, so that it tells what is missing as well.
            prop_assert!(whole.lines().all(|line| streamed.contains(line)), "{whole}\n--\n{streamed}");
        } else {
            prop_assert_eq!(whole, streamed);
        }
    }

    #[test]
    fn what_holds_no_placeholder_stays(source in "[^$]*(\\$[^{$][^$]*)*") {
        prop_assert_eq!(stream(source.as_bytes()).unwrap(), source.as_bytes());
    }
}
