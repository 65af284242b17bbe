//! What descriptions are made of, once for all who read or write them: `reading` (TOML), `packed` and the build script.

/// Hands each structure with all of its fields, and each choice with the words for it, to the macros of these names.
/// `or` precedes what a field is where nothing is said (`None` where something has to be), if its type alone doesn't tell.
macro_rules! shapes {
    ($structure:ident, $choice:ident) => {
        $structure!(Description {
            name, title, docs, overrides, based_on, node, quirks, unconfirmed, sources, ignition,
            cloud_init, otel, firmware, environment, cluster_platform, service, documents, fields,
            interfaces, disks, events, offline, probe, secrets,
        });
        $structure!(FirmwareRow {
            title, when or None, strength, source or Some(Later::known(Text::default())),
            fixture or Some(Later::known(Text::default())), note,
        });
        $structure!(EnvironmentRow {
            variable, value, with, platform, strength, source or Some(Later::known(Text::default())),
        });
        $structure!(Node {
            of, alone, adds, elsewhere, met,
        });
        $structure!(Otel {
            provider, platform,
        });
        $structure!(Event {
            kind, path, every, waits, notice,
        });
        $structure!(Service {
            ipv4, ipv6, host, dhcp_server, tls_host, port or Some(80), privileged, faces, concealed_by,
            headers, reply_headers, server, token, version, url_variables, host_variables,
            mode_variable, tries_variable, time_variable, disabled_variable, gone_is_temporary,
            when_disabled, when_unreachable,
        });
        $structure!(Token {
            path, ttl_header, body, ttl, echoes_ttl, at, life_at, header,
            scheme or Some(Text::default()), name, without, optional, when_unanswered, forbid_variable,
        });
        $structure!(Version {
            parameter, preferred or None, offered,
        });
        $structure!(Document {
            path, format, leaves, listed, covered, omit, since, late, when_absent,
        });
        $structure!(Rule {
            from, otherwise, transform, values, derive, function, primary,
        });
        $structure!(InterfaceRule {
            each, at, when, order, primary, mac, private_ipv4s, public_ipv4s, ipv6s, network_id,
            subnet_id, security_groups,
        });
        $structure!(DiskRule {
            each, when, id, name, device, size, size_unit or Some(1), boot, boot_at,
        });
        $structure!(OfflineRule {
            file, like,
        });
        $structure!(Probe {
            document, require or None, otherwise, imitated, needs_evidence,
        });
        $structure!(Proof {
            document, require or None,
        });
        $structure!(Secrets {
            paths, members,
        });
        $structure!(NotClouds {
            firmware or None,
        });
        $choice!(Weight {
            Weak = "weak", Strong = "strong", Certain = "certain",
        });
        $choice!(EventKind {
            Interruption = "interruption", Rebalance = "rebalance", Maintenance = "maintenance",
            Scaling = "scaling",
        });
        $choice!(Format {
            Plain = "plain", Json = "json", Tree = "tree", Records = "records",
        });
        $choice!(Transform {
            LastSegment = "last-segment", ZoneToRegion = "zone-to-region",
            LocationToRegion = "location-to-region", LocationToZone = "location-to-zone",
            FirstWord = "first-word", GroupManager = "group-manager",
            ZoneWithoutLetter = "zone-without-letter", CrnAccount = "crn-account",
            ArnAccount = "arn-account", ArnRegion = "arn-region",
            PrivateAddress = "private-address", PublicAddress = "public-address",
        });
    };
}
