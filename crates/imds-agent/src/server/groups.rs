//! The groups of a caller.
//!
//! Linux would tell them by `SO_PEERGROUPS`, but no safe interface to that option is at hand. So they are those that this
//! machine's own files say, and the one that the kernel tells with the connection. Groups from a directory service (LDAP,
//! SSSD) aren't among them, nor is what a process took or dropped by itself; name such callers by user in `[access]`.

use crate::sandbox::Accounts;

/// The groups of a user: `gid`, which the kernel tells, and those in `/etc/passwd` and `/etc/group`.
pub async fn of(uid: u32, gid: u32) -> Vec<u32> {
    let read = tokio::task::spawn_blocking(Accounts::of_this_machine);
    in_files(&read.await.unwrap_or_default(), uid, gid)
}

fn in_files(accounts: &Accounts, uid: u32, gid: u32) -> Vec<u32> {
    // The first is the user's own group; who runs under another one has left it.
    let others = accounts.user(&uid.to_string()).map(|account| account.groups).unwrap_or_default();
    let others = others.into_iter().skip(1).filter(|other| *other != gid);
    [gid].into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_comes_before_the_files() {
        let passwd = "root:x:0:0::/root:/bin/sh\nweb:x:33:33::/:/x\n".to_owned();
        let group = "web:x:33:\nmonitoring:x:40:ann, web\nadmin:x:41:root,webmaster\n".to_owned();
        let accounts = Accounts { passwd, group };
        assert_eq!(in_files(&accounts, 33, 33), [33, 40]);
        assert_eq!(in_files(&accounts, 33, 7), [7, 40], "it runs under another group");
        assert_eq!(in_files(&accounts, 0, 41), [41]);
        assert_eq!(in_files(&accounts, 99, 5), [5]);
        assert_eq!(in_files(&Accounts::default(), 33, 33), [33]);
    }
}
