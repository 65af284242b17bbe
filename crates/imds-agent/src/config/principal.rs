//! Who may see something.

use std::fmt;
use std::str::FromStr;

use imds::Error;

use super::read::usage;

/// Who may see something: `everybody`, `root`, `user:NAME`, `user:UID`, `group:NAME`, `group:GID`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Principal {
    /// Whoever can connect.
    Everybody,
    /// Root alone.
    Root,
    /// A user by name; who that is, the system's user database says.
    User(String),
    /// A user by number.
    Uid(u32),
    /// Members of a group by name.
    Group(String),
    /// Members of a group by number.
    Gid(u32),
}

impl FromStr for Principal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: String| {
            usage(why).with_remedy("write everybody, root, user:NAME, user:UID, group:NAME or group:GID")
        };
        // The names that the system's own tools accept, and no control characters, separators or spaces.
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 256
                && !name.starts_with('-')
                && name
                    .chars()
                    .all(|c| !c.is_control() && !c.is_whitespace() && !matches!(c, ':' | '/' | ','))
        };
        match text.split_once(':') {
            None if text == "everybody" => Ok(Self::Everybody),
            None if text == "root" => Ok(Self::Root),
            Some((kind @ ("user" | "group"), who)) if is_name(who) => {
                // No name is a number: tools that take both take it for a number.
                let digits = who.chars().all(|c| c.is_ascii_digit());
                let number = who.parse::<u32>().ok().filter(|number| *number != u32::MAX);
                match (kind, number) {
                    _ if digits && number.is_none() => Err(wrong(format!("{who} is no {kind}'s number"))),
                    ("user", Some(0)) => Ok(Self::Root),
                    ("user", Some(uid)) => Ok(Self::Uid(uid)),
                    ("user", None) => Ok(Self::User(who.to_owned())),
                    (_, Some(gid)) => Ok(Self::Gid(gid)),
                    (_, None) => Ok(Self::Group(who.to_owned())),
                }
            }
            _ => Err(wrong(format!("{text:?} names nobody"))),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("everybody"),
            Self::Root => f.write_str("root"),
            Self::User(name) => write!(f, "user:{name}"),
            Self::Uid(uid) => write!(f, "user:{uid}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Gid(gid) => write!(f, "group:{gid}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_named_in_six_ways() {
        for (text, principal) in [
            ("everybody", Principal::Everybody),
            ("root", Principal::Root),
            ("user:app", Principal::User("app".to_owned())),
            ("user:1000", Principal::Uid(1000)),
            ("group:adm", Principal::Group("adm".to_owned())),
            ("group:0", Principal::Gid(0)),
        ] {
            assert_eq!(text.parse::<Principal>().unwrap(), principal);
            assert_eq!(principal.to_string(), text);
        }
        assert_eq!("user:0".parse::<Principal>().unwrap(), Principal::Root);
    }

    #[test]
    fn nobody_else_is_named() {
        for text in [
            "",
            "all",
            "Root",
            "user",
            "user:",
            "user:a b",
            "user:-x",
            "user:4294967295",
            "user:99999999999",
            "role:x",
            "group:a,b",
        ] {
            assert!(text.parse::<Principal>().is_err(), "{text}");
        }
    }
}
