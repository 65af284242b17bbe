//! Placeholders such as `${aws:InstanceId}` in configuration files of any kind, resolved without injecting anything.
//!
//! ```text
//! ${NS:KEY}    ${NS:KEY:-DEFAULT}    ${NS:KEY:?MESSAGE}    $${NS:KEY} is the literal ${NS:KEY}
//! ```
//!
//! `NS` is `cloud` (any cloud), a cloud's own name (on that cloud only), `tag` or `imds`. Everything else stays byte for
//! byte, so do all values and defaults: nothing is expanded twice. In [structured formats](Format) only string values are
//! touched, and the result parses to exactly the value, whatever is in it:
//!
//! ```
//! use imds_model::{CloudName, Field, Metadata, Reading, Source, Value};
//! use imds_template::{Format, Missing, Template};
//!
//! let mut metadata = Metadata::new(CloudName::AWS);
//! let tags = [("owner".to_owned(), "\", \"admin\": \"yes".to_owned())].into();
//! metadata.set(Field::Tags, Reading::known(Value::Tags(tags), Source::Mock));
//!
//! let template = Template::parse(r#"{"owner": "${tag:owner}", "home": "${HOME}"}"#, Format::Json).unwrap();
//! assert_eq!(
//!     template.resolve(&metadata, Missing::Error).unwrap(),
//!     r#"{"owner": "\", \"admin\": \"yes", "home": "${HOME}"}"#,
//! );
//! ```
//!
//! Nothing here does I/O but [`resolve_stream`], on what it is given. Values come through [`Values`].
//!
//! | module | holds |
//! |---|---|
//! | `grammar` | what a placeholder looks like, and where one ends |
//! | `key` | namespaces, keys and their names |
//! | `placeholder` | a placeholder with its place |
//! | `values` | [`Values`]: where the values come from |
//! | `resolve` | what becomes of a placeholder: value, default, policy or problem |
//! | `template` | [`Template`]: a source, parsed |
//! | `format` | the formats: how each finds its strings and writes them anew |
//! | [`dialect`] | other programs' own placeholders |
//! | `variables` | [`Variables`]: metadata as environment variables |
//! | `error`, `position` | [`Errors`]: everything at once, by line and column |

pub mod dialect;
mod error;
mod format;
mod grammar;
mod key;
mod placeholder;
mod position;
mod resolve;
mod template;
mod values;
mod variables;

pub use error::{Errors, Problem, ProblemKind};
pub use format::kind::{Format, UnknownFormat};
pub use format::text::{StreamError, resolve_stream};
pub use grammar::{Grammar, MAX_PLACEHOLDER, Otherwise};
pub use key::{Key, Namespace};
pub use placeholder::Placeholder;
pub use position::Position;
pub use resolve::{Instead, Missing, Resolved, StandIn};
pub use template::Template;
pub use values::{Lookup, Values};
pub use variables::{PREFIX, Variables};
