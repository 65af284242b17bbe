//! Other programs' own placeholders, resolved by their own rules.
//!
//! | module | whose |
//! |---|---|
//! | [`cloudwatch`] | amazon-cloudwatch-agent's JSON configuration |

pub mod cloudwatch;
