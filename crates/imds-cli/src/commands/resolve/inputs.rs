//! Which files are meant, what their formats are, and where the results go.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use imds::Error;
use imds::model::ErrorKind;
use imds_template::Format;

use crate::args::{FileFormat, Resolve};
use crate::exit::usage;
use imds_files::{Attributes, Target, check};

/// How stdin is called on the command line, and stdout as well.
const STANDARD: &str = "-";

/// One file, or stdin.
pub(super) struct Input {
    /// Nothing for stdin.
    pub(super) file: Option<PathBuf>,
    pub(super) format: Format,
    /// Where the result goes; nothing for stdout.
    pub(super) target: Option<Target>,
}

impl Input {
    /// How messages call it.
    pub(super) fn name(&self) -> String {
        self.path().display().to_string()
    }

    /// As [`Input::name`].
    pub(super) fn path(&self) -> Cow<'_, Path> {
        self.file.as_deref().unwrap_or(Path::new("<stdin>")).into()
    }
}

/// Finds the inputs by the command line.
///
/// # Errors
/// `ErrorKind::Usage` for files that aren't there, and for options that don't go together.
pub(super) fn find(arguments: &Resolve) -> Result<Vec<Input>, Error> {
    let files = files(&arguments.files)?;
    let output = arguments.output.as_deref().filter(|path| *path != Path::new(STANDARD));
    if arguments.output.is_some() && output.is_none() && (arguments.check.is_some() || files.folders) {
        return Err(usage("stdout is no file that could be checked or hold several results").with_path("-o"));
    }
    let several = files.folders || files.list.len() > 1;
    if several && output.is_none() && !arguments.list && !arguments.diff {
        return Err(usage("several results can't go to stdout")
            .with_remedy("name a directory with -o, or choose --diff or --list"));
    }
    let check = arguments.check.as_deref().map(check::words).transpose()?;
    let folder = match output {
        Some(path) if several && !path.is_dir() => {
            return Err(usage("there is no such directory, and several results need one")
                .with_path(path.display().to_string()));
        }
        Some(path) => path.is_dir(),
        None => false,
    };
    let mut inputs: Vec<Input> = Vec::new();
    for file in files.list {
        let target = match output {
            Some(path) if folder => Some(path.join(result_name(file.as_deref())?)),
            path => path.map(Path::to_owned),
        };
        if let Some(path) = &target
            && inputs.iter().any(|input| input.target.as_ref().is_some_and(|other| other.path == *path))
        {
            return Err(usage("two results would go here").with_path(path.display().to_string()));
        }
        let format = format(arguments, file.as_deref(), target.as_deref())?;
        let target = target.map(|path| Target {
            path,
            follow_symlinks: arguments.follow_symlinks,
            in_place_inode: arguments.in_place_inode,
            check: check.clone(),
            attributes: Attributes::default(),
        });
        inputs.push(Input { file, format, target });
    }
    Ok(inputs)
}

struct Files {
    /// Nothing stands for stdin.
    list: Vec<Option<PathBuf>>,
    /// Whether directories were named: however few files are in them, more may come.
    folders: bool,
}

fn files(named: &[PathBuf]) -> Result<Files, Error> {
    let mut files = Files { list: Vec::new(), folders: false };
    if named.is_empty() {
        files.list.push(None);
    }
    for path in named {
        if path == Path::new(STANDARD) {
            if files.list.contains(&None) {
                return Err(usage("stdin can be read only once").with_path(STANDARD));
            }
            files.list.push(None);
        } else if fs::metadata(path).map_err(|error| unreadable(path, &error))?.is_dir() {
            files.folders = true;
            let templates = templates(path).map_err(|error| unreadable(path, &error))?;
            if templates.is_empty() {
                return Err(
                    usage("no *.tmpl file is in this directory").with_path(path.display().to_string())
                );
            }
            files.list.extend(templates.into_iter().map(Some));
        } else {
            files.list.push(Some(path.clone()));
        }
    }
    Ok(files)
}

/// The files of a directory that `*.tmpl` means in a shell, in the order of their names.
fn templates(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut templates = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && path.extension().is_some_and(|extension| extension == "tmpl") && path.is_file() {
            templates.push(path);
        }
    }
    templates.sort();
    Ok(templates)
}

/// The name of a file's result in a directory.
fn result_name(file: Option<&Path>) -> Result<PathBuf, Error> {
    let Some(name) = file.and_then(Path::file_name) else {
        return Err(usage("the result of stdin has no name in a directory").with_path("-o"));
    };
    let name = Path::new(name);
    Ok(match name.extension() {
        Some(extension) if extension == "tmpl" => name.with_extension(""),
        _ => name.to_owned(),
    })
}

fn format(arguments: &Resolve, file: Option<&Path>, target: Option<&Path>) -> Result<Format, Error> {
    let given = match arguments.format {
        FileFormat::Auto => None,
        FileFormat::Json => Some(Format::Json),
        FileFormat::Yaml => Some(Format::Yaml),
        FileFormat::Toml => Some(Format::Toml),
        FileFormat::Env => Some(Format::Env),
        FileFormat::Text => Some(Format::Text),
    };
    if arguments.dialect.is_some() {
        return match given {
            None | Some(Format::Json) => Ok(Format::Json),
            Some(_) => Err(usage("this dialect is one of JSON").with_path("--dialect")),
        };
    }
    // A name that says nothing of the source may still say something of the result.
    let told = || {
        let formats = [file, target].into_iter().flatten().map(Format::for_path);
        formats.into_iter().find(|format| *format != Format::Text).unwrap_or(Format::Text)
    };
    Ok(given.unwrap_or_else(told))
}

/// Why a file can't be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => {
            ErrorKind::Usage
        }
        _ => ErrorKind::Internal,
    };
    Error::new(kind, format!("can't be read: {error}")).with_path(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_named_like_their_sources_without_tmpl() {
        for (source, result) in
            [("a/app.yaml.tmpl", "app.yaml"), ("app.yaml", "app.yaml"), ("x.tmpl", "x"), (".tmpl", ".tmpl")]
        {
            assert_eq!(result_name(Some(Path::new(source))).unwrap(), Path::new(result), "{source}");
        }
        assert!(result_name(None).is_err());
    }
}
