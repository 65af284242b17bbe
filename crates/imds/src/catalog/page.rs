//! A cloud's page, in Markdown.

use std::borrow::Cow;
use std::fmt::Write as _;

use imds_model::Field;

use super::details::{CloudDetails, ItemDetails, PlaceDetails, field_place};
use super::{CloudSummary, export};
use crate::clouds::description::Description;

/// The page.
pub(super) fn page(cloud: &CloudSummary) -> String {
    let details = cloud.details();
    let mut page = Page(String::new());
    page.line(&format!("# {} (`{}`)", cloud.title, cloud.name));
    page.text(&introduction(cloud, &details));
    if let Some(docs) = cloud.docs {
        page.text(&format!("The vendor's page: <{docs}>"));
    }
    found(&mut page, &details);
    if cloud.description.service.is_some() {
        asked(&mut page, cloud.description, &details);
        read(&mut page, &details);
    }
    if !details.events.is_empty() {
        page.heading("Events");
        page.row(&["event", "path", "how it is watched", "told before"]);
        page.row(&["---"; 4]);
        for event in &details.events {
            let how = match (event.waits, event.every_seconds) {
                (true, _) => "the request waits".to_owned(),
                (false, Some(seconds)) => format!("every {seconds} s"),
                (false, None) => "when it is asked for".to_owned(),
            };
            page.row(&[event.kind, &code(event.path), &how, event.notice.unwrap_or("–")]);
        }
    }
    secrets(&mut page, &details);
    telemetry(&mut page, &details);
    page.list("Good to know", &details.quirks);
    page.list("Unconfirmed", &details.unconfirmed);
    page.list("Sources", &details.sources);
    page.0
}

fn introduction(cloud: &CloudSummary, details: &CloudDetails) -> String {
    let mut text = match (&details.node_of, details.based_on) {
        (Some(of), _) => format!("A node of `{of}` that isn't a plain machine of it."),
        (None, Some(base)) => {
            format!("Its service is built on that of `{base}`; what isn't said here is as it is there.")
        }
        (None, None) => String::new(),
    };
    if cloud.description.service.is_none() {
        let what = match details.node_of {
            Some(_) => "What there is to know comes from the cloud's own service.",
            None => "It can be named; its metadata isn't read.",
        };
        text = format!("{text} {what}").trim_start().to_owned();
    } else if cloud.built_in {
        let how = match export::export(cloud.description) {
            Ok(_) => format!(
                "`imds clouds --export {}` prints its description, to be changed and read back.",
                cloud.name
            ),
            Err(_) => {
                "It needs code of its own, so that a description of yours is built on it rather than copied."
                    .to_owned()
            }
        };
        text = format!("{text} {how}").trim_start().to_owned();
    }
    text
}

fn found(page: &mut Page, details: &CloudDetails) {
    page.heading("How it is found");
    if details.signs.is_empty() {
        page.text("Nothing speaks for it: name it with `--cloud`.");
        return;
    }
    page.row(&["where", "what is seen", "it is", "source"]);
    page.row(&["---"; 4]);
    for sign in &details.signs {
        let source = match sign.note {
            Some(note) if sign.source.is_empty() => note.to_owned(),
            Some(note) => format!("{}. {note}", sign.source),
            None => sign.source.to_owned(),
        };
        page.row(&[sign.kind, &sign.what, sign.strength, &source]);
    }
    if !details.offline.is_empty() {
        let known = details.offline.iter().map(|(field, file)| format!("`{field}` (`{file}`)"));
        let known = known.collect::<Vec<_>>().join(", ");
        page.text(&format!("Firmware alone knows {known}: it stands in while the service can't be reached."));
    }
}

