//! The clouds that are struck, and what their vendors' pages say that bears on it.

/// How a cloud's service takes session tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// It has none.
    None,
    /// It takes them, and answers without them, too.
    Optional,
    /// It answers nothing without one.
    Required,
}

/// Which headers of its answers a service is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headers {
    Nothing,
    /// One of a token's reply: its life.
    OfTokens,
    /// One of every answer.
    OfAnswers,
}

/// How many of its documents are plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    None,
    /// The instance's id isn't among them.
    Some,
    All,
}

/// A machine that is struck.
#[derive(Debug)]
pub(crate) struct Struck {
    /// The fake's scenario.
    pub(crate) scenario: &'static str,
    /// The name that detection has to find.
    pub(crate) name: &'static str,
    pub(crate) token: Token,
    pub(crate) headers: Headers,
    pub(crate) texts: Texts,
    /// Its refusals, too, say in a header whose they are.
    pub(crate) marks_refusals: bool,
}

const fn plain(name: &'static str, token: Token, texts: Texts) -> Struck {
    Struck { scenario: name, name, token, headers: Headers::Nothing, texts, marks_refusals: false }
}

/// The plain machine of every cloud.
pub(crate) const CLOUDS: &[Struck] = &[
    Struck { headers: Headers::OfTokens, marks_refusals: true, ..plain("aws", Token::Optional, Texts::Some) },
    plain("azure", Token::None, Texts::None),
    Struck { headers: Headers::OfAnswers, ..plain("gcp", Token::None, Texts::All) },
    plain("oracle", Token::None, Texts::None),
    plain("alibaba", Token::Optional, Texts::All),
    plain("tencent", Token::None, Texts::All),
    plain("digitalocean", Token::None, Texts::None),
    plain("hetzner", Token::None, Texts::All),
    plain("vultr", Token::None, Texts::None),
    plain("akamai", Token::Required, Texts::None),
    plain("scaleway", Token::None, Texts::None),
    plain("openstack", Token::None, Texts::Some),
    plain("ibm", Token::Required, Texts::None),
    plain("upcloud", Token::None, Texts::None),
    plain("exoscale", Token::None, Texts::All),
    plain("cloudstack", Token::None, Texts::All),
    // Tokens are being introduced; the plain machine is one from before.
    plain("huawei", Token::None, Texts::Some),
    plain("yandex", Token::None, Texts::All),
    plain("ovh", Token::None, Texts::Some),
    plain("outscale", Token::None, Texts::All),
];
