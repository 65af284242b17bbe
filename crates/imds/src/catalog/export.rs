//! A built-in description as the text that it is.

use imds_model::{Error, ErrorKind};

use crate::clouds::description::Description;
use crate::clouds::texts;

const OVERRIDES: &str = "overrides = true\n";

/// The cloud's own file, which says that it takes the place of the built-in one.
pub(super) fn export(cloud: &Description) -> Result<String, Error> {
    let name = &*cloud.name;
    let refusal = |why: String| Error::new(ErrorKind::Usage, why).with_path(name);
    if !crate::clouds::is_built_in(cloud) {
        return Err(
            refusal("this cloud isn't built in".to_owned()).with_remedy("copy the file that describes it")
        );
    }
    let functions = functions(cloud);
    if !functions.is_empty() {
        let what = format!("its description isn't pure data; it needs {}", functions.join(", "));
        return Err(refusal(what)
            .with_remedy(format!("build yours on it: `based_on = \"{name}\"`, with what differs")));
    }
    let text = texts::text(name)
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("the text of {name} isn't there")))?;
    // The name is a line of its own, before the first table.
    let line = text.find("\nname = ").map_or(0, |at| at + 1);
    let end =
        text.get(line..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| line + length + 1);
    let (before, after) = text.split_at(end);
    Ok(format!("{before}{OVERRIDES}{after}"))
}

/// The functions that its own file names; those of the cloud that it is built on come with that one.
fn functions(cloud: &Description) -> Vec<&str> {
    let base = cloud.based_on.as_deref().and_then(crate::clouds::find);
    let inherited = |field: &str| base.and_then(|base| base.fields.get(field)?.function.as_deref());
    let named = cloud.fields.iter().filter_map(|(field, rule)| Some((field, rule.function.as_deref()?)));
    named.filter(|(field, name)| inherited(field) != Some(*name)).map(|(_, name)| name).collect()
}
