//! The faults that strike, each told in a line.

use std::time::Duration;

use imds::ErrorKind;

/// What a fault does to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The answer is right, now or after another try.
    Harmless,
    /// It fails like this for good.
    Fails(ErrorKind),
    /// Nothing is there.
    Nothing,
    /// The answers aren't what the service says.
    Nonsense,
    /// There are answers, with nothing in them.
    Emptied,
    /// Answers say that they are web pages.
    Mistyped,
    /// Tokens can't be had.
    TokensWithheld,
    /// Tokens are refused.
    TokensRefused,
    /// Answers are right but for their headers, which some services are known by.
    Headless,
    /// This other cloud answers.
    Foreign(&'static str),
}

/// A fault, and what is to be said of it.
#[derive(Debug)]
pub(crate) struct Fault {
    /// As `imds fake --fault` takes it.
    pub(crate) spec: &'static str,
    /// What the service does, in one line.
    pub(crate) what: &'static str,
    /// What a user sees, in one line.
    pub(crate) seen: &'static str,
    pub(crate) effect: Effect,
    /// What `--timeout` is.
    pub(crate) timeout: Duration,
}

impl Fault {
    /// Whether those whom it strikes do nothing but wait.
    pub(crate) fn is_silent(&self) -> bool {
        self.effect == Effect::Fails(ErrorKind::TimedOut)
    }
}

/// Where the answer comes, or a failure that says so: never waited for in full.
const AMPLE: Duration = Duration::from_secs(20);
/// Where Azure is asked again for as long as there is time.
const MIDDLING: Duration = Duration::from_secs(3);
/// Where nothing will come: waited for in full, so short.
const SHORT: Duration = Duration::from_secs(1);

const fn fault(
    spec: &'static str,
    effect: Effect,
    timeout: Duration,
    what: &'static str,
    seen: &'static str,
) -> Fault {
    Fault { spec, what, seen, effect, timeout }
}

const ONCE_MORE: &str = "Nothing: the request is made again.";

