//! For programs without an async runtime, and for blocking code inside one.
//!
//! Everything runs on one thread of its own, so that it works anywhere: in `main`, in a thread pool, and inside somebody
//! else's runtime (where it blocks the calling thread, as its name says).

use std::fmt;
use std::future::Future;
use std::sync::mpsc;
use std::thread;

use imds_model::{Error, ErrorKind, Field, Metadata, Verdict};

use crate::config::Config;

type Job = Box<dyn FnOnce(&tokio::runtime::Runtime) + Send>;

/// The blocking face of [`Client`](crate::Client).
///
/// ```no_run
/// # fn main() -> Result<(), imds::Error> {
/// use imds::{Config, Field, blocking, machine::Environment};
/// let client = blocking::Client::new(Config::builder(Environment::of_this_process()).build()?)?;
/// println!("{}", client.detect()?.outcome);
/// println!("{:?}", client.read(&[Field::Region])?.text(Field::Region));
/// # Ok(())
/// # }
/// ```
pub struct Client {
    client: crate::Client,
    jobs: mpsc::Sender<Job>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("blocking::Client").field(&self.client).finish()
    }
}

impl Client {
    /// A client that does what `config` says, with a thread that ends when the client is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when no thread can be started.
    pub fn new(config: Config) -> Result<Self, Error> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Internal, "the client's thread can't be started").with_source(error)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (jobs, queue) = mpsc::channel::<Job>();
        let work = move || queue.iter().for_each(|job| job(&runtime));
        thread::Builder::new().name("imds-blocking".to_owned()).spawn(work).map_err(failed)?;
        Ok(Self { client: crate::Client::new(config), jobs })
    }

    fn run<T, F>(&self, work: impl FnOnce(crate::Client) -> F + Send + 'static) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let gone = || Error::new(ErrorKind::Internal, "the client's thread is gone");
        let (answer, answered) = mpsc::sync_channel(1);
        let client = self.client.clone();
        let job: Job = Box::new(move |runtime| {
            // Whoever asked may have gone away; then nobody needs the answer.
            let _ = answer.send(runtime.block_on(work(client)));
        });
        self.jobs.send(job).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())
    }

    /// As [`Client::detect`](crate::Client::detect).
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the client's thread is gone.
    pub fn detect(&self) -> Result<Verdict, Error> {
        self.run(|client| async move { client.detect().await })
    }

    /// As [`Client::read`](crate::Client::read).
    ///
    /// # Errors
    /// As there.
    pub fn read(&self, fields: &[Field]) -> Result<Metadata, Error> {
        let fields = fields.to_vec();
        self.run(|client| async move { client.read(&fields).await })?
    }

    /// As [`Client::raw`](crate::Client::raw).
    ///
    /// # Errors
    /// As there.
    pub fn raw(&self, path: &str, allow_secret: bool) -> Result<Vec<u8>, Error> {
        let path = path.to_owned();
        self.run(move |client| async move { client.raw(&path, allow_secret).await })?
    }

    /// As [`Client::volume_id`](crate::Client::volume_id).
    ///
    /// # Errors
    /// As there.
    pub fn volume_id(&self, device: &str) -> Result<String, Error> {
        let device = device.to_owned();
        self.run(|client| async move { client.volume_id(&device).await })?
    }
}
