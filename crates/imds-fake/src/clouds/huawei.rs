//! Huawei Cloud and Open Telekom Cloud: nova's service with more in it, and session tokens where they have been rolled
//! out (ECS, "Obtaining metadata").

use hyper::body::Bytes;

use super::nova::{self, Nova};
use super::{Service, quirks};
use crate::Error;
use crate::exchange::{Answer, Asked, Outcome};
use crate::token::{self, Lifetime, Presented, Tokens};

const TOKENS: token::Rules = token::Rules {
    path: "/meta-data/latest/api/token",
    lifetime: Lifetime::Header("x-metadata-token-ttl-seconds"),
    seconds: 1..=21_600,
    header: "x-metadata-token",
    scheme: "",
};

/// Metadata options of ECS.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Quirks {
    http_tokens: Option<HttpTokens>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum HttpTokens {
    /// No tokens here yet: their path answers 404.
    #[default]
    NotFound,
    /// No tokens here yet: their path answers 405.
    NotAllowed,
    Optional,
    Required,
}

#[derive(Clone, Debug)]
pub(super) struct Huawei {
    nova: Nova,
    http_tokens: HttpTokens,
    tokens: Tokens,
}

impl Default for Huawei {
    fn default() -> Self {
        Self { nova: Nova::default(), http_tokens: HttpTokens::default(), tokens: Tokens::new(&TOKENS) }
    }
}

impl Service for Huawei {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        self.nova.load(name, text)
    }

    fn configure(&mut self, table: toml::Table) -> Result<(), String> {
        let quirks: Quirks = quirks(table)?;
        self.http_tokens = quirks.http_tokens.unwrap_or(self.http_tokens);
        Ok(())
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        if self.tokens.are_meant(asked) {
            return self.token(asked).into();
        }
        let supported = matches!(self.http_tokens, HttpTokens::Optional | HttpTokens::Required);
        match self.tokens.presented(asked) {
            Presented::Dead if supported => return error(401).into(),
            Presented::Nothing if self.http_tokens == HttpTokens::Required => return error(401).into(),
            _ => {}
        }
        if asked.path.trim_end_matches('/').ends_with("/securitykey")
            && !self.nova.has_file(nova::SECURITY_KEY)
        {
            return Answer::new(
                401,
                "text/plain; charset=UTF-8",
                "Please configure Cloud Service Agency first",
            )
            .into();
        }
        self.nova.answer(asked).into()
    }

    fn error(&self, status: u16) -> Answer {
        error(status)
    }

    fn imitation(&self, body: Bytes) -> Answer {
        Answer::new(200, "application/json", body)
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        self.nova.set(path, value)
    }

    fn remove(&mut self, path: &str) -> bool {
        self.nova.remove(path)
    }

    fn revoke_tokens(&mut self) {
        self.tokens.revoke();
    }

    fn firmware_facts(&self) -> Vec<(&'static str, String)> {
        self.nova.firmware_facts()
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

impl Huawei {
    fn token(&mut self, asked: &Asked) -> Answer {
        match self.http_tokens {
            HttpTokens::NotFound => error(404),
            HttpTokens::NotAllowed => error(405),
            _ if asked.method != "PUT" => error(405).with("allow", "PUT"),
            _ => match self.tokens.issue(asked) {
                Some(issued) => nova::text(issued.token),
                None => error(400),
            },
        }
    }
}

fn error(status: u16) -> Answer {
    nova::error(status)
}
