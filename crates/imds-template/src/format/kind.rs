//! The list of formats, and how a file's name tells which.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The format of a source: where its values are, and how they are quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JSON, with or without comments.
    Json,
    /// YAML, one document or several.
    Yaml,
    /// TOML.
    Toml,
    /// `KEY=value` lines, for a shell or systemd's `EnvironmentFile=`.
    Env,
    /// Anything else: values go in as they are.
    Text,
}

impl Format {
    /// Every format.
    pub const ALL: &'static [Self] = &[Self::Json, Self::Yaml, Self::Toml, Self::Env, Self::Text];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Toml => "toml",
            Self::Env => "env",
            Self::Text => "text",
        }
    }

    /// The format that a file's name means, text if it means none. An ending `.tmpl` is looked through.
    ///
    /// ```
    /// use imds_template::Format;
    /// assert_eq!(Format::for_path("/etc/app/config.yaml.tmpl"), Format::Yaml);
    /// assert_eq!(Format::for_path(".env.production"), Format::Env);
    /// assert_eq!(Format::for_path("nginx.conf"), Format::Text);
    /// ```
    #[must_use]
    pub fn for_path(path: impl AsRef<Path>) -> Self {
        let Some(name) = path.as_ref().file_name() else { return Self::Text };
        let name = name.to_string_lossy().to_ascii_lowercase();
        let name = name.strip_suffix(".tmpl").unwrap_or(&name);
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("json" | "jsonc") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            Some("toml") => Self::Toml,
            Some("env") => Self::Env,
            _ if name == ".env" || name.starts_with(".env.") => Self::Env,
            _ => Self::Text,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// No format has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFormat(String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is none of json, yaml, toml, env, text", self.0)
    }
}

impl std::error::Error for UnknownFormat {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_tells_its_format() {
        for (name, format) in [
            ("a.json", Format::Json),
            ("tsconfig.JSONC", Format::Json),
            ("a.yml", Format::Yaml),
            ("/x/a.b.yaml", Format::Yaml),
            ("Cargo.toml.tmpl", Format::Toml),
            (".env", Format::Env),
            (".env.local.tmpl", Format::Env),
            ("metadata.env", Format::Env),
            ("json", Format::Text),
            ("a.tmpl", Format::Text),
            ("", Format::Text),
            ("/", Format::Text),
        ] {
            assert_eq!(Format::for_path(name), format, "{name}");
        }
    }

    #[test]
    fn formats_read_back_what_they_print() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(*format));
        }
        assert!("xml".parse::<Format>().unwrap_err().to_string().contains("toml"));
    }
}
