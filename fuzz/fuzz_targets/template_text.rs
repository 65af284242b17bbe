//! Text: what is around the placeholders stays, values go in as they are, and a stream says the same wherever it is cut.
#![no_main]

use std::io::{self, Read};

use imds_fuzz::{Machine, POLICIES, bytes_and_machine, offsets};
use imds_template::{
    Errors, Format, Grammar, Lookup, Missing, StreamError, Template, Values, resolve_stream,
};
use libfuzzer_sys::fuzz_target;

/// A stream is read in pieces of this size.
const PIECE: usize = 256 * 1024;

fuzz_target!(|data: &[u8]| {
    let (short, machine) = bytes_and_machine(data);
    let seed = data.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    // What takes long is done with some inputs only. A byte stands for half the longest placeholder and a little more.
    let mut source = Vec::with_capacity(short.len());
    let mut long = if seed.is_multiple_of(8) { 0 } else { 2 };
    for byte in short {
        match byte {
            0x02 if long < 2 => {
                source.extend(std::iter::repeat_n(b'y', 33_000));
                long += 1;
            }
            byte => source.push(*byte),
        }
    }
    for missing in POLICIES {
        match std::str::from_utf8(&source) {
            Ok(source) => {
                whole(source, &machine, missing);
                alike(source, &machine, missing, streamed(source.as_bytes(), &machine, missing, seed));
            }
            Err(_) => drop(streamed(&source, &machine, missing, seed)),
        }
    }
    if !source.contains(&b'$') || seed % 16 > 1 {
        return;
    }
    // The border between two pieces falls somewhere into the source.
    let padding = PIECE - (seed / 32 % (source.len().min(PIECE - 2) + 2)) - 1;
    let mut padded = vec![b'x'; padding];
    padded.extend_from_slice(&source);
    let missing = if seed % 32 < 2 { Missing::Keep } else { Missing::Error };
    let alone = streamed(&source, &machine, missing, seed);
    let behind = streamed(&padded, &machine, missing, seed);
    match (alone, behind) {
        (Ok(alone), Ok(behind)) => assert!(behind.get(padding..) == Some(&alone[..]), "{source:?} {padding}"),
        (Err(alone), Err(behind)) => {
            assert_eq!(messages(&alone), messages(&behind), "{source:?} {padding}");
        }
        (alone, behind) => panic!("{source:?} {padding} {alone:?} {behind:?}"),
    }
});

/// The result is the source with values in the placeholders' places.
fn whole(source: &str, machine: &Machine<'_>, missing: Missing) {
    let Ok(template) = Template::parse(source, Format::Text) else { return };
    let Ok(resolved) = template.resolve_reported(machine, missing) else { return };
    let mut rest = resolved.text.as_str();
    let mut done = 0;
    let literal = |from: usize, to: usize, rest: &mut &str| {
        let gap = source.get(from..to).expect("a placeholder starts where a character does");
        let gap = Template::parse(gap, Format::Text).expect("what is around placeholders has no problem");
        assert!(gap.placeholders().is_empty(), "{source:?}");
        let gap = gap.resolve(machine, missing).expect("nothing is missing");
        *rest = rest.strip_prefix(&gap[..]).unwrap_or_else(|| panic!("{source:?} {:?}", resolved.text));
    };
    for (placeholder, start) in template.placeholders().iter().zip(offsets(&template)) {
        literal(done, start, &mut rest);
        done = start + placeholder.as_written().len();
        assert_eq!(source.get(start..done), Some(placeholder.as_written()));
        let value = match machine.lookup(placeholder.key()) {
            Lookup::Value(value) => value,
            _ => match placeholder.default() {
                Some(default) => default.to_owned(),
                None if missing == Missing::Keep => placeholder.as_written().to_owned(),
                None => String::new(),
            },
        };
        rest = rest.strip_prefix(&value[..]).unwrap_or_else(|| panic!("{source:?} {:?}", resolved.text));
    }
    literal(done, source.len(), &mut rest);
    assert_eq!(rest, "", "{source:?}");
    if !source.contains("$${") && template.placeholders().is_empty() {
        assert_eq!(resolved.text, source);
    }
}

/// A reader that returns a few bytes at a time, and fails now and then in a way that isn't final.
struct Pieces<'a> {
    rest: &'a [u8],
    state: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let choice = self.state >> 33;
        if choice.is_multiple_of(7) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        // Long sources go by in large steps.
        let step = if self.rest.len() > 4096 { choice % 50_000 + 1 } else { choice % 11 + 1 };
        let (now, later) = self.rest.split_at(step.min(buffer.len()).min(self.rest.len()));
        buffer[..now.len()].copy_from_slice(now);
        self.rest = later;
        Ok(now.len())
    }
}

fn streamed(source: &[u8], machine: &Machine<'_>, missing: Missing, seed: usize) -> Result<Vec<u8>, Errors> {
    let mut output = Vec::new();
    let mut input = Pieces { rest: source, state: seed };
    match resolve_stream(&mut input, &mut output, machine, missing, &Grammar::default()) {
        Ok(_) => Ok(output),
        Err(StreamError::Unresolved(errors)) => Err(errors),
        Err(error) => panic!("{error}"),
    }
}

fn messages(errors: &Errors) -> Vec<&str> {
    errors.problems().map(imds_template::Problem::message).collect()
}

/// A stream says what the template says, and all its problems at once.
fn alike(source: &str, machine: &Machine<'_>, missing: Missing, streamed: Result<Vec<u8>, Errors>) {
    match (Template::parse(source, Format::Text), streamed) {
        (Ok(template), streamed) => {
            let streamed = streamed.map(|output| String::from_utf8(output).expect("UTF-8 in, UTF-8 out"));
            assert_eq!(template.resolve(machine, missing), streamed, "{source:?}");
        }
        (Err(parse), Err(streamed)) if missing != Missing::Drop => {
            for problem in parse.problems() {
                assert!(streamed.problems().any(|one| one == problem), "{source:?} {problem} {streamed}");
            }
        }
        (Err(_), streamed) => assert!(streamed.is_err(), "{source:?}"),
    }
}
