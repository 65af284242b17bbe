//! What the agent shall do.
