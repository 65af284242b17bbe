use std::path::Path;

use super::settings::{SECTIONS, Setting, Shape};
use super::*;

fn parse(text: &str) -> Result<Config, Invalid> {
    Config::parse(text, "/etc/imds/agent.toml", &Owner::root())
}

/// `LINE:COLUMN: MESSAGE` of everything that is wrong.
fn problems(text: &str) -> Vec<String> {
    let invalid = parse(text).expect_err(text);
    invalid.to_string().lines().map(|line| line.replace("/etc/imds/agent.toml:", "")).collect()
}

#[test]
fn an_empty_file_and_the_printed_one_mean_the_defaults() {
    assert_eq!(parse("").unwrap(), Config::default());
    assert_eq!(parse(&default_text()).unwrap(), Config::default());
    let config = Config::default();
    assert_eq!(config.agent.socket, Path::new("/run/imds/imds.sock"));
    assert_eq!(config.agent.state.as_deref(), Some(Path::new("/var/lib/imds/state.json")));
    assert_eq!(config.refresh, RefreshPolicy::default());
    assert_eq!(config.access.private, [Principal::Everybody]);
    assert!(config.tcp.is_none() && config.metrics.is_none() && !config.events.enabled);
}

#[test]
fn every_default_in_the_table_is_the_real_one() {
    for section in SECTIONS.iter().filter(|section| !section.several) {
        let settings: Vec<&Setting> = section.settings.iter().filter(|it| it.default.is_some()).collect();
        let text: String =
            settings.iter().map(|it| format!("{} = {}\n", it.key, it.default.unwrap())).collect();
        let mut config = parse(&format!("[{}]\n{text}", section.name)).unwrap();
        // These two are the library's own defaults, and are left to it where the file says nothing.
        assert!(config.metadata.timeout.is_none_or(|time| time == imds::config::DEFAULT_TIMEOUT));
        assert!(config.metadata.probe_timeout.is_none_or(|time| time == imds::config::DEFAULT_PROBE_TIMEOUT));
        config.metadata.timeout = None;
        config.metadata.probe_timeout = None;
        assert_eq!(config, Config::default(), "{}", section.name);
    }
    let file = "[[files]]\ntemplate = 'a.json.tmpl'\ntarget = 'a.json'\n";
    let more = "format = \"auto\"\nmissing = \"error\"\ntimeout = \"90s\"\n";
    assert_eq!(parse(file).unwrap(), parse(&format!("{file}{more}")).unwrap());
    let hook = "[events]\nenabled = true\n[[hooks]]\ncommand = ['x']\n";
    assert_eq!(
        parse(hook).unwrap(),
        parse(&format!("{hook}timeout = \"10s\"\nretry_for = \"2m\"\n")).unwrap()
    );
}

#[test]
fn every_example_can_be_meant() {
    for section in SECTIONS {
        for setting in section.settings {
            let line = format!("{} = {}\n", setting.key, setting.example);
            // What the others of its table need beside them.
            let beside: String = match (section.name, setting.key) {
                ("files", "template") => "target = 'x.json'\n".into(),
                ("files", "target") => "template = 'x'\n".into(),
                ("files", _) => "template = 'x'\ntarget = 'x.json'\n".into(),
                ("hooks", "headers" | "template" | "secret_file" | "ca_file") => {
                    "webhook = 'http://127.0.0.1:1'\n".into()
                }
                ("hooks", "command" | "webhook") => String::new(),
                ("hooks", _) => "command = ['x']\n".into(),
                ("events", "acknowledge") => "enabled = true\n".into(),
                _ => String::new(),
            };
            let before = if section.name == "hooks" { "[events]\nenabled = true\n" } else { "" };
            let (open, close) = if section.several { ("[[", "]]") } else { ("[", "]") };
            let text = format!("{before}{open}{}{close}\n{line}{beside}", section.name);
            assert!(parse(&text).is_ok(), "{text}{}", parse(&text).unwrap_err());
        }
    }
}

#[test]
fn a_value_of_another_shape_is_refused_where_it_stands() {
    for section in SECTIONS {
        for setting in section.settings {
            let is_text = |value: &str| value.starts_with('"');
            for value in ["\"\\u0000 no\"", "1.5", "1979-05-27", "[1]", "{ x = 1 }", "true"] {
                let fits = match setting.shape {
                    Shape::Flag => value == "true",
                    Shape::Text => is_text(value),
                    _ => false,
                };
                if fits {
                    continue;
                }
                let (open, close) = if section.several { ("[[", "]]") } else { ("[", "]") };
                let text = format!("{open}{}{close}\n  {} = {value}", section.name, setting.key);
                let invalid = parse(&text).expect_err(&text);
                assert!(invalid.problems().iter().any(|problem| problem.line == 2), "{text}: {invalid}");
                assert!(invalid.problems().iter().all(|problem| !problem.message.contains("is called")));
            }
        }
    }
}

