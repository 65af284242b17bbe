//! The server as a part of the worker: what the configuration says, in listeners and rules.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use imds::{Error, ErrorKind};

use super::face::Rules;
use super::socket::{self, SocketFile};
use super::stream::Sources;
use super::{ApiFace, Guard, Limits, MetricsFace, Server, loopback};
use crate::api::{Access, Announcements, Who};
use crate::config::{self, Config, Principal};
use crate::metrics::Metrics;
use crate::sandbox::Accounts;
use crate::systemd::Sockets;
use crate::worker::Context;

/// How long requests under way may take once the agent is to end; they are answered within milliseconds.
const GRACE: Duration = Duration::from_secs(2);

/// Places where somebody listens already; who connects waits until [`start`].
#[derive(Debug)]
pub struct Bound {
    unix: Vec<UnixListener>,
    /// What has to be taken away in the end.
    file: Option<SocketFile>,
    tcp: Vec<TcpListener>,
    metrics: Option<TcpListener>,
}

impl Bound {
    /// The socket in the file system, where it was made here.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(SocketFile::path)
    }
}

/// Listens where the configuration says. Sockets that the service manager opened take the place of those that the
/// configuration names. Needs no runtime: it may take privileges that the agent gives up.
///
/// # Errors
/// [`ErrorKind::Usage`] for a place where nobody can listen.
pub fn bind(config: &Config, sockets: Sockets) -> Result<Bound, Error> {
    limits_of(&config.limits).make_room();
    let Sockets { mut unix, mut tcp } = sockets;
    let mut file = None;
    if unix.is_empty() {
        let bound = socket::bind(&config.agent.socket, config.agent.socket_mode);
        let path = config.agent.socket.display().to_string();
        let (listener, bound) = bound.map_err(|error| nowhere("agent.socket", &path, error))?;
        unix.push(listener);
        file = Some(bound);
    }
    if let Some(settings) = config.tcp.as_ref().filter(|_| tcp.is_empty()) {
        tcp.push(listen("tcp.listen", settings.listen)?);
    }
    let metrics = config.metrics.map(|address| listen("metrics.listen", address)).transpose()?;
    Ok(Bound { unix, file, tcp, metrics })
}

/// Answers whoever connects. What is returned has to run from then on: it answers until the agent ends, and puts other rules
/// in force after a reload.
///
/// # Errors
/// [`ErrorKind::Usage`] for an account that there isn't, or a socket that can't be used.
pub fn start(
    context: Context,
    bound: Bound,
    metrics: &Arc<Metrics>,
    announcements: Arc<Announcements>,
) -> Result<impl Future<Output = Result<(), Error>> + Send + 'static, Error> {
    let config = context.settings.borrow().config.clone();
    let server = Server::new(limits_of(&config.limits), Arc::clone(metrics));
    let accounts = Accounts::of_this_machine();
    let rules = Arc::new(Rules::new(access_of(&config.access, &accounts)?));
    let sources = Arc::new(Sources { store: Arc::clone(&context.store), announcements });
    let face = |guard| {
        let (rules, sources) = (Arc::clone(&rules), Arc::clone(&sources));
        Arc::new(ApiFace::new(rules, sources, guard, Arc::clone(metrics)))
    };
    let path = config.agent.socket.display().to_string();
    for listener in bound.unix {
        server.listen_unix(listener, face(None)).map_err(|error| nowhere("agent.socket", &path, error))?;
    }
    let hosts = config.tcp.as_ref().map_or(&[][..], |tcp| &tcp.hosts);
    for listener in bound.tcp {
        let listening = listener
            .local_addr()
            .and_then(|address| server.listen_tcp(listener, face(Some(Guard::of_api(address, hosts)))));
        let address = listening.map_err(|error| nowhere("tcp.listen", "TCP", error))?;
        tracing::info!(%address, "answering over TCP");
    }
    if let Some(listener) = bound.metrics {
        let listening = listener.local_addr().and_then(|address| {
            let guard = Guard::of_metrics(address, &[]);
            let face = MetricsFace::new(Arc::clone(&sources), guard, Arc::clone(metrics));
            server.listen_tcp(listener, Arc::new(face))
        });
        let address = listening.map_err(|error| nowhere("metrics.listen", "TCP", error))?;
        tracing::info!(%address, "metrics");
    }
    Ok(attend(context, server, rules, accounts, bound.file))
}

