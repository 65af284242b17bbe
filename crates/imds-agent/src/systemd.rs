//! The service manager: what it is told, and the sockets that it opened beforehand.
//!
//! | variable | means (systemd: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3)) |
//! |---|---|
//! | `NOTIFY_SOCKET` | where it listens: a path, or `@` and an abstract name |
//! | `WATCHDOG_USEC`, `WATCHDOG_PID` | how often it wants to hear that all is well, and from which process |
//! | `LISTEN_FDS`, `LISTEN_PID` | how many sockets it opened, from descriptor 3 on, and for which process |
//!
//! Without these variables nothing is told and nothing taken over. What can't be told is no reason to stop.

use std::net::TcpListener;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::time::Duration;

use imds::machine::Environment;
use imds::{Error, ErrorKind};

/// Tells the service manager how things stand.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// By the variables that it set.
    #[must_use]
    pub fn from_environment(environment: &Environment) -> Self {
        let socket = environment.get("NOTIFY_SOCKET").and_then(|name| {
            let opened = address(name).and_then(|address| {
                let socket = UnixDatagram::unbound()?;
                // A manager that doesn't read mustn't stop the agent.
                socket.set_nonblocking(true)?;
                Ok((socket, address))
            });
            match opened {
                Ok(opened) => Some(opened),
                Err(error) => {
                    tracing::error!("NOTIFY_SOCKET={name} can't be used: {error}");
                    None
                }
            }
        });
        let number = |name: &str| environment.get(name)?.parse::<u64>().ok();
        let is_meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog =
            number("WATCHDOG_USEC").filter(|time| is_meant && *time > 0).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// How often [`Notifier::alive`] has to be said: twice as often as it is waited for.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.map(|time| (time / 2).max(Duration::from_millis(1)))
    }

    /// Whether the manager is told through an abstract socket, which no directory holds.
    #[must_use]
    pub fn is_abstract(&self) -> bool {
        self.socket.as_ref().is_some_and(|(_, address)| address.as_pathname().is_none())
    }

    /// The agent answers.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The agent reads its configuration anew; [`Notifier::ready`] follows.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The agent ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// All is well.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// One line for people.
    pub fn status(&self, text: &str) {
        self.tell(&format!("STATUS={}", text.replace('\n', " ")));
    }

    fn tell(&self, message: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(message.as_bytes(), address)
        {
            tracing::debug!(%error, "the service manager can't be told");
        }
    }
}

fn address(name: &str) -> std::io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.strip_prefix('@') {
        return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name);
    }
    if name.starts_with('/') {
        return SocketAddr::from_pathname(name);
    }
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "it is neither a path nor an abstract name"))
}

/// Sockets that the service manager opened for the agent. Those that listen there already keep their callers while the
/// agent starts anew.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For the API.
    pub unix: Vec<UnixListener>,
    /// For the API over TCP.
    pub tcp: Vec<TcpListener>,
}

impl Sockets {
    /// Takes them over, once: a second call finds none. Has to be called before there are other threads, because it
    /// removes the variables.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a descriptor that is no stream socket.
    pub fn of_this_process() -> Result<Self, Error> {
        let mut given = listenfd::ListenFd::from_env();
        let mut sockets = Self::default();
        for index in 0..given.len() {
            if let Ok(Some(socket)) = given.take_unix_listener(index) {
                sockets.unix.push(socket);
                continue;
            }
            match given.take_tcp_listener(index) {
                Ok(Some(socket)) => sockets.tcp.push(socket),
                Ok(None) => {}
                Err(error) => {
                    return Err(Error::new(
                        ErrorKind::Usage,
                        format!("socket {index} can't be used: {error}"),
                    )
                    .with_path("LISTEN_FDS")
                    .with_remedy("use ListenStream= with a path, or with an address of loopback")
                    .with_source(error));
                }
            }
        }
        Ok(sockets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut message = [0; 200];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_manager_hears_what_it_wants_to_hear() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::from_environment(&environment(&[("NOTIFY_SOCKET", path.to_str().unwrap())]));
        notifier.ready();
        notifier.status("in aws\nREADY=0");
        notifier.alive();
        notifier.stopping();
        notifier.reloading();
        assert_eq!(heard(&manager), "READY=1");
        assert_eq!(heard(&manager), "STATUS=in aws READY=0");
        assert_eq!(heard(&manager), "WATCHDOG=1");
        assert_eq!(heard(&manager), "STOPPING=1");
        let reloading = heard(&manager);
        let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(micros.parse::<u64>().unwrap() > 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn abstract_names_are_addresses_too() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("imds-agent-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notifier::from_environment(&environment(&[("NOTIFY_SOCKET", &format!("@{name}"))])).ready();
        assert_eq!(heard(&manager), "READY=1");
    }

    #[test]
    fn a_manager_that_is_not_there_harms_nobody() {
        for socket in ["/nonexistent/notify", "vsock:2:1234", "relative"] {
            Notifier::from_environment(&environment(&[("NOTIFY_SOCKET", socket)])).ready();
        }
        Notifier::default().ready();
    }

    #[test]
    fn the_watchdog_is_fed_twice_as_often_as_it_bites() {
        let pid = std::process::id().to_string();
        for (variables, every) in [
            (vec![], None),
            (vec![("WATCHDOG_USEC", "30000000")], Some(15_000)),
            (vec![("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", &*pid)], Some(15_000)),
            (vec![("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "1")], None),
            (vec![("WATCHDOG_USEC", "0")], None),
            (vec![("WATCHDOG_USEC", "1")], Some(1)),
            (vec![("WATCHDOG_USEC", "soon")], None),
        ] {
            let notifier = Notifier::from_environment(&environment(&variables));
            assert_eq!(notifier.watchdog(), every.map(Duration::from_millis), "{variables:?}");
        }
    }
}
