//! The user behind a unix socket, as the kernel tells it.

use std::os::unix::net::UnixStream;

/// User and group of the process that connected (`SO_PEERCRED`, unix(7)).
#[cfg(target_os = "linux")]
pub(super) fn of(stream: &UnixStream) -> Option<(u32, u32)> {
    let peer = rustix::net::sockopt::socket_peercred(stream).ok()?;
    Some((peer.uid.as_raw(), peer.gid.as_raw()))
}

/// The same, by the means of other systems, which the runtime knows.
#[cfg(not(target_os = "linux"))]
pub(super) fn of(stream: &UnixStream) -> Option<(u32, u32)> {
    let stream = stream.try_clone().ok()?;
    stream.set_nonblocking(true).ok()?;
    let peer = tokio::net::UnixStream::from_std(stream).ok()?.peer_cred().ok()?;
    Some((peer.uid(), peer.gid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_tells_who_it_is() {
        let (stream, _other) = UnixStream::pair().unwrap();
        let (uid, gid) = of(&stream).unwrap();
        assert_eq!((uid, gid), (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
    }
}
