//! Whose metadata server it is: the machine's own, or one of those that stand in front of it or imitate it. They share
//! the tree and differ in what is around it.

use crate::exchange::{Answer, Asked, phrase};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Face {
    /// Compute Engine's.
    #[default]
    Vm,
    /// The server on every node of GKE, which answers the pods ("Workload identity federation"). Its refusals are as
    /// captured in googleapis/google-cloud-ruby#3750.
    Gke,
    /// That of Cloud Run and Cloud Run functions ("Container runtime contract").
    Serverless,
    /// Another vendor's, in Google's format.
    #[serde(skip)]
    Imitation,
}

impl Face {
    /// What stands in front of the machine's own server wants the header everywhere, and no older form of it.
    pub(super) fn refuses(self, asked: &Asked) -> bool {
        matches!(self, Face::Gke | Face::Serverless) && asked.header("metadata-flavor") != Some("Google")
    }

    /// The listing of `/`.
    pub(super) fn roots(self) -> &'static str {
        if self == Face::Vm { "0.1/\ncomputeMetadata/\n" } else { "computeMetadata/\n" }
    }

    /// Whether directories want a slash at the end, and values none.
    pub(super) fn minds_slashes(self) -> bool {
        self != Face::Imitation
    }

    /// An answer of Compute Engine's server as this one would give it.
    pub(super) fn dress(self, mut answer: Answer) -> Answer {
        let server = match self {
            Face::Vm => return answer,
            Face::Gke => Some("GKE Metadata Server"),
            Face::Serverless => Some("Metadata Server for Serverless"),
            Face::Imitation => None,
        };
        let refused = answer.status >= 400;
        if refused && self == Face::Gke {
            return gke_refusal(answer.status);
        }
        if refused && self == Face::Imitation {
            return Answer::text(answer.status, format!("{}\n", phrase(answer.status)))
                .with("metadata-flavor", "Google");
        }
        let anonymous = answer.status == 403 && self == Face::Serverless;
        answer.headers.retain(|(name, _)| match &**name {
            "server" | "x-xss-protection" | "x-frame-options" => false,
            "metadata-flavor" => !anonymous,
            _ => true,
        });
        match server {
            Some(server) => answer.with("server", server),
            None => answer,
        }
    }
}

fn gke_refusal(status: u16) -> Answer {
    let reason = match status {
        403 => "Missing required header \"Metadata-Flavor\": \"Google\"",
        status => phrase(status),
    };
    Answer::text(status, format!("GKE Metadata Server encountered an error: {reason}\n"))
        .with("x-content-type-options", "nosniff")
}