#[test]
fn what_is_given_up_and_when_files_are_written_is_up_to_the_file() {
    use crate::sandbox::Calls;
    let text = "\
[sandbox]
enabled = false
system_calls = \"but-dangerous\"
[writing]
debounce = \"3s\"
splay = \"1m\"
[[files]]
template = \"a\"
target = \"b\"
timeout = \"7s\"
[events]
enabled = true
[[hooks]]
webhook = \"https://example.test/\"
ca_file = \"ca.pem\"
";
    let config = parse(text).unwrap();
    assert_eq!((config.sandbox.enabled, config.sandbox.calls), (false, Calls::ButDangerous));
    assert_eq!((config.writing.debounce.as_secs(), config.writing.splay.as_secs()), (3, 60));
    assert_eq!(config.files[0].timeout.as_secs(), 7);
    let HookAction::Webhook { ca_file, .. } = &config.hooks[0].action else { panic!("a webhook") };
    assert_eq!(ca_file.as_deref(), Some(Path::new("/etc/imds/ca.pem")));
    assert!(config.wants_executor() && config.writes_files());
    let less = parse("[sandbox]\nsystem_calls = \"off\"\n").unwrap();
    assert_eq!((less.sandbox.enabled, less.sandbox.calls, less.wants_executor()), (true, Calls::All, false));
    assert_eq!(problems("[sandbox]\nsystem_calls = \"some\"\n"), ["2:16: \"some\" isn't known here"]);
    let command = "[events]\nenabled = true\n[[hooks]]\ncommand = [\"x\"]\nca_file = \"y\"\n";
    assert_eq!(problems(command), ["5:11: ca_file belongs to a webhook"]);
}

