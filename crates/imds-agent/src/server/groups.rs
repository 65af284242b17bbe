//! The groups of a caller.
//!
//! Linux would tell them by `SO_PEERGROUPS`, but no safe interface to that option is at hand. So they are looked up where
//! `getgrouplist(3)` would look first: the primary group that the kernel tells with the connection, and the groups that
//! `/etc/group` says the user is a member of. Groups from a directory service (LDAP, SSSD) aren't among them, nor are those
//! that a process took or dropped by itself; name such callers by user in `[access]`.

/// The groups of a user: `gid` and those in this machine's files.
pub async fn of(uid: u32, gid: u32) -> Vec<u32> {
    let passwd = tokio::fs::read_to_string("/etc/passwd").await.unwrap_or_default();
    let group = tokio::fs::read_to_string("/etc/group").await.unwrap_or_default();
    in_files(uid, gid, &passwd, &group)
}

/// The same from the texts of the files (passwd(5), group(5)).
fn in_files(uid: u32, gid: u32, passwd: &str, group: &str) -> Vec<u32> {
    let mut gids = vec![gid];
    let names: Vec<&str> = passwd
        .lines()
        .filter_map(|line| {
            let mut columns = line.split(':');
            let name = columns.next()?;
            (columns.nth(1)?.parse() == Ok(uid)).then_some(name)
        })
        .collect();
    for line in group.lines() {
        let mut columns = line.split(':');
        let (Some(gid), Some(members)) = (columns.nth(2).and_then(|gid| gid.parse().ok()), columns.next())
        else {
            continue;
        };
        if members.split(',').any(|member| names.contains(&member.trim())) && !gids.contains(&gid) {
            gids.push(gid);
        }
    }
    gids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_the_names_of_a_user() {
        let passwd = "root:x:0:0::/root:/bin/sh\n# x\nweb:x:33:33::/:/x\nwww:x:33:34::/:/x\nbroken\n:x:x\n";
        let group = "root:x:0:\nweb:x:33:\nmonitoring:x:40:ann, www\nadmin:x:41:root,webmaster\nbad:x:y:web\nshort:x\n";
        assert_eq!(in_files(33, 33, passwd, group), [33, 40]);
        assert_eq!(in_files(0, 7, passwd, group), [7, 41]);
        assert_eq!(in_files(99, 5, passwd, group), [5]);
        assert_eq!(in_files(33, 33, "", ""), [33]);
    }
}
