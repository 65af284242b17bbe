//! Unix sockets.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// How many connections may wait to be accepted: as many as Linux lets wait (`net.core.somaxconn`). A client that finds no
/// place is refused by the kernel, without the agent's knowing.
pub(super) const BACKLOG: i32 = 4096;

/// A socket in the file system, removed with this value unless another took its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|(_, identity)| identity == self.identity) {
            // If it can't be removed, the next start finds it dead and replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(fs::FileType, (u64, u64))> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.file_type(), (found.dev(), found.ino())))
}

/// Makes a socket that callers with this mode's permissions may connect to. Missing directories are made, for everybody to
/// enter. What a dead process left at the path is replaced.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] when somebody listens there; [`io::ErrorKind::AlreadyExists`] when something else than a
/// socket is there; and as the system says.
pub fn bind(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        make_directory(directory)?;
    }
    remove_dead(path)?;
    // Made under another name and moved into place once its mode is right, so that nobody who may not connect ever can.
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let fresh = path.with_file_name(format!(".{}.{:08x}", name.to_string_lossy(), fastrand::u32(..)));
    let listener = UnixListener::bind(&fresh)?;
    let placed = fs::set_permissions(&fresh, fs::Permissions::from_mode(mode))
        .and_then(|()| Ok(rustix::net::listen(&listener, BACKLOG)?))
        .and_then(|()| fs::rename(&fresh, path))
        .and_then(|()| identity(path));
    match placed {
        Ok((_, identity)) => Ok((listener, SocketFile { path: path.to_owned(), identity })),
        Err(error) => {
            let _ = fs::remove_file(&fresh);
            Err(error)
        }
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
}

/// Removes a socket on which nobody listens any more.
fn remove_dead(path: &Path) -> io::Result<()> {
    let kind = match identity(path) {
        Ok((kind, _)) => kind,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        let why = format!("{} is there and is no socket", path.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // Also one whose queue is full, or whom we may not ask: somebody is there.
        _ => {
            let why = format!("somebody listens on {} already", path.display());
            Err(io::Error::new(io::ErrorKind::AddrInUse, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/imds/imds.sock");
        let (listener, file) = bind(&path, 0o660).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o660, 0o755));
        assert_eq!(bind(&path, 0o666).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        // As if the process had been killed: the file stays.
        std::mem::forget(file);
        drop(listener);
        assert!(path.exists());
        let (_listener, file) = bind(&path, 0o666).unwrap();
        assert_eq!(mode(&path), 0o666);
        drop(file);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn what_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("imds.sock");
        fs::write(&path, "precious").unwrap();
        assert_eq!(bind(&path, 0o666).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let link = directory.path().join("link.sock");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(bind(&link, 0o666).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn the_socket_of_a_successor_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("imds.sock");
        let (_listener, file) = bind(&path, 0o666).unwrap();
        fs::remove_file(&path).unwrap();
        let (_successor, _file) = bind(&path, 0o666).unwrap();
        drop(file);
        assert!(path.exists());
    }
}
