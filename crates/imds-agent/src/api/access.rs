//! Who may see what.

use imds::Field;
use imds::model::Class;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caller {
    /// A process of this machine, as the kernel knows it.
    Process {
        /// Its effective user.
        uid: u32,
        /// Its effective group and the groups beside it.
        gids: Vec<u32>,
    },
    /// Somebody on loopback TCP, of whom nothing is known.
    Loopback,
}

/// Callers that an entry of `[access]` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every caller, also those of whom nothing is known.
    Everybody,
    /// The superuser.
    Root,
    /// One user.
    User(u32),
    /// Everyone in a group.
    Group(u32),
}

impl Who {
    fn means(self, caller: &Caller) -> bool {
        match (self, caller) {
            (Self::Everybody, _) => true,
            (_, Caller::Loopback) => false,
            (Self::Root, Caller::Process { uid, .. }) => *uid == 0,
            (Self::User(user), Caller::Process { uid, .. }) => *uid == user,
            (Self::Group(group), Caller::Process { gids, .. }) => gids.contains(&group),
        }
    }
}

/// Who may see the fields of each class. There is no entry for secrets, because the agent has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who may see public fields, the verdict among them; whoever may see private ones may see these as well.
    pub public: Vec<Who>,
    /// Who may see private fields, events and the evidence behind the verdict.
    pub private: Vec<Who>,
}

/// Everybody may see everything: whoever runs here could ask the service itself.
impl Default for Access {
    fn default() -> Self {
        Self { public: vec![Who::Everybody], private: vec![Who::Everybody] }
    }
}

impl Access {
    /// Whether this caller may see fields of this class. Secrets, never.
    #[must_use]
    pub fn permits(&self, class: Class, caller: &Caller) -> bool {
        let means = |whos: &[Who]| whos.iter().any(|who| who.means(caller));
        match class {
            // A snapshot whose cloud isn't told is none: what an id is of has to be known.
            Class::Public => means(&self.public) || means(&self.private),
            Class::Private => means(&self.private),
            // Secrets, and whatever a later version invents.
            _ => false,
        }
    }

    /// The fields that this caller may see, and those that it may not.
    #[must_use]
    pub fn split(&self, caller: &Caller) -> (Vec<Field>, Vec<Field>) {
        Field::ALL.iter().copied().partition(|field| self.permits(field.class(), caller))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_means_whom_it_names() {
        let process = |uid, gids: &[u32]| Caller::Process { uid, gids: gids.to_vec() };
        for (who, caller, permitted) in [
            (Who::Everybody, process(1000, &[1000]), true),
            (Who::Everybody, Caller::Loopback, true),
            (Who::Root, process(0, &[0]), true),
            (Who::Root, process(1000, &[0]), false),
            (Who::Root, Caller::Loopback, false),
            (Who::User(7), process(7, &[]), true),
            (Who::User(7), process(8, &[7]), false),
            (Who::User(7), process(0, &[0]), false),
            (Who::Group(7), process(1000, &[1000, 7]), true),
            (Who::Group(7), process(7, &[1000]), false),
            (Who::Group(0), Caller::Loopback, false),
        ] {
            let access = Access { public: vec![], private: vec![Who::User(99), who] };
            assert_eq!(access.permits(Class::Private, &caller), permitted, "{who:?} {caller:?}");
            assert_eq!(access.permits(Class::Public, &caller), permitted, "what isn't even private");
            assert!(!Access::default().permits(Class::Secret, &caller), "secrets are nobody's");
        }
    }

    #[test]
    fn what_is_public_isnt_private() {
        let access = Access { private: vec![Who::Root], ..Access::default() };
        let (seen, denied) = access.split(&Caller::Loopback);
        assert!(seen.contains(&Field::Region) && !seen.contains(&Field::InstanceId));
        assert!(denied.contains(&Field::InstanceId) && denied.contains(&Field::Tags));
        assert_eq!(seen.len() + denied.len(), Field::COUNT);
    }
}