/// Puts new rules in force until the agent ends, and ends the server then.
async fn attend(
    context: Context,
    server: Server,
    rules: Arc<Rules>,
    mut accounts: Accounts,
    file: Option<SocketFile>,
) -> Result<(), Error> {
    let mut settings = context.settings;
    let mut shutdown = context.shutdown;
    loop {
        tokio::select! {
            () = shutdown.begun() => break,
            changed = settings.changed() => {
                if changed.is_err() {
                    break;
                }
                let access = settings.borrow_and_update().config.access.clone();
                accounts = accounts.again();
                match access_of(&access, &accounts) {
                    Ok(access) => rules.replace(access),
                    Err(error) => tracing::error!("who may see what stays as it was: {error}"),
                }
            }
        }
    }
    // Nobody finds the way in any more; who is in gets their answer.
    drop(file);
    server.stop(GRACE).await;
    Ok(())
}

fn listen(key: &str, address: SocketAddr) -> Result<TcpListener, Error> {
    loopback::bind(address).map_err(|error| nowhere(key, &address.to_string(), error))
}

fn nowhere(key: &str, place: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::Locked,
        _ => ErrorKind::Usage,
    };
    Error::new(kind, format!("nobody can listen at {place}: {error}"))
        .with_path(key)
        .with_remedy("is another agent running, and may this user listen there?")
        .with_source(error)
}

fn limits_of(config: &config::Limits) -> Limits {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Limits {
        connections: count(config.connections),
        per_client: count(config.per_client),
        header_bytes: count(config.header_bytes),
        read_time: config.read_time,
        idle: config.idle,
        ..Limits::default()
    }
}

/// What can be done where somebody is named whom nobody knows.
const STRANGER: &str = "name an account that this machine's own files know, or give its number";

/// Those who are named under `[access]` and whom this machine doesn't know, each with the place in the file.
pub(crate) fn strangers(config: &Config, accounts: &Accounts) -> Vec<Error> {
    let of = |key: &str, principals: &[Principal]| -> Vec<Error> {
        let named = principals.iter().enumerate();
        let strangers =
            named.filter_map(|(number, principal)| Some((number, who(principal, accounts).err()?)));
        let mistake = |(number, why)| {
            let wrong = config.places.mistake(&format!("{key}[{number}]"), format!("{key}: {why}"));
            wrong.with_remedy(STRANGER)
        };
        strangers.map(mistake).collect()
    };
    let mut wrong = of("access.public", &config.access.public);
    wrong.extend(of("access.private", &config.access.private));
    wrong
}

fn who(principal: &Principal, accounts: &Accounts) -> Result<Who, String> {
    Ok(match principal {
        Principal::Everybody => Who::Everybody,
        Principal::Root => Who::Root,
        Principal::Uid(uid) => Who::User(*uid),
        Principal::Gid(gid) => Who::Group(*gid),
        Principal::User(name) => Who::User(accounts.user(name)?.uid),
        Principal::Group(name) => Who::Group(accounts.group(name)?),
    })
}

/// Who may see what, with the numbers of those who are named.
fn access_of(config: &config::Access, accounts: &Accounts) -> Result<Access, Error> {
    let all = |key, principals: &[Principal]| -> Result<Vec<Who>, Error> {
        let missing = |why: String| Error::new(ErrorKind::Usage, why).with_path(key).with_remedy(STRANGER);
        principals.iter().map(|principal| who(principal, accounts).map_err(missing)).collect()
    };
    Ok(Access {
        public: all("access.public", &config.public)?,
        private: all("access.private", &config.private)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_numbers_and_who_is_not_there_is_named() {
        let accounts =
            Accounts { passwd: "app:x:1000:1000::/:/x\n".to_owned(), group: "adm:x:4:app\n".to_owned() };
        let mut config = Config::default().access;
        assert_eq!(access_of(&config, &accounts).unwrap(), Access::default());
        config.private = ["root", "user:app", "user:7", "group:adm", "group:8"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let private = [Who::Root, Who::User(1000), Who::User(7), Who::Group(4), Who::Group(8)];
        assert_eq!(access_of(&config, &accounts).unwrap().private, private);
        config.public = vec!["user:nobody-here".parse().unwrap()];
        let error = access_of(&config, &accounts).unwrap_err();
        assert_eq!(error.path(), Some("access.public"));
        assert!(error.message().contains("nobody-here"));
    }

    #[test]
    fn the_limits_of_the_configuration_are_put_in_force() {
        let mut config = Config::default().limits;
        (config.connections, config.per_client, config.header_bytes) = (7, 3, 9000);
        (config.read_time, config.idle) = (Duration::from_secs(2), Duration::from_secs(11));
        let limits = limits_of(&config);
        assert_eq!((limits.connections, limits.per_client, limits.header_bytes), (7, 3, 9000));
        assert_eq!((limits.read_time, limits.idle), (Duration::from_secs(2), Duration::from_secs(11)));
        let default = limits_of(&Config::default().limits);
        assert_eq!(default, Limits::default(), "both places say the same");
    }
}
