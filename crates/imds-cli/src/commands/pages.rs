//! `imds completions` and `imds man`: made from the table that the command line is parsed by.

use std::io;
use std::path::Path;

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use imds::model::field::nearest;
use imds::{Error, ErrorKind};

use crate::args::{Arguments, Completions, Man};
use crate::exit::{DONE, Ending, usage};
use crate::output::Output;

pub(super) fn completions(arguments: &Completions, output: &mut Output) -> Ending {
    let shells = arguments.shell.as_ref().map_or(Shell::value_variants(), std::slice::from_ref);
    let Some(directory) = &arguments.directory else {
        for shell in shells {
            output.bytes(&script(*shell))?;
        }
        return Ok(DONE);
    };
    for shell in shells {
        let name = clap_complete::Generator::file_name(shell, "imds");
        write(directory, &name, &script(*shell))?;
    }
    Ok(DONE)
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "imds", &mut script);
    script
}

pub(super) fn manual(arguments: &Man, output: &mut Output) -> Ending {
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    if let Some(directory) = &arguments.directory {
        let commands: Vec<_> = program.get_subcommands().cloned().collect();
        for page in std::iter::once(program).chain(commands) {
            let name = format!("{}.1", title_of(&page));
            write(directory, &name, &roff(page)?)?;
        }
        return Ok(DONE);
    }
    let page = match &arguments.command {
        None => program,
        Some(name) => program.find_subcommand(name).cloned().ok_or_else(|| {
            let known = program.get_subcommands().map(clap::Command::get_name);
            let remedy = match nearest(name, known) {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => "`imds --help` lists the commands".to_owned(),
            };
            usage(format!("no command is called {name:?}")).with_remedy(remedy)
        })?,
    };
    output.bytes(&roff(page)?)?;
    Ok(DONE)
}

/// What a page is called: the whole command, `imds-show`, as pages of sub-commands are.
fn title_of(page: &clap::Command) -> String {
    page.get_display_name().unwrap_or(page.get_name()).to_owned()
}

fn roff(page: clap::Command) -> io::Result<Vec<u8>> {
    let title = title_of(&page).to_uppercase();
    let mut roff = Vec::new();
    clap_mangen::Man::new(page)
        .title(title)
        .source(concat!("imds ", env!("CARGO_PKG_VERSION")))
        .manual("Instance metadata")
        .render(&mut roff)?;
    Ok(roff)
}

/// Writes a file into a directory, which is made if it isn't there.
fn write(directory: &Path, name: &str, content: &[u8]) -> Result<(), Error> {
    let path = directory.join(name);
    std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&path, content)).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("can't be written: {error}"))
            .with_path(path.display().to_string())
            .with_source(error)
    })
}
