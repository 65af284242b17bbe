//! Files, ports and signals: Landlock (landlock(7)), as far as the kernel has it.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort, PathBeneath,
    PathFd, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope,
};

use super::{Options, Part, READ};

/// What this is written for: files (1 to 3), ports (4), devices (5), signals (6). A newer kernel does no more, an older one
/// less.
const WRITTEN_FOR: ABI = ABI::V6;

/// Takes away what isn't named.
pub(super) fn restrict(options: &Options) -> Part {
    match restricted(options) {
        Ok(status) => {
            let how = match options.connect.as_slice() {
                [] => "files, no listening".to_owned(),
                ports => format!("files, no listening, TCP to {ports:?} only"),
            };
            match status.ruleset {
                RulesetStatus::FullyEnforced => Part::Full(how),
                RulesetStatus::PartiallyEnforced => Part::Partial(how),
                RulesetStatus::NotEnforced => {
                    Part::Missing("this kernel has no Landlock, or it is off".to_owned())
                }
            }
        }
        Err(error) => Part::Missing(error.to_string()),
    }
}

fn restricted(options: &Options) -> Result<RestrictionStatus, RulesetError> {
    let mut scope = Scope::from_all(WRITTEN_FOR);
    if options.abstract_sockets {
        scope.remove(Scope::AbstractUnixSocket);
    }
    let mut net = BitFlags::from(AccessNet::BindTcp);
    if !options.connect.is_empty() {
        net |= AccessNet::ConnectTcp;
    }
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WRITTEN_FOR))?
        .handle_access(net)?
        .scope(scope)?
        .create()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    for path in READ.iter().map(Path::new).chain(options.read.iter().map(|path| &**path)) {
        ruleset = with_path(ruleset, path, read)?;
    }
    // Names of block devices lead to volumes; what is on them is nobody's business.
    ruleset = with_path(ruleset, Path::new("/dev"), AccessFs::ReadDir.into())?;
    for path in ["/dev/null", "/dev/urandom"] {
        ruleset = with_path(ruleset, Path::new(path), AccessFs::ReadFile | AccessFs::WriteFile)?;
    }
    let write = read
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::RemoveFile
        | AccessFs::Refer;
    for path in &options.write {
        ruleset = with_path(ruleset, path, write)?;
    }
    for port in &options.connect {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    ruleset.restrict_self()
}

/// What isn't there needn't be allowed; it would have to be there now.
fn with_path(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(place) = PathFd::new(path) else {
        tracing::debug!(path = %path.display(), "not there, so it can't be used from now on");
        return Ok(ruleset);
    };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(WRITTEN_FOR) };
    ruleset.add_rule(PathBeneath::new(place, access))
}
