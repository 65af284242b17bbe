//! OpenTelemetry resource attributes.