#[test]
fn everything_is_told_at_once_with_its_place() {
    let text = "\
[agent]
soket = 1
grace = 10
socket_mode = \"888\"
[metadata]
cloud = \"awz\"
clouds = [\"aws\", \"azur\"]
endpoint = \"127.0.0.1\"
sysroot = \"/no/such\"
cloud_files = [\"/no/such.toml\"]
timeout = \"0s\"
[refresh]
slow = \"10s\"
first_retry = \"20s\"
[tcp]
listen = \"10.0.0.1:80\"
hosts = [\"a b\"]
[metrics]
listen = \"localhost\"
[access]
private = [\"rot\", 1]
[[files]]
template = \"\"
[env_file]
prefix = \"1A\"
[events]
acknowledge = true
kinds = [\"interuption\"]
[[hooks]]
headers = { \"a b\" = \"c\" }
[limits]
connections = 0
[agents]
";
    assert_eq!(
        problems(text),
        [
            "2:1: no setting is called \"soket\"",
            "3:9: grace is text, and this is a whole number",
            "4:15: \"888\" isn't permission bits",
            "8:12: \"127.0.0.1\" has no scheme",
            "9:11: /no/such is no directory",
            "10:16: /no/such.toml: the cloud's description can't be read: No such file or directory (os error 2)",
            "11:11: \"0s\" isn't between 1ms and a day",
            "14:15: first_retry is longer than slow",
            "16:10: 10.0.0.1:80 can be reached from elsewhere",
            "17:10: \"a b\" is no value of a Host header",
            "19:10: \"localhost\" is no address and port",
            "21:12: \"rot\" names nobody",
            "21:19: private is a list of texts, and this is a whole number",
            "22:1: [[files]] without target",
            "23:12: template is empty",
            "25:10: no variable's name starts with \"1A\"",
            "27:15: events that nobody asks for can't be acknowledged",
            "28:10: \"interuption\" isn't known here",
            "29:1: [[hooks]] does nothing",
            "30:13: \"a b\" is no name of a header",
            "32:15: connections is a number from 1 to 65536",
            "33:2: no table is called \"agents\"",
        ]
    );
    let clouds = "[metadata]\ncloud = \"awz\"\nclouds = [\"aws\", \"azur\"]\n";
    assert_eq!(problems(clouds), ["2:9: no cloud is called \"awz\"", "3:18: no cloud is called \"azur\""]);
}

#[test]
fn remedies_name_what_may_be_meant() {
    for (text, remedy) in [
        ("[agent]\nsoket = 'x'", "did you mean socket?"),
        ("[agents]", "did you mean agent?"),
        ("[metadata]\ncloud = 'awz'", "did you mean aws?"),
        ("[metadata]\ninterface = 'a/b'", "`ip link` lists the interfaces"),
        (
            "[metadata]\nsource_address = 'eth0'",
            "write one of this machine's own addresses, such as 10.0.0.4; `ip address` lists them",
        ),
        ("[metadata]\nfwmark = 'many'", "write a number up to 4294967295, or in hexadecimal: 0x7fff0815"),
        ("[metadata]\napi_version = 'a b'", "write a date, such as 2021-02-01"),
        ("[events]\nkinds = ['interuption']", "did you mean interruption?"),
        ("[files]\ntemplate = 'x'", "write [[files]]"),
        ("[agent]\ngrace = '5'", "write 5s, 500ms or 2m"),
        ("[agent]\nzzz = 1", "known here: socket, socket_mode, state, user, grace"),
    ] {
        let invalid = parse(text).unwrap_err();
        assert_eq!(invalid.problems()[0].remedy.as_deref(), Some(remedy), "{text}");
    }
}

#[test]
fn what_is_no_toml_is_told_whole() {
    let told = problems("[agent\nsocket = \n[tcp]\nlisten = \"x");
    assert!(told.len() > 1, "{told:?}");
    assert!(told[0].starts_with("1:"), "{told:?}");
    assert!(problems("[agent]\ngrace = '1s'\ngrace = '2s'")[0].starts_with("3:1: duplicate key"));
}

#[test]
fn what_is_right_alone_can_be_wrong_together() {
    for (text, wrong) in [
        (
            "[tcp]\nlisten='127.0.0.1:1'\n[metrics]\nlisten='127.0.0.1:1'",
            "3:2: [tcp] listens on 127.0.0.1:1 already",
        ),
        ("[[hooks]]\ncommand=['x']", "1:3: hooks wait for events, and nobody asks for them"),
        (
            "[events]\nenabled=true\n[[hooks]]\ncommand=['x']\nwebhook='http://h'",
            "5:9: a hook has a command or a webhook, not both",
        ),
        (
            "[events]\nenabled=true\n[[hooks]]\ncommand=['x']\nsecret_file='k'",
            "5:13: secret_file belongs to a webhook",
        ),
        (
            "[agent]\nstate='/x'\n[[files]]\ntemplate='t'\ntarget='/x'",
            "3:3: /x is written by [agent] already",
        ),
        ("[[files]]\ntemplate='/x'\ntarget='/x'", "3:8: the template would be overwritten"),
        (
            "[[files]]\ntemplate='/t'\ntarget='/x.conf'\nmissing='drop'",
            "3:8: missing = \"drop\" means nothing in text",
        ),
    ] {
        assert_eq!(problems(text), [wrong], "{text}");
    }
}

#[test]
fn paths_are_meant_from_where_the_file_is() {
    let text = "[agent]\nstate = 'state.json'\n[[files]]\ntemplate = 'a.tmpl'\ntarget = '/run/a'";
    let config = parse(text).unwrap();
    assert_eq!(config.agent.state.as_deref(), Some(Path::new("/etc/imds/state.json")));
    assert_eq!(config.files[0].template, Path::new("/etc/imds/a.tmpl"));
    assert_eq!(config.files[0].target, Path::new("/run/a"));
    assert_eq!(parse("[agent]\nstate = ''").unwrap().agent.state, None);
}

#[test]
fn a_users_own_agent_has_its_own_places() {
    let environment = |variables: &[(&str, &str)]| -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let owner = Owner::user(&environment(&[("XDG_RUNTIME_DIR", "/run/user/1"), ("HOME", "/home/a")]));
    let config = Config::parse("", "agent.toml", &owner).unwrap();
    assert_eq!(config.agent.socket, Path::new("/run/user/1/imds/imds.sock"));
    assert_eq!(config.agent.state.as_deref(), Some(Path::new("/home/a/.local/state/imds/state.json")));
    let nowhere = Owner::user(&environment(&[("XDG_RUNTIME_DIR", "relative")]));
    let invalid = Config::parse("", "agent.toml", &nowhere).unwrap_err();
    assert_eq!(invalid.to_string(), "agent.toml:1:1: there is no directory for the socket");
    assert!(Config::parse("[agent]\nsocket = '/tmp/s'", "agent.toml", &nowhere).is_ok());
}

#[test]
fn only_the_default_file_may_be_missing_and_none_may_be_endless() {
    let invalid = Config::read(Some(Path::new("/no/such/agent.toml")), &Owner::root()).unwrap_err();
    assert!(
        invalid.to_string().starts_with("/no/such/agent.toml: the configuration can't be read"),
        "{invalid}"
    );
    #[cfg(target_os = "linux")]
    {
        let invalid = Config::read(Some(Path::new("/dev/zero")), &Owner::root()).unwrap_err();
        assert!(invalid.to_string().contains("longer than 1 MiB"), "{invalid}");
    }
}

#[test]
fn variables_precede_the_file() {
    let config = parse("[metadata]\ncloud = 'aws'\nendpoint = 'http://127.0.0.1:1'\noffline = true").unwrap();
    let client = |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        config.client(&variables.collect()).unwrap()
    };
    assert_eq!(client(&[]).given_endpoint().as_deref(), Some("127.0.0.1:1"));
    assert_eq!(client(&[]).network(), Network::Off);
    let url = [("IMDS_URL", "http://127.0.0.1:2"), ("IMDS_NETWORK", "loopback")];
    assert_eq!(client(&url).given_endpoint().as_deref(), Some("127.0.0.1:2"));
    assert_eq!(client(&url).network(), Network::Loopback);
}

#[test]
fn no_header_is_printed_with_its_value() {
    let text =
        "[events]\nenabled = true\n[[hooks]]\nwebhook = 'http://h/'\nheaders = { Authorization = 'hunter2' }";
    let printed = format!("{:?}", parse(text).unwrap());
    assert!(printed.contains("Authorization") && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn the_schema_in_the_repository_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/agent.schema.json");
    let committed = std::fs::read_to_string(path).unwrap();
    let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    assert!(committed == current, "write it anew: cargo run -p imds-agent --example schema > {path}");
}
