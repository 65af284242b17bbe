//! YAML read by a port of libyaml, which shares nothing with the implementation. The implementation's own parser is asked
//! only whether both read a source alike: where YAML's parsers disagree, nobody can say what is right.

use std::collections::HashMap;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use granit_parser as granit;
use libyaml_rs as libyaml;

use crate::tree::{Node, Text, What};

/// How deep a source may be nested to be looked at.
const MAX_DEPTH: usize = 64;

/// What a parser says, one thing after the other.
enum Event {
    Leaf(Node),
    List(Option<String>, usize),
    Map(Option<String>, usize, bool),
    End,
    Document,
}

/// As libyaml reads it: the documents.
pub fn read(source: &str) -> Option<Vec<Node>> {
    documents(libyaml_events(source)?)
}

/// As libyaml reads a result. Behind a plain scalar it takes a tab before a comment or the end of a line, behind a quoted
/// one it doesn't; YAML's specification takes both (`s-l-comments`). Where it fails, it gets spaces there.
pub fn read_result(result: &str) -> Option<Vec<Node>> {
    read(result).or_else(|| {
        let lines = result.split_inclusive(['\n', '\r']).map(|line| {
            let rest = line.trim_start_matches([' ', '\t']);
            let blanks = line.len() - rest.len();
            let kept = !rest.trim_end_matches(['\n', '\r']).is_empty() && !rest.starts_with('#');
            if kept { line.to_owned() } else { format!("{:blanks$}{rest}", "") }
        });
        read(&lines.collect::<String>())
    })
}

/// As the implementation's parser reads it.
pub fn read_by_implementation(source: &str) -> Option<Vec<Node>> {
    documents(granit_events(source)?)
}

fn libyaml_events(source: &str) -> Option<Vec<Event>> {
    // Offsets don't count the byte order mark that a source may start with.
    let bom = if source.starts_with('\u{feff}') { 3 } else { 0 };
    let offset = |mark: libyaml::yaml_mark_t| (mark.index as usize + bom).min(source.len());
    let mut parser = Parser::new(source);
    let mut anchors: HashMap<String, usize> = HashMap::new();
    let mut count = 0;
    let mut anchor_number = |name: Option<String>, anchors: &mut HashMap<String, usize>| match name {
        Some(name) => {
            count += 1;
            anchors.insert(name, count);
            count
        }
        None => 0,
    };
    let mut events = Vec::new();
    // The last mapping, if it may be a pair, and where it starts: it is one if its first key starts there too.
    let mut opened: Option<(usize, usize)> = None;
    while let Some(event) = parser.next()? {
        let span: Range<usize> = offset(event.start_mark)..offset(event.end_mark);
        if let Some((index, start)) = opened.take()
            && event.type_ != libyaml::YAML_MAPPING_END_EVENT
            && start == span.start
            && let Event::Map(_, _, pair) = &mut events[index]
        {
            *pair = true;
        }
        // SAFETY: the type of an event tells which of its data is set, and its strings live until it is deleted.
        events.push(match event.type_ {
            libyaml::YAML_DOCUMENT_START_EVENT => {
                anchors.clear();
                continue;
            }
            libyaml::YAML_DOCUMENT_END_EVENT => Event::Document,
            libyaml::YAML_ALIAS_EVENT => {
                let name = unsafe { string(event.data.alias.anchor) };
                Event::Leaf(What::Alias(*anchors.get(&name?)?).into())
            }
            libyaml::YAML_SCALAR_EVENT => {
                let data = unsafe { event.data.scalar };
                let text = unsafe { std::slice::from_raw_parts(data.value, data.length as usize) };
                let text = String::from_utf8(text.to_vec()).unwrap();
                let plain = data.style == libyaml::YAML_PLAIN_SCALAR_STYLE;
                let (anchor, tag) = unsafe { (string(data.anchor), string(data.tag)) };
                let anchor = anchor_number(anchor, &mut anchors);
                let span = past_properties(source, span.clone())..span.end;
                Event::Leaf(Node { tag, anchor, what: What::Text(Text { text, plain, span }) })
            }
            libyaml::YAML_SEQUENCE_START_EVENT => {
                let data = unsafe { event.data.sequence_start };
                let (anchor, tag) = unsafe { (string(data.anchor), string(data.tag)) };
                Event::List(tag, anchor_number(anchor, &mut anchors))
            }
            libyaml::YAML_MAPPING_START_EVENT => {
                let data = unsafe { event.data.mapping_start };
                let (anchor, tag) = unsafe { (string(data.anchor), string(data.tag)) };
                let bare = anchor.is_none() && tag.is_none();
                let flow = data.style == libyaml::YAML_FLOW_MAPPING_STYLE;
                if bare && flow {
                    opened = Some((events.len(), span.start));
                }
                let brace = source[span.start..].starts_with('{');
                Event::Map(tag, anchor_number(anchor, &mut anchors), bare && flow && !brace)
            }
            libyaml::YAML_SEQUENCE_END_EVENT | libyaml::YAML_MAPPING_END_EVENT => Event::End,
            _ => continue,
        });
    }
    Some(events)
}

