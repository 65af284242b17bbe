//! Networks that come up after the program has started.

use crate::script::in_namespace;

/// A service behind a link that is down and without an address, and the word `up` that changes that.
const DOWN: &str = r#"host service
    cable here near service far
    ip link set near down
    on service ip address add 169.254.169.254/16 dev far
    serve service aws 169.254.169.254:80
    up() { ip address add 169.254.1.1/16 dev near; ip link set near up; }
"#;

#[test]
fn wait_sees_the_network_come_up() {
    let script = format!(
        r#"{DOWN}
        mkfifo /run/log
        "$IMDS" wait -v --timeout 20s instance_id 2>/run/log & waiting=$!
        # It has tried and failed once it says so.
        grep -q -m 1 -e "trying again" /run/log
        cat /run/log >/dev/null &
        up
        wait $waiting
        "$IMDS" get instance_id"#
    );
    let Some(ran) = in_namespace(&script) else { return };
    ran.said("i-0fedcba9876543210\n");
}

#[test]
fn a_running_agent_recovers_by_itself() {
    let script = format!(
        r#"{DOWN}
        firmware sys_vendor "Amazon EC2"
        mkdir /run/imds
        printf '[agent]\nstate = ""\nsocket = "/run/imds/imds.sock"\n[metadata]\ntimeout = "300ms"\n[refresh]\nfirst_retry = "100ms"\nslow = "1s"\n' >/run/agent.toml
        "$IMDS" agent --config /run/agent.toml 2>/run/agent.log &
        eventually test -S /run/imds/imds.sock
        ask() {{ "$IMDS" get --agent /run/imds/imds.sock "$@" 2>/dev/null; }}
        ask region >/dev/null || echo "before: $?"
        up
        eventually ask region"#
    );
    let Some(ran) = in_namespace(&script) else { return };
    ran.said("before: 6\neu-west-1\n");
}

#[test]
fn a_running_agent_keeps_what_it_knows_while_the_network_is_away() {
    let script = format!(
        r#"{DOWN}
        up
        firmware sys_vendor "Amazon EC2"
        mkdir /run/imds
        printf '[agent]\nstate = ""\nsocket = "/run/imds/imds.sock"\n' >/run/agent.toml
        "$IMDS" agent --config /run/agent.toml 2>/run/agent.log &
        eventually test -S /run/imds/imds.sock
        ask() {{ "$IMDS" get --agent /run/imds/imds.sock "$@" 2>/dev/null; }}
        eventually ask instance_id
        ip link set near down
        ask instance_id"#
    );
    let Some(ran) = in_namespace(&script) else { return };
    ran.said("i-0fedcba9876543210\ni-0fedcba9876543210\n");
}