pub(crate) const FAULTS: &[Fault] = &[
    fault("delay=20ms", Effect::Harmless, AMPLE, "Every answer comes late, but in time.", "Nothing."),
    fault(
        "slow=512",
        Effect::Harmless,
        AMPLE,
        "Answers drip, 512 bytes every tenth of a second.",
        "Nothing, as long as they come in time.",
    ),
    fault(
        "hang",
        Effect::Fails(ErrorKind::TimedOut),
        SHORT,
        "Requests are taken and never answered.",
        "An error at the deadline, never later.",
    ),
    fault(
        "stall",
        Effect::Fails(ErrorKind::TimedOut),
        SHORT,
        "Answers stop half-way, and the connection stays open.",
        "An error at the deadline, never later.",
    ),
    fault(
        "drop-token",
        Effect::TokensWithheld,
        AMPLE,
        "The token's reply never arrives: a hop limit of 1, seen from a container.",
        "Where the cloud answers without a token, the values (and a warning); else an error that suspects the hop limit.",
    ),
    fault(
        "expired-token:1",
        Effect::Harmless,
        AMPLE,
        "Every token expires once while it is in use.",
        "Nothing: another token is got.",
    ),
    fault(
        "expired-token",
        Effect::TokensRefused,
        AMPLE,
        "Tokens expire as soon as they are used.",
        "An error after the third token; nothing where there are no tokens.",
    ),
    fault("reset:1", Effect::Harmless, AMPLE, "The first request's connection is reset.", ONCE_MORE),
    fault(
        "reset",
        Effect::Fails(ErrorKind::Unreachable),
        AMPLE,
        "Every connection is reset once a request came.",
        "An error after four tries.",
    ),
    fault(
        "close:1",
        Effect::Harmless,
        AMPLE,
        "The first request's connection is closed without an answer.",
        ONCE_MORE,
    ),
    fault(
        "close",
        Effect::Fails(ErrorKind::Unreachable),
        AMPLE,
        "Every connection is closed without an answer.",
        "An error after four tries.",
    ),
    fault("truncate:1", Effect::Harmless, AMPLE, "The first answer is cut off in the middle.", ONCE_MORE),
    fault(
        "truncate",
        Effect::Fails(ErrorKind::Unreachable),
        AMPLE,
        "Every answer is cut off in the middle.",
        "An error after four tries; half an answer is never used.",
    ),
    fault(
        "connection-close",
        Effect::Harmless,
        AMPLE,
        "Connections are closed after each answer.",
        "Nothing.",
    ),
    fault(
        "401",
        Effect::Fails(ErrorKind::Unauthorized),
        AMPLE,
        "Every request is answered 401.",
        "An error, without another try where there are no tokens.",
    ),
    fault(
        "403",
        Effect::Fails(ErrorKind::Disabled),
        AMPLE,
        "Every request is answered 403: the service is switched off.",
        "An error that says how it is switched on.",
    ),
    fault(
        "404",
        Effect::Nothing,
        AMPLE,
        "Every request is answered 404.",
        "The value is absent, which isn't an error of the service; what runs keeps what it knew.",
    ),
    fault("408:1", Effect::Harmless, AMPLE, "The first request is answered 408.", ONCE_MORE),
    fault(
        "410",
        Effect::Fails(ErrorKind::Gone),
        MIDDLING,
        "Every request is answered 410: Azure's host is being updated.",
        "An error; on Azure only at the deadline.",
    ),
    fault(
        "418",
        Effect::Fails(ErrorKind::Malformed),
        AMPLE,
        "Every request is answered with a status that no service has.",
        "An error at once.",
    ),
    fault("429:1", Effect::Harmless, AMPLE, "The first request is answered 429.", ONCE_MORE),
    fault(
        "429=1:1",
        Effect::Harmless,
        AMPLE,
        "The first request is answered 429, and to come back in a second.",
        "Nothing: the service is left alone for that second.",
    ),
    fault(
        "429",
        Effect::Fails(ErrorKind::Throttled),
        AMPLE,
        "Every request is answered 429.",
        "An error after four tries.",
    ),
    fault(
        "429=3600",
        Effect::Fails(ErrorKind::Throttled),
        AMPLE,
        "Every request is answered 429, and to come back in an hour.",
        "An error at once: that is beyond the deadline.",
    ),
    fault(
        "500:2",
        Effect::Harmless,
        AMPLE,
        "The first two requests are answered 500.",
        "Nothing: the requests are made again.",
    ),
    fault("503:1", Effect::Harmless, AMPLE, "The first request is answered 503.", ONCE_MORE),
    fault(
        "503",
        Effect::Fails(ErrorKind::ServerError),
        AMPLE,
        "Every request is answered 503.",
        "An error after four tries.",
    ),
    fault(
        "redirect",
        Effect::Fails(ErrorKind::Malformed),
        AMPLE,
        "Every request is answered with a redirect.",
        "An error; nothing is followed.",
    ),
    fault(
        "huge=1500000",
        Effect::Fails(ErrorKind::TooLarge),
        AMPLE,
        "Every answer is larger than 1 MiB.",
        "An error as soon as it is larger than any real one.",
    ),
    fault(
        "bad-json",
        Effect::Nonsense,
        AMPLE,
        "Every answer is JSON that ends in the middle.",
        "An error at once.",
    ),
    fault(
        "deep-json=1000",
        Effect::Nonsense,
        AMPLE,
        "Every answer is a thousand nested arrays.",
        "An error at once.",
    ),
    fault("binary", Effect::Nonsense, AMPLE, "Every answer is bytes that are no text.", "An error at once."),
    fault("empty", Effect::Emptied, AMPLE, "Every answer is 200 and empty.", "An error."),
    fault(
        "portal",
        Effect::Nonsense,
        AMPLE,
        "A captive portal answers everything with its page.",
        "An error at once; it is no cloud.",
    ),
    fault(
        "content-type",
        Effect::Mistyped,
        AMPLE,
        "Every answer says that it is HTML.",
        "Nothing where JSON is read; a text that says that it is a web page is refused.",
    ),
    fault(
        "header=Server=other",
        Effect::Harmless,
        AMPLE,
        "Every answer has a second `Server` header of somebody else's.",
        "Nothing.",
    ),
    fault("duplicate-headers", Effect::Harmless, AMPLE, "Every header comes twice.", "Nothing."),
    fault(
        "no-header",
        Effect::Headless,
        AMPLE,
        "Answers have no headers but those of HTTP itself.",
        "Nothing, but where the service is known by a header or a token's life is told in one.",
    ),
    fault(
        "foreign=scaleway",
        Effect::Foreign("scaleway"),
        AMPLE,
        "An instance of Scaleway's answers.",
        "Its name, where the cloud has to be found; nothing where another cloud was told. What runs keeps what it knew.",
    ),
    fault(
        "foreign=azure",
        Effect::Foreign("azure"),
        AMPLE,
        "A machine of Azure's answers.",
        "Its name, where the cloud has to be found; nothing where another cloud was told. What runs keeps what it knew.",
    ),
];