/// Where the scalar itself starts. libyaml counts its anchor and tag to it, and what stands between; with these, the header
/// of a block scalar wasn't where the span starts, and its comment was missed. What isn't in the span has to stay, too.
fn past_properties(source: &str, span: Range<usize>) -> usize {
    const WHITE: [char; 4] = [' ', '\t', '\n', '\r'];
    let mut rest = &source[span.clone()];
    while rest.starts_with(['&', '!']) {
        rest = rest.trim_start_matches(|char| !WHITE.contains(&char)).trim_start_matches(WHITE);
        while rest.starts_with('#') {
            rest = rest.trim_start_matches(|char| !matches!(char, '\n' | '\r')).trim_start_matches(WHITE);
        }
    }
    span.end - rest.len()
}

/// libyaml's parser over a source, with the event that it gave last.
struct Parser<'s> {
    parser: Box<libyaml::yaml_parser_t>,
    event: Option<libyaml::yaml_event_t>,
    source: PhantomData<&'s str>,
}

impl<'s> Parser<'s> {
    fn new(source: &'s str) -> Self {
        let mut parser = Box::<libyaml::yaml_parser_t>::new_uninit();
        // SAFETY: initialising fills the parser, which stays where it is; the source outlives it.
        let parser = unsafe {
            assert!(libyaml::yaml_parser_initialize(parser.as_mut_ptr()).ok);
            let mut parser = parser.assume_init();
            libyaml::yaml_parser_set_input_string(&mut *parser, source.as_ptr(), source.len() as u64);
            parser
        };
        Self { parser, event: None, source: PhantomData }
    }

    fn forget_event(&mut self) {
        if let Some(mut event) = self.event.take() {
            // SAFETY: it was filled by the parser, and is deleted once.
            unsafe { libyaml::yaml_event_delete(&mut event) };
        }
    }

    /// The next event, nothing at the end; nothing at all where the source doesn't parse.
    fn next(&mut self) -> Option<Option<&libyaml::yaml_event_t>> {
        self.forget_event();
        let mut event = MaybeUninit::uninit();
        // SAFETY: parsing fills the event unless it fails.
        let event = unsafe {
            if libyaml::yaml_parser_parse(&mut *self.parser, event.as_mut_ptr()).fail {
                return None;
            }
            event.assume_init()
        };
        let end = event.type_ == libyaml::YAML_STREAM_END_EVENT;
        let event = self.event.insert(event);
        Some((!end).then_some(event))
    }
}

impl Drop for Parser<'_> {
    fn drop(&mut self) {
        self.forget_event();
        // SAFETY: it was initialised, and is deleted once.
        unsafe { libyaml::yaml_parser_delete(&mut *self.parser) };
    }
}

/// A string of libyaml's, if there is one.
///
/// # Safety
/// The pointer is null or one to a string that ends with NUL.
unsafe fn string(pointer: *const u8) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: as above.
    let string = unsafe { CStr::from_ptr(pointer.cast()) };
    Some(string.to_str().unwrap().to_owned())
}

fn granit_events(source: &str) -> Option<Vec<Event>> {
    let options = granit::options! { block_scalar_eof_without_line_feed: true };
    let mut events = Vec::new();
    for event in granit::Parser::new_from_str_with_options(source, options) {
        let tag = |tag: Option<std::borrow::Cow<'_, granit::Tag>>| {
            tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix()))
        };
        events.push(match event.ok()?.0 {
            granit::Event::Scalar(text, style, anchor, its_tag) => {
                let plain = style == granit::ScalarStyle::Plain;
                let text = Text { text: text.into_owned(), plain, span: 0..0 };
                Event::Leaf(Node { tag: tag(its_tag), anchor, what: What::Text(text) })
            }
            granit::Event::Alias(anchor) => Event::Leaf(What::Alias(anchor).into()),
            granit::Event::SequenceStart(_, anchor, its_tag) => Event::List(tag(its_tag), anchor),
            granit::Event::MappingStart(_, anchor, its_tag) => Event::Map(tag(its_tag), anchor, false),
            granit::Event::SequenceEnd | granit::Event::MappingEnd => Event::End,
            granit::Event::DocumentEnd => Event::Document,
            _ => continue,
        });
    }
    Some(events)
}

fn documents(events: Vec<Event>) -> Option<Vec<Node>> {
    let mut depth = 0_usize;
    for event in &events {
        match event {
            Event::List(..) | Event::Map(..) => depth += 1,
            Event::End => depth -= 1,
            Event::Leaf(_) | Event::Document => {}
        }
        if depth > MAX_DEPTH {
            return None;
        }
    }
    let mut events = events.into_iter();
    let mut documents = Vec::new();
    while let Some(node) = node(&mut events) {
        documents.push(node);
        // The end of the document.
        events.next();
    }
    Some(documents)
}

fn node(events: &mut impl Iterator<Item = Event>) -> Option<Node> {
    Some(match events.next()? {
        Event::Leaf(node) => node,
        Event::List(tag, anchor) => {
            let items = std::iter::from_fn(|| node(events)).collect();
            Node { tag, anchor, what: What::List(items) }
        }
        Event::Map(tag, anchor, pair) => {
            let entries = std::iter::from_fn(|| Some((node(events)?, node(events)?))).collect();
            Node { tag, anchor, what: What::Map { entries, pair } }
        }
        Event::End | Event::Document => return None,
    })
}

/// Whether an alias stands anywhere.
pub fn has_alias(node: &Node) -> bool {
    match &node.what {
        What::Alias(_) => true,
        What::Text(_) | What::Other(_) => false,
        What::List(items) => items.iter().any(has_alias),
        What::Map { entries, .. } => entries.iter().any(|(key, value)| has_alias(key) || has_alias(value)),
    }
}
