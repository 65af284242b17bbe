//! What answers say of the service beside what was asked: its clock, and who else is in the path. For the doctor.

use std::sync::PoisonError;
use std::time::SystemTime;

use imds_model::Error;

use super::Service;
use super::token::Pass;
use crate::transport::{Answer, Deadline, Exchange, Failure};

/// The header that Azure's Guest Proxy Agent puts on everything it forwards (Azure/GuestProxyAgent, proxy server).
const GUEST_PROXY_AGENT: &str = "x-ms-azure-host-authorization";

/// What was seen in the answers so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Impression {
    /// The service's `Date` header, and this machine's time when it came.
    pub(crate) clock: Option<(String, SystemTime)>,
    /// Whether an answer bore the mark of Azure's Guest Proxy Agent.
    pub(crate) guarded: bool,
}

/// How a token was had.
#[derive(Clone, Debug)]
pub(crate) enum TokenFate {
    /// It was given.
    Given,
    /// It can't be had, for this reason; requests go without.
    GoneWithout(Error),
}

impl Service {
    /// The connections to the service.
    pub(crate) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Gets the token, where the service wants one.
    ///
    /// # Errors
    /// Where none can be had and no request may be made without, or the service can't be asked.
    pub(crate) async fn try_token(&self, deadline: Deadline) -> Result<Option<TokenFate>, Error> {
        Ok(match self.pass(deadline).await? {
            Pass::None => None,
            Pass::Token { .. } => Some(TokenFate::Given),
            Pass::Without { why } => Some(TokenFate::GoneWithout(why)),
        })
    }

    /// Whether it is spoken to without a token by its own rules, and not for want of one.
    pub(crate) fn wants_no_token(&self) -> bool {
        self.protocol.token.as_ref().is_none_or(|token| token.optional)
    }

    /// What was seen in the answers so far.
    pub(crate) fn impression(&self) -> Impression {
        self.impression.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn take_in(&self, outcome: &Result<Answer, Failure>) {
        let Ok(answer) = outcome else { return };
        let mut impression = self.impression.lock().unwrap_or_else(PoisonError::into_inner);
        impression.guarded |= answer.header(GUEST_PROXY_AGENT).is_some();
        if let Some(date) = answer.header("date") {
            impression.clock = Some((date.to_owned(), SystemTime::now()));
        }
    }
}