fn asked(page: &mut Page, cloud: &Description, details: &CloudDetails) {
    page.heading("How it is asked");
    let port = details.port.unwrap_or(80);
    let mut facts = Vec::new();
    if !details.addresses.is_empty() {
        let addresses = details.addresses.iter().map(|address| match address.contains(' ') {
            true => address.clone(),
            false => code(address),
        });
        facts.push(format!("Address: {}, port {port}", addresses.collect::<Vec<_>>().join(", ")));
    }
    if let Some(host) = cloud.service.as_ref().and_then(|service| service.tls_host.as_deref()) {
        facts.push(format!("Where plain HTTP is switched off: TLS, as {}", code(host)));
    }
    for (name, value) in &details.headers {
        facts.push(format!("Every request carries {}", code(&format!("{name}: {value}"))));
    }
    for (name, value) in &details.reply_headers {
        facts.push(format!(
            "Every answer carries {}; one without isn't this cloud's",
            code(&format!("{name}: {value}"))
        ));
    }
    if let Some(token) = &details.token {
        let life = match (token.ttl_header, token.body) {
            (Some(header), _) => format!(" with {}", code(&format!("{header}: {}", token.ttl))),
            (None, Some(body)) => {
                format!(" with the body {}", code(&body.replace("{ttl}", &token.ttl.to_string())))
            }
            (None, None) => String::new(),
        };
        facts.push(format!(
            "Token ({}): `PUT {}`{life}; sent as {}",
            token.name,
            token.path,
            code(&token.header)
        ));
        if let Some(without) = token.without {
            facts.push(format!(
                "Without a token ({without}) only where none can be had, and where that isn't forbidden"
            ));
        }
    }
    if let Some((parameter, versions)) = &details.version {
        let versions = versions.iter().map(|version| code(version)).collect::<Vec<_>>().join(", ");
        facts.push(format!(
            "Version: the parameter `{parameter}`, the first of {versions} that the service has"
        ));
    }
    if !details.privileged.is_empty() {
        let paths = details.privileged.iter().map(|path| code(path)).collect::<Vec<_>>().join(", ");
        facts.push(format!("Answered to root alone (a source port below 1024): {paths}"));
    }
    if !details.variables.is_empty() {
        let variables = details.variables.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ");
        facts.push(format!("Variables that it honours: {variables}"));
    }
    for fact in &facts {
        page.line(&format!("- {fact}"));
    }
    if !details.documents.is_empty() {
        page.blank();
        page.row(&["document", "path", "form", "remarks"]);
        page.row(&["---"; 4]);
    }
    for document in &details.documents {
        let mut remarks = Vec::new();
        if !document.leaves.is_empty() {
            let leaves = document.leaves.iter().map(|leaf| code(leaf)).collect::<Vec<_>>().join(", ");
            let listed = if document.listed { "; of several entries, only those that they list" } else { "" };
            remarks.push(format!("of each entry {leaves}{listed}"));
        }
        let covered = document.covered.iter();
        remarks.extend(
            covered.map(|(entry, other)| format!("without {} where there is {}", code(entry), code(other))),
        );
        if !document.omits.is_empty() {
            let members = document.omits.iter().map(|member| code(member)).collect::<Vec<_>>().join(", ");
            remarks.push(format!("dropped while it is parsed: {members}"));
        }
        remarks.extend(document.since.map(|since| format!("since {since}")));
        remarks.extend(document.when_absent.map(str::to_owned));
        page.row(&[document.name, &code(document.path), document.format, &remarks.join("; ")]);
    }
}

fn read(page: &mut Page, details: &CloudDetails) {
    page.heading("Where each field lies");
    page.row(&["field", "place"]);
    page.row(&["---"; 2]);
    for place in &details.places {
        page.row(&[&code(place.name), &place_text(place)]);
    }
    for (title, items) in [("Interfaces", &details.interfaces), ("Disks", &details.disks)] {
        for item in items {
            page.blank();
            self::item(page, title, item);
        }
    }
}

