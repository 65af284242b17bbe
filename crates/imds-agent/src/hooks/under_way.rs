//! Hooks that were started for events that are owed still: they outlive a change of the configuration, so that nobody is told
//! twice because something else was changed.
//!
//! A hook is known by what it does. One that has another time limit or another place in the configuration is the same; one
//! that does something else is another, and hears of what is owed still.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Action, Hook};
use crate::events::Ticket;
use crate::task::task;

/// What was started and isn't settled. What runs is broken off when this is dropped.
#[derive(Debug, Default)]
pub struct UnderWay(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Few at a time.
    started: Vec<(Ticket, Vec<Started>)>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Started {
    action: Action,
    end: End,
}

/// How a hook ends.
#[derive(Clone, Debug)]
pub struct End(watch::Receiver<Option<bool>>);

impl End {
    /// Waits for it; whether the hook worked. One that broke down didn't.
    pub async fn succeeded(mut self) -> bool {
        self.0.wait_for(Option::is_some).await.is_ok_and(|end| *end == Some(true))
    }
}

impl UnderWay {
    /// Starts hooks for something that is owed, but for those that were started for it before. How each of them ends.
    pub fn start<F>(&self, ticket: Ticket, hooks: impl IntoIterator<Item = (Action, F)>) -> Vec<End>
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { started, tasks } = &mut *inner;
        // Nobody else waits for them.
        while tasks.try_join_next().is_some() {}
        let at = started.iter().position(|(known, _)| *known == ticket).unwrap_or(started.len());
        if at == started.len() {
            started.push((ticket, Vec::new()));
        }
        let Some((_, started)) = started.get_mut(at) else { return Vec::new() };
        let mut before: Vec<usize> = (0..started.len()).collect();
        let mut ends = Vec::new();
        for (action, run) in hooks {
            let same = before.iter().position(|it| started.get(*it).is_some_and(|it| it.action == action));
            let end = match same.and_then(|same| started.get(before.remove(same))) {
                Some(started) => started.end.clone(),
                None => {
                    let (sender, end) = watch::channel(None);
                    tasks.spawn(task(async move {
                        // Its event may be settled without it, when the configuration doesn't name it any more.
                        let _ = sender.send(Some(run.await));
                    }));
                    started.push(Started { action, end: End(end.clone()) });
                    End(end)
                }
            };
            ends.push(end);
        }
        ends
    }

    /// Forgets what was started for something that isn't owed any more.
    pub fn forget(&self, ticket: Ticket) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).started.retain(|(known, _)| *known != ticket);
    }
}

/// Where each of these hooks is among others, by what it does; nothing where it isn't there.
#[must_use]
pub fn places(before: &[Hook], now: &[Hook]) -> Vec<Option<usize>> {
    let mut left: Vec<usize> = (0..now.len()).collect();
    let place = |hook: &Hook| {
        let same = left.iter().position(|it| now.get(*it).is_some_and(|now| now.action == hook.action))?;
        Some(left.remove(same))
    };
    before.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::time::{Duration, SystemTime};

    use super::super::tests::hook;
    use super::*;
    use crate::events::event::tests::event;
    use crate::events::{Board, State};

    fn action(program: &str) -> Action {
        Action::Command(vec![program.to_owned()])
    }

    async fn tickets() -> [Ticket; 2] {
        let board = Board::default();
        board.observe(
            "/events",
            vec![event("a", State::Scheduled), event("b", State::Scheduled)],
            SystemTime::now(),
        );
        [board.owed().await.0, board.owed().await.0]
    }

    /// A future that there must not be twice.
    fn never(program: &str) -> (Action, std::future::Ready<bool>) {
        (action(program), ready(false))
    }

    #[tokio::test]
    async fn what_was_started_is_joined_and_what_is_new_is_started() {
        let [first, second] = tickets().await;
        let under_way = UnderWay::default();
        let (go, mut wait) = watch::channel(false);
        let run = async move { wait.wait_for(|go| *go).await.is_ok() };
        let mut before = under_way.start(first, [(action("a"), task(run)), (action("b"), task(ready(true)))]);
        assert!(before.remove(1).succeeded().await);
        let now = under_way.start(first, [never("c"), never("b"), never("a")]);
        go.send_replace(true);
        let mut ends = Vec::new();
        for end in now.into_iter().chain(before) {
            ends.push(end.succeeded().await);
        }
        assert_eq!(ends, [false, true, true, true]);
        assert!(!under_way.start(second, [never("a")]).remove(0).succeeded().await, "it is another event");
        under_way.forget(first);
        assert!(!under_way.start(first, [never("a")]).remove(0).succeeded().await);
    }

    #[tokio::test]
    async fn two_that_do_the_same_are_two_and_one_that_breaks_down_has_not_worked() {
        let [ticket, _] = tickets().await;
        let under_way = UnderWay::default();
        let breaks = async { panic!("a defect") };
        under_way.start(ticket, [(action("a"), task(ready(true))), (action("a"), task(breaks))]);
        let mut ends = Vec::new();
        for end in under_way.start(ticket, [never("a"), never("a"), (action("a"), ready(true))]) {
            ends.push(end.succeeded().await);
        }
        assert_eq!(ends, [true, false, true]);
    }

    #[test]
    fn places_are_found_by_what_a_hook_does() {
        let hooks = |programs: &[&str]| programs.iter().map(|it| hook(action(it))).collect::<Vec<_>>();
        let before = hooks(&["a", "b", "a", "c", "a"]);
        assert_eq!(places(&before, &hooks(&["x", "a", "c", "a"])), [Some(1), None, Some(3), Some(2), None]);
        let longer = Hook { name: "other".to_owned(), retry_for: Duration::ZERO, ..hook(action("b")) };
        assert_eq!(places(&before[1..2], &[longer]), [Some(0)]);
    }
}
