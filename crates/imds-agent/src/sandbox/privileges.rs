//! User, capabilities, no new privileges.
//!
//! The calls here change one thread. That is all of the process, because [`super::enter`] has made sure that there is no
//! other, and threads that begin later have what this one has.

use std::fs;

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use super::{Account, Part};

/// How many threads this process has; nothing where the kernel doesn't say.
pub(super) fn threads() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:"))?;
    line.trim().parse().ok()
}

/// Becomes a user, with this user's groups and no other, for good.
///
/// # Errors
/// Why that can't be.
pub(super) fn become_user(account: Option<&Account>) -> Result<Part, String> {
    let now = rustix::process::geteuid();
    let Some(account) = account else {
        return Ok(match now.is_root() {
            true => Part::Missing("root; set user in [agent]".to_owned()),
            false => Part::Full(now.as_raw().to_string()),
        });
    };
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    if now == uid && !now.is_root() {
        return Ok(Part::Full(account.uid.to_string()));
    }
    let failed = |what: &str, error: rustix::io::Errno| {
        format!("the process can't become user {}: {what}: {error}", account.uid)
    };
    let groups: Vec<Gid> = account.groups.iter().copied().map(Gid::from_raw).collect();
    // The user last: only root can change the groups.
    set_thread_groups(&groups).map_err(|error| failed("its groups", error))?;
    set_thread_res_gid(gid, gid, gid).map_err(|error| failed("its group", error))?;
    set_thread_res_uid(uid, uid, uid).map_err(|error| failed("itself", error))?;
    // A change that could be undone would be none.
    if !uid.is_root() && set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok() {
        return Err(format!("user {} could become root again", account.uid));
    }
    Ok(Part::Full(account.uid.to_string()))
}

/// Makes sure that no program can be given a capability.
pub(super) fn empty_bounding_set() -> Result<(), rustix::io::Errno> {
    let mut result = Ok(());
    for capability in CapabilitySet::all().iter() {
        match remove_capability_from_bounding_set(capability) {
            // The kernel is older than the capability.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => result = Err(error),
        }
    }
    result
}

/// Gives every capability up. `bounded` says whether none can be had anew.
pub(super) fn drop_capabilities(bounded: Result<(), rustix::io::Errno>) -> Part {
    // There is none on a kernel that doesn't have it.
    let _ = clear_ambient_capability_set();
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    if let Err(error) = set_capabilities(None, none) {
        return Part::Missing(error.to_string());
    }
    match (capabilities(None), bounded) {
        (Ok(sets), _) if sets != none => Part::Missing("the kernel keeps some".to_owned()),
        (Err(error), _) => Part::Missing(error.to_string()),
        (Ok(_), Ok(())) => Part::Full("none".to_owned()),
        // Only root can empty that set; whoever isn't has nothing to gain from it without a set-user-id program.
        (Ok(_), Err(_)) => Part::Full("none, of those that could be had none is ruled out".to_owned()),
    }
}

/// Makes sure that no program that is started has more rights than this process.
pub(super) fn no_new_privileges() -> Part {
    match set_no_new_privs(true) {
        Ok(()) => Part::Full("yes".to_owned()),
        Err(error) => Part::Missing(error.to_string()),
    }
}
