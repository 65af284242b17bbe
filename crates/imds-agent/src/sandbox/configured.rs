//! What a configuration takes: what the worker may still read and write in its sandbox.

use std::path::{Path, PathBuf};

use super::{Account, Options, READ};
use crate::worker::Settings;

impl Options {
    /// What these settings take, read from a file that is read again, for a worker that becomes this user. Nothing is said
    /// of sockets: whoever makes them says where.
    ///
    /// Directories are allowed rather than the files in them, because an editor puts another file in the place of the old one.
    #[must_use]
    pub fn of(settings: &Settings, config_file: &Path, account: Option<Account>) -> Self {
        let config = &settings.config;
        let mut read = vec![directory_of(config_file)];
        for path in &config.metadata.cloud_files {
            read.push(if path.is_dir() { path.clone() } else { directory_of(path) });
        }
        if !stays_root(account.as_ref()) {
            read.extend(REPLACED.map(PathBuf::from));
        }
        // The machine that is looked at may be mounted elsewhere than at the root.
        let root = settings.client.machine().files().root();
        if let Some(root) = root.filter(|root| *root != Path::new("/")) {
            read.extend(READ.iter().map(|path| root.join(path.trim_start_matches('/'))));
        }
        Self {
            enabled: config.sandbox.enabled,
            account,
            read,
            write: config.agent.state.iter().map(|state| directory_of(state)).collect(),
            calls: config.sandbox.calls,
            ..Self::default()
        }
    }
}

/// Directories whose files are replaced while the agent runs (an account more, another name server), or come after it
/// (cloud-init's). A rule for a file counts for that very file. Whoever isn't root may read nothing in them that isn't meant for
/// everybody; root may read password hashes there, and so has to do with the files that [`READ`] names, as they are now.
const REPLACED: [&str; 2] = ["/etc", "/run"];

fn stays_root(account: Option<&Account>) -> bool {
    #[cfg(unix)]
    let is_root = rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    let is_root = false;
    account.map_or(is_root, |account| account.uid == 0)
}

/// The directory that a file is in, or will be.
pub(crate) fn directory_of(file: &Path) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    file.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use imds::machine::Environment;

    use super::*;
    use crate::config::{Config, Owner};

    #[expect(clippy::unnecessary_wraps, reason = "as it is asked for")]
    fn of(uid: u32) -> Option<Account> {
        Some(Account { uid, gid: uid, groups: vec![uid] })
    }

    #[test]
    fn only_what_the_configuration_names_is_allowed() {
        let host = tempfile::tempdir().unwrap();
        let text = format!(
            "[agent]\nstate = \"/var/lib/x/state.json\"\n[metadata]\nsysroot = {:?}\n[sandbox]\nenabled = false\nsystem_calls = \"off\"\n",
            host.path()
        );
        let config = Config::parse(&text, "/etc/x/agent.toml", &Owner::root()).unwrap();
        let client = config.client(&Environment::default()).unwrap();
        let options = Options::of(&Settings::new(config, client), Path::new("/etc/x/agent.toml"), of(980));
        assert_eq!(options.write, [Path::new("/var/lib/x")]);
        assert_eq!(options.read[0], Path::new("/etc/x"));
        assert!(options.read.contains(&host.path().join("sys")));
        assert!(options.read.contains(&PathBuf::from("/etc")), "accounts are replaced");
        assert_eq!((options.enabled, options.calls), (false, super::super::Calls::All));
    }

    #[test]
    fn without_a_file_nothing_but_its_place_is_allowed() {
        let config = Config::parse("[agent]\nstate = \"\"", "/etc/imds/agent.toml", &Owner::root()).unwrap();
        let files = std::sync::Arc::new(imds::machine::MemoryFiles::new());
        let client = config.metadata.client(&Environment::default()).files(files).build().unwrap();
        let options = Options::of(&Settings::new(config, client), Path::new("/etc/imds/agent.toml"), of(0));
        assert_eq!((options.read, options.write), (vec![PathBuf::from("/etc/imds")], vec![]));
        assert!(options.enabled && options.account == of(0));
    }
}
