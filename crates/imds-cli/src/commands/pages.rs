//! `imds completions` and `imds man`: made from the table that the command line is parsed by.

use clap::CommandFactory;
use imds::model::field::nearest;

use crate::args::{Arguments, Completions, Man};
use crate::exit::{DONE, Ending, usage};
use crate::output::Output;

pub(super) fn completions(arguments: &Completions, output: &mut Output) -> Ending {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "imds", &mut script);
    output.bytes(&script)?;
    Ok(DONE)
}

pub(super) fn manual(arguments: &Man, output: &mut Output) -> Ending {
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
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
    // The page is called after the whole command, `imds-show`, as pages of sub-commands are.
    let title = page.get_display_name().unwrap_or(page.get_name()).to_owned();
    let mut roff = Vec::new();
    clap_mangen::Man::new(page)
        .title(title.to_uppercase())
        .source(concat!("imds ", env!("CARGO_PKG_VERSION")))
        .manual("Instance metadata")
        .render(&mut roff)?;
    output.bytes(&roff)?;
    Ok(DONE)
}
