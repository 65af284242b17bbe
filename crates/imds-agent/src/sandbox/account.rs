//! Users and groups by name or number, out of this machine's own files (passwd(5), group(5)).
//!
//! Accounts that only a directory service knows (LDAP, SSSD) aren't found by name: asking one takes code that can't be had
//! without `unsafe`, and a daemon's account is a local one. They can be given by number.

use std::fs;
use std::io;

/// The texts of the files.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// `/etc/passwd`.
    pub passwd: String,
    /// `/etc/group`.
    pub group: String,
}

/// Whom a process can run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's own group.
    pub gid: u32,
    /// The numbers of all groups that the user is in, the own one first.
    pub groups: Vec<u32>,
}

impl Accounts {
    /// Those of this machine. A file that can't be read knows nobody.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self { passwd: read("/etc/passwd"), group: read("/etc/group") }
    }

    /// The same as they are now. What can't be read any more stays as it was: in the sandbox, root may read the very files that
    /// there were at the start, and whoever adds an account puts others in their place.
    #[must_use]
    pub fn again(&self) -> Self {
        self.again_from(|path| fs::read_to_string(path))
    }

    fn again_from(&self, read: impl Fn(&str) -> io::Result<String>) -> Self {
        let again = |path, before: &str| read(path).unwrap_or_else(|_| before.to_owned());
        Self { passwd: again("/etc/passwd", &self.passwd), group: again("/etc/group", &self.group) }
    }

    /// A user by name or number. A number that no file knows is a user in the group of the same number.
    ///
    /// # Errors
    /// Why there is no such user.
    pub fn user(&self, who: &str) -> Result<Account, String> {
        let found = self.passwd.lines().find_map(|line| {
            let mut columns = line.split(':');
            let (name, uid) = (columns.next()?, columns.nth(1)?);
            let gid = columns.next()?;
            (name == who || uid == who)
                .then(|| Some((name.to_owned(), uid.parse().ok()?, gid.parse().ok()?)))?
        });
        let (name, uid, gid): (String, u32, u32) = match found {
            Some(found) => found,
            None => {
                let number = number(who).ok_or_else(|| format!("there is no user {who:?} in /etc/passwd"))?;
                (String::new(), number, number)
            }
        };
        let mut groups = vec![gid];
        for (gid, members) in self.groups() {
            if !name.is_empty()
                && members.split(',').any(|member| member.trim() == name)
                && !groups.contains(&gid)
            {
                groups.push(gid);
            }
        }
        Ok(Account { uid, gid, groups })
    }

    /// A group's number, by name or number.
    ///
    /// # Errors
    /// Why there is no such group.
    pub fn group(&self, which: &str) -> Result<u32, String> {
        let found = self.group.lines().find_map(|line| {
            let mut columns = line.split(':');
            let (name, gid) = (columns.next()?, columns.nth(1)?);
            (name == which).then(|| gid.parse().ok())?
        });
        found.or_else(|| number(which)).ok_or_else(|| format!("there is no group {which:?} in /etc/group"))
    }

    fn groups(&self) -> impl Iterator<Item = (u32, &str)> {
        self.group.lines().filter_map(|line| {
            let mut columns = line.split(':');
            Some((columns.nth(2)?.parse().ok()?, columns.next()?))
        })
    }
}

/// The last number means "nobody in particular" to the system's own calls.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/sh\n# a line\nimds:x:980:981::/:/usr/sbin/nologin\nbad:x:y:1::/:\nshort\n"
                .to_owned(),
            group: "root:x:0:\nadm:x:4:syslog,imds\nimds:x:981:\nssl:x:7: imds ,web\nbad:x:z:imds\n".to_owned(),
        }
    }

    #[test]
    fn users_have_their_groups() {
        let imds = Account { uid: 980, gid: 981, groups: vec![981, 4, 7] };
        assert_eq!(accounts().user("imds"), Ok(imds.clone()));
        assert_eq!(accounts().user("980"), Ok(imds));
        assert_eq!(accounts().user("root"), Ok(Account { uid: 0, gid: 0, groups: vec![0] }));
        assert_eq!(accounts().user("12345"), Ok(Account { uid: 12345, gid: 12345, groups: vec![12345] }));
        for nobody in ["", "bad", "short", "nobody-here", "-1", "4294967295", "imds:x"] {
            assert!(accounts().user(nobody).is_err(), "{nobody}");
        }
    }

    #[test]
    fn what_cannot_be_read_any_more_stays_as_it_was() {
        let again = accounts().again_from(|path| match path {
            "/etc/passwd" => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Ok("wheel:x:10:\n".to_owned()),
        });
        assert_eq!(again.user("imds").map(|user| user.uid), Ok(980));
        assert_eq!((again.group("wheel"), again.group("adm").is_err()), (Ok(10), true));
    }

    #[test]
    fn groups_have_numbers() {
        assert_eq!((accounts().group("adm"), accounts().group("4")), (Ok(4), Ok(4)));
        assert_eq!(accounts().group("77"), Ok(77));
        assert!(accounts().group("wheel").is_err() && accounts().group("bad").is_err());
    }
}