fn item(page: &mut Page, title: &str, item: &ItemDetails) {
    let each = if item.each { "each member of" } else { "at" };
    let when = match item.when.is_empty() {
        true => String::new(),
        false => format!(", where {}", item.when.join(" and ")),
    };
    page.text(&format!("{title}: {each} {}{when}.", code(&item.at)));
    page.row(&["part", "place in it"]);
    page.row(&["---"; 2]);
    for part in &item.parts {
        page.row(&[&code(part.name), &place_text(part)]);
    }
}

/// Where a field lies, in words.
pub(super) fn place_of(cloud: &'static Description, field: Field) -> Cow<'static, str> {
    place_text(&field_place(cloud, field)).into()
}

fn place_text(place: &PlaceDetails) -> String {
    // A function looks at all of its places.
    let joint = if place.function.is_some() { " and " } else { ", else " };
    let codes = |places: &[String]| places.iter().map(|place| code(place)).collect::<Vec<_>>().join(joint);
    let mut text = match (place.made_of, place.from.is_empty()) {
        (Some(template), _) => format!("made of others: {}", code(template)),
        (None, false) => codes(&place.from),
        (None, true) if place.of_primary_interface => "that of the first interface".to_owned(),
        (None, true) if matches!(place.name, "interfaces" | "disks") && place.function.is_none() => {
            "see below".to_owned()
        }
        (None, true) if matches!(place.name, "cloud" | "platform") => "detection".to_owned(),
        (None, true) => "–".to_owned(),
    };
    if !place.otherwise.is_empty() {
        text.push_str(&format!("; where there is none, {}", codes(&place.otherwise)));
    }
    if let Some(transform) = &place.transform {
        text.push_str(&format!(" ({transform})"));
    }
    let renamed = place.values.iter().filter(|(spelled, value)| spelled != value);
    let renamed: Vec<String> = renamed.map(|(spelled, value)| format!("`{spelled}` is `{value}`")).collect();
    if !renamed.is_empty() {
        text.push_str(&format!("; {}", renamed.join(", ")));
    }
    if let Some(function) = place.function {
        text.push_str(&format!(", read by code (`{function}`)"));
    }
    text
}

fn secrets(page: &mut Page, details: &CloudDetails) {
    if details.secret_paths.is_empty() && details.secret_members.is_empty() {
        return;
    }
    page.heading("Secrets");
    page.text("Never asked for; `imds raw` refuses them without `--allow-secret`.");
    page.blank();
    for path in &details.secret_paths {
        page.line(&format!("- {}", code(path)));
    }
    for (path, members) in &details.secret_members {
        let members = members.iter().map(|member| code(member)).collect::<Vec<_>>().join(", ");
        page.line(&format!("- of {}: {members}", code(path)));
    }
}

fn telemetry(page: &mut Page, details: &CloudDetails) {
    if details.node_of.is_some() {
        return;
    }
    page.heading("OpenTelemetry");
    page.line(&format!("- `cloud.provider` is {}", code(details.otel_provider)));
    for (platform, name) in &details.otel_platforms {
        page.line(&format!("- where `platform` is `{platform}`, `cloud.platform` is {}", code(name)));
    }
}

fn code(text: &str) -> String {
    if text.is_empty() {
        return "the value itself".to_owned();
    }
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// Markdown, one block after the other.
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn blank(&mut self) {
        if !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.blank();
            self.line(text);
        }
    }

    fn heading(&mut self, text: &str) {
        self.blank();
        self.line(&format!("## {text}"));
        self.blank();
    }

    /// A row of a table; the first one of a table follows a blank line.
    fn row(&mut self, cells: &[&str]) {
        if !self.0.ends_with("|\n") {
            self.blank();
        }
        self.0.push('|');
        for cell in cells {
            let cell = cell.replace('|', "\\|");
            // Writing to a string can't fail.
            let _ = write!(self.0, " {cell} |");
        }
        self.0.push('\n');
    }

    fn list(&mut self, heading: &str, items: &[&str]) {
        if items.is_empty() {
            return;
        }
        self.heading(heading);
        for item in items {
            self.line(&format!("- {item}"));
        }
    }
}
