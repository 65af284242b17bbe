//! The executor's side: does what the plan allows, and refuses everything else.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::Plan;
use super::protocol::{FileOutcome, Outcome, Reply, Request, Tried, Work, receive, send};
use crate::files::values::Known;
use crate::files::write::{self, Writer};
use crate::hooks::Notice;
use crate::hooks::run::try_once;
use crate::task::task;

/// How many hooks run at once; more than a worker that means well ever asks for.
const HOOKS: usize = 32;
/// How long an executor goes on with a file when its worker is gone.
const LAST_FILE: Duration = Duration::from_secs(5);
/// How many answers may wait to be sent.
const ANSWERS: usize = 64;

/// Reads the configuration; all that is wrong with it.
pub type ReadPlan = Box<dyn Fn() -> Result<Plan, Vec<String>> + Send + Sync>;

struct Executor {
    read: ReadPlan,
    plan: Mutex<Arc<Plan>>,
    writer: Arc<Writer>,
    /// Held while files are written: one update after the other.
    writing: Arc<Mutex<()>>,
    hooks: AtomicUsize,
}

/// Serves one worker until it is gone. What is under way then is broken off, but for a file that is nearly written.
///
/// # Errors
/// What the socket says; [`io::ErrorKind::InvalidData`] when the worker says something that nobody says who means well.
/// Where the first plan can't be read, [`io::ErrorKind::InvalidInput`].
pub async fn serve(stream: impl AsyncRead + AsyncWrite + Send + 'static, read: ReadPlan) -> io::Result<()> {
    let plan = read().map_err(|wrong| io::Error::new(io::ErrorKind::InvalidInput, wrong.join("; ")))?;
    let executor = Arc::new(Executor {
        read,
        plan: Mutex::new(Arc::new(plan)),
        writer: Arc::default(),
        writing: Arc::default(),
        hooks: AtomicUsize::new(0),
    });
    let (mut from, mut to) = tokio::io::split(stream);
    let (answers, mut answered) = mpsc::channel::<Reply>(ANSWERS);
    let mut tasks = JoinSet::new();
    tasks.spawn(task(async move {
        while let Some(reply) = answered.recv().await {
            if let Err(error) = send(&mut to, &reply).await {
                tracing::debug!("an answer can't be sent: {error}");
                return;
            }
        }
    }));
    loop {
        let request: Request = tokio::select! {
            request = receive(&mut from) => match request? {
                Some(request) => request,
                None => break,
            },
            Some(_) = tasks.join_next() => continue,
        };
        let (executor, answers) = (Arc::clone(&executor), answers.clone());
        tasks.spawn(task(async move {
            let outcome = executor.do_work(request.work).await;
            if let Outcome::Refused(why) = &outcome {
                tracing::warn!("the worker asked for something that isn't done: {why}");
            }
            // Nobody is left who waits for it otherwise.
            let _ = answers.send(Reply { id: request.id, outcome }).await;
        }));
    }
    // Hooks are broken off at once, and stay owed.
    drop(tasks);
    // A file that is half-way is finished, unless its check hangs: broken off, it would leave another one beside it.
    if tokio::time::timeout(LAST_FILE, executor.writing.lock()).await.is_err() {
        tracing::warn!("a file was left unfinished");
    }
    Ok(())
}

impl Executor {
    async fn do_work(&self, work: Work) -> Outcome {
        match work {
            Work::Tell => Outcome::Plan(self.plan.lock().await.summary()),
            Work::Reload => match (self.read)() {
                Ok(plan) => {
                    let summary = plan.summary();
                    *self.plan.lock().await = Arc::new(plan);
                    Outcome::Plan(summary)
                }
                Err(wrong) => Outcome::Invalid(wrong),
            },
            Work::Files { plan, values, debts } => {
                let current = Arc::clone(&*self.plan.lock().await);
                if current.fingerprint() != plan {
                    return Outcome::Refused("these values are for another configuration".to_owned());
                }
                match Known::of(*values) {
                    Ok(known) => {
                        self.write(move |writer, runtime| {
                            writer.update(&current.files(), &known, &debts, runtime)
                        })
                        .await
                    }
                    Err(error) => Outcome::Refused(error.to_string()),
                }
            }
            Work::TakeAway { plan, targets } => {
                let current = Arc::clone(&*self.plan.lock().await);
                if current.fingerprint() != plan {
                    return Outcome::Refused("these files are of another configuration".to_owned());
                }
                self.write(move |_, _| write::take_away(&current.files(), &targets)).await
            }
            Work::Hook { plan, number, notice } => {
                let current = Arc::clone(&*self.plan.lock().await);
                if current.fingerprint() != plan {
                    return Outcome::Refused("this number is of another configuration".to_owned());
                }
                self.hook(&current, number, &notice).await
            }
        }
    }

    async fn write(
        &self,
        work: impl FnOnce(&Writer, &Handle) -> Vec<FileOutcome> + Send + 'static,
    ) -> Outcome {
        let turn = Arc::clone(&self.writing).lock_owned().await;
        let (writer, runtime) = (Arc::clone(&self.writer), Handle::current());
        let written = tokio::task::spawn_blocking(move || {
            // Until it is written, even when nobody waits any more.
            let _turn = turn;
            work(&writer, &runtime)
        });
        match written.await {
            Ok(outcomes) => Outcome::Files(outcomes),
            Err(error) => Outcome::Refused(format!("writing files broke down: {error}")),
        }
    }

    async fn hook(&self, plan: &Plan, number: usize, notice: &Notice) -> Outcome {
        let Some((hook, template)) = plan.hook(number) else {
            return Outcome::Refused(format!("there is no hook {number}"));
        };
        if !hook.hears(&notice.event) {
            return Outcome::Refused(format!("{} isn't about this event", hook.name));
        }
        let turn = Turn(&self.hooks);
        if turn.0.fetch_add(1, Ordering::AcqRel) >= HOOKS {
            let why = "too many hooks run already".to_owned();
            return Outcome::Hook(Tried::Again { why, after: None });
        }
        let tried = try_once(hook, template, notice, plan.network()).await;
        match &tried {
            Tried::Done => tracing::info!(hook = hook.name, id = notice.event.id, "the hook has run"),
            Tried::Again { why, .. } | Tried::Hopeless(why) => {
                tracing::debug!(hook = hook.name, id = notice.event.id, "the hook failed: {why}");
            }
        }
        Outcome::Hook(tried)
    }
}

/// One hook that runs, however it ends.
struct Turn<'a>(&'a AtomicUsize);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
