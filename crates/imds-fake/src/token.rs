//! Session tokens: asked for with a PUT, alive for as long as was asked, carried in a header of every request from then
//! on. AWS began it; others differ in names, bounds and in where the lifetime stands.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use crate::SECRET_MARKER;
use crate::exchange::Asked;

/// One cloud's token service.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Where tokens are asked for.
    pub(crate) path: &'static str,
    pub(crate) lifetime: Lifetime,
    /// How long a token may live, in seconds.
    pub(crate) seconds: RangeInclusive<u64>,
    /// The header (in lower case) that carries a token.
    pub(crate) header: &'static str,
    /// What stands before the token in that header: `"Bearer "`, or nothing.
    pub(crate) scheme: &'static str,
}

/// Where a request for a token says how long it shall live.
#[derive(Debug)]
pub(crate) enum Lifetime {
    /// In this header, which has to be there.
    Header(&'static str),
    /// In this field of a JSON body; without the field it is that many seconds.
    Body { field: &'static str, default: u64 },
}

/// A token just issued.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) seconds: u64,
}

/// The token of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    Nothing,
    /// It lives that much longer.
    Alive(Duration),
    /// Never issued here, expired or revoked.
    Dead,
}

/// The tokens that one service issued.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    rules: &'static Rules,
    ends: BTreeMap<String, Instant>,
    issued: u64,
}

impl Tokens {
    pub(crate) fn new(rules: &'static Rules) -> Self {
        Self { rules, ends: BTreeMap::new(), issued: 0 }
    }

    /// Whether the request is for the path of tokens, by whatever method.
    pub(crate) fn are_meant(&self, asked: &Asked) -> bool {
        asked.path.strip_suffix('/').unwrap_or(&asked.path) == self.rules.path
    }

    /// A new token; `None` (usually answered with 400) when the lifetime is missing, no number, or out of bounds.
    pub(crate) fn issue(&mut self, asked: &Asked) -> Option<Issued> {
        let seconds = match self.rules.lifetime {
            Lifetime::Header(name) => asked.header(name)?.trim().parse().ok()?,
            Lifetime::Body { field, default } => {
                let body: serde_json::Value = serde_json::from_slice(&asked.body).ok()?;
                body.as_object()?.get(field).map_or(Some(default), serde_json::Value::as_u64)?
            }
        };
        if !self.rules.seconds.contains(&seconds) {
            return None;
        }
        self.issued += 1;
        let token = format!("{SECRET_MARKER}-session-token-{:0>28}==", self.issued);
        self.ends.insert(token.clone(), Instant::now() + Duration::from_secs(seconds));
        Some(Issued { token, seconds })
    }

    pub(crate) fn presented(&self, asked: &Asked) -> Presented {
        let Some(token) = asked.header(self.rules.header) else { return Presented::Nothing };
        let end = token.trim().strip_prefix(self.rules.scheme).and_then(|token| self.ends.get(token));
        let left = end.and_then(|end| end.checked_duration_since(Instant::now()));
        left.filter(|left| !left.is_zero()).map_or(Presented::Dead, Presented::Alive)
    }

    pub(crate) fn revoke(&mut self) {
        self.ends.clear();
    }
}

/// Whether this asks some cloud for a session token.
pub(crate) fn is_request(method: &str, path: &str) -> bool {
    method == "PUT" && ["/api/token", "/v1/token"].iter().any(|known| path.ends_with(known))
}

/// Whether this header (its name in lower case) carries some cloud's session token.
pub(crate) fn is_carrier(name: &str, value: &str) -> bool {
    match name {
        // Oracle's literal is no token.
        "authorization" => value.starts_with("Bearer ") && value != "Bearer Oracle",
        "metadata-token" => value != "cloudinit",
        _ => ["x-aws-ec2-metadata-token", "x-aliyun-ecs-metadata-token", "x-metadata-token"].contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Rules = Rules {
        path: "/v9/token",
        lifetime: Lifetime::Header("ttl"),
        seconds: 5..=60,
        header: "token",
        scheme: "",
    };
    const BODY: Rules = Rules {
        lifetime: Lifetime::Body { field: "expires_in", default: 30 },
        header: "authorization",
        scheme: "Bearer ",
        ..HEADER
    };

    fn asked(name: &str, value: &str, body: &str) -> Asked {
        let headers = vec![(name.to_owned(), value.to_owned())];
        Asked {
            method: "PUT".into(),
            path: "/v9/token".into(),
            headers,
            body: body.into(),
            ..Asked::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_live_as_long_as_they_were_asked_to() {
        let mut tokens = Tokens::new(&HEADER);
        assert!(tokens.are_meant(&asked("ttl", "60", "")));
        let issued = tokens.issue(&asked("ttl", "60", "")).unwrap();
        assert_eq!(issued.seconds, 60);
        let carried = asked("token", &issued.token, "");
        assert_eq!(tokens.presented(&carried), Presented::Alive(Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(tokens.presented(&carried), Presented::Alive(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(tokens.presented(&carried), Presented::Dead);
        assert_eq!(tokens.presented(&asked("other", "x", "")), Presented::Nothing);
    }

    #[tokio::test]
    async fn a_lifetime_out_of_bounds_is_refused() {
        for lifetime in ["4", "61", "-1", "x", ""] {
            assert!(Tokens::new(&HEADER).issue(&asked("ttl", lifetime, "")).is_none(), "{lifetime}");
        }
        assert!(Tokens::new(&HEADER).issue(&asked("other", "9", "")).is_none());
        for body in ["", "[]", "{\"expires_in\": 61}", "{\"expires_in\": \"9\"}"] {
            assert!(Tokens::new(&BODY).issue(&asked("x", "y", body)).is_none(), "{body}");
        }
    }

    #[tokio::test]
    async fn the_lifetime_may_stand_in_the_body_and_the_token_behind_a_scheme() {
        let mut tokens = Tokens::new(&BODY);
        assert_eq!(tokens.issue(&asked("x", "y", "{\"expires_in\": 9}")).unwrap().seconds, 9);
        let issued = tokens.issue(&asked("x", "y", "{}")).unwrap();
        assert_eq!(issued.seconds, 30);
        let carried = asked("authorization", &format!("Bearer {}", issued.token), "");
        assert!(matches!(tokens.presented(&carried), Presented::Alive(_)));
        assert_eq!(tokens.presented(&asked("authorization", &issued.token, "")), Presented::Dead);
        tokens.revoke();
        assert_eq!(tokens.presented(&carried), Presented::Dead);
    }
}
