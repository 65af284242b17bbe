//! Hosts on which systemd-imdsd keeps the service to itself.

use std::path::Path;

use crate::imdsd::{AMAZON, GOOGLE, Imdsd, MICROSOFT, Mood, Vendor, nobody};
use crate::script::{Ran, in_namespace};

/// Runs commands on a host whose service is locked, where systemd's sockets are in this directory.
fn locked(sockets: &Path, firmware: &str, commands: &str) -> Option<Ran> {
    in_namespace(&format!(
        r#"ip route add prohibit 169.254.169.254/32
        ip -6 route add prohibit fd00:ec2::254/128
        mkdir /run/systemd; mount --bind {} /run/systemd
        firmware {firmware}
        {commands}"#,
        sockets.display()
    ))
}

const AMAZON_FIRMWARE: &str = "sys_vendor 'Amazon EC2'";
const MICROSOFT_FIRMWARE: &str = "chassis_asset_tag 7783-7084-3265-9085-8269-3286-77";
const GOOGLE_FIRMWARE: &str = "product_name 'Google Compute Engine'";

fn read_through(spec: &str, vendor: Vendor, firmware: &str, secret: &str, expected: &str) {
    let imdsd = Imdsd::start(spec, vendor, Mood::Willing);
    let Some(ran) = locked(
        imdsd.directory(),
        firmware,
        &format!(
            r#""$IMDS" detect --verify
        "$IMDS" get instance_id
        "$IMDS" show --sources | grep -c ' systemd-imdsd:/' >/run/count || true
        test "$(cat /run/count)" -gt 5 && echo "through systemd-imdsd"
        "$IMDS" show --sources | grep -c ' imds:/' || true
        "$IMDS" raw {secret} 2>&1 | grep -o 'gives a secret'"#
        ),
    ) else {
        return;
    };
    assert_eq!(ran.stdout(), expected, "{}", ran.stderr());
    assert!(imdsd.calls() > 3);
}

#[test]
fn amazons_metadata_is_read_through_systemd() {
    let expected = "aws\ni-0fedcba9876543210\nthrough systemd-imdsd\n0\ngives a secret\n";
    read_through("aws", AMAZON, AMAZON_FIRMWARE, "/latest/user-data", expected);
}

#[test]
fn microsofts_documents_are_read_through_systemd_as_json() {
    let expected = "azure\n8f14e45f-ceea-4c67-9a3b-5d6e7f8a9b0c\nthrough systemd-imdsd\n0\ngives a secret\n";
    read_through("azure", MICROSOFT, MICROSOFT_FIRMWARE, "/metadata/instance/compute/userData", expected);
}

#[test]
fn googles_metadata_is_read_through_systemd() {
    let expected = "gcp\n9123456789012345678\nthrough systemd-imdsd\n0\ngives a secret\n";
    read_through("gcp", GOOGLE, GOOGLE_FIRMWARE, "/computeMetadata/v1/instance/attributes/", expected);
}

#[test]
fn without_systemd_the_lock_is_named_with_its_route_and_the_socket() {
    let (_directory, path) = nobody();
    let Some(ran) = locked(&path, MICROSOFT_FIRMWARE, r#""$IMDS" get region || echo "$?""#) else { return };
    ran.said("5\n");
    let why = ran.stderr();
    for said in ["prohibit route", "/run/systemd/io.systemd.InstanceMetadata", "--fwmark 0x7fff0815"] {
        assert!(why.contains(said), "{said}: {why}");
    }
}

#[test]
fn a_user_whom_polkit_refuses_is_told_so() {
    for error in ["org.varlink.service.PermissionDenied", "io.systemd.InteractiveAuthenticationRequired"] {
        let imdsd = Imdsd::start("azure", MICROSOFT, Mood::Refusing(error));
        let Some(ran) = locked(imdsd.directory(), MICROSOFT_FIRMWARE, r#""$IMDS" get region || echo "$?""#)
        else {
            return;
        };
        ran.said("5\n");
        assert!(ran.stderr().contains("polkit action io.systemd.imds.get"), "{}", ran.stderr());
    }
}

#[test]
fn systemds_own_troubles_are_told_by_their_kind() {
    for (error, code, said) in [
        ("io.systemd.InstanceMetadata.CommunicationFailure", 6, "can't reach the service"),
        ("io.systemd.InstanceMetadata.Timeout", 6, "didn't answer it in time"),
        ("io.systemd.InstanceMetadata.NotAvailable", 5, "403"),
        ("io.systemd.System", 6, "io.systemd.System"),
    ] {
        let imdsd = Imdsd::start("azure", MICROSOFT, Mood::Refusing(error));
        let Some(ran) = locked(imdsd.directory(), MICROSOFT_FIRMWARE, r#""$IMDS" get region || echo "$?""#)
        else {
            return;
        };
        ran.said(&format!("{code}\n"));
        assert!(ran.stderr().contains(said), "{error}: {}", ran.stderr());
    }
}

#[test]
fn a_silent_systemd_costs_no_more_than_the_deadline() {
    let imdsd = Imdsd::start("azure", MICROSOFT, Mood::Silent);
    let commands = r#""$IMDS" get region --timeout 300ms || echo "$?""#;
    let Some(ran) = locked(imdsd.directory(), MICROSOFT_FIRMWARE, commands) else { return };
    ran.said("6\n");
    assert!(ran.stderr().contains("within the deadline"), "{}", ran.stderr());
    assert!(ran.took.as_secs() < 3, "{:?}", ran.took);
}

#[test]
fn a_lock_without_the_route_is_not_blamed_on_systemd() {
    // A rule of the policy says EACCES as well, and stands in for a sandbox: no route forbids the address.
    let imdsd = Imdsd::start("azure", MICROSOFT, Mood::Willing);
    let Some(ran) = in_namespace(&format!(
        r#"ip rule add to 169.254.169.254 prohibit
        mkdir /run/systemd; mount --bind {} /run/systemd
        firmware {MICROSOFT_FIRMWARE}
        "$IMDS" get region || echo "$?""#,
        imdsd.directory().display()
    )) else {
        return;
    };
    ran.said("5\n");
    assert!(ran.stderr().contains("no route forbids it"), "{}", ran.stderr());
    assert_eq!(imdsd.calls(), 0);
}
