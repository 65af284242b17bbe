//! Wrong usage, and how messages look.

use crate::harness::{Imds, imds};

#[test]
fn wrong_usage_is_2_and_says_nothing_on_stdout() {
    for line in [
        "",
        "dtect",
        "detect --colour",
        "show --format xml",
        "show --json --format yaml",
        "get",
        "raw",
        "detect --timeout 5",
        "detect --probe-timeout 0s",
        "detect --cloud awz",
        "detect --clouds aws,azur",
        "detect --endpoint 127.0.0.1:80",
        "detect --sysroot /no/such/directory",
        "detect -v -q",
        "detect --fake aws --sysroot /",
    ] {
        let ran = imds(line);
        assert_eq!(ran.result(), (2, ""), "{line}");
        assert!(!ran.stderr.is_empty(), "{line}");
    }
}

#[test]
fn a_message_names_the_option_and_the_remedy() {
    assert_eq!(
        imds("detect --cloud awz").stderr,
        "imds: --cloud: no cloud is called \"awz\"\n  hint: did you mean aws?\n"
    );
    let ran = Imds::new("detect").env("IMDS_TIMEOUT", "5").run();
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with("imds: IMDS_TIMEOUT: \"5\" is no duration"), "{}", ran.stderr);
    let ran = Imds::new("detect").env("IMDS_LOG", "loud").run();
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with("imds: IMDS_LOG: "), "{}", ran.stderr);
}

#[test]
fn colour_is_for_those_who_want_it() {
    let colored = |ran: crate::harness::Ran| ran.stderr.contains('\u{1b}');
    assert!(colored(imds("detect --cloud awz --color always")));
    assert!(!colored(imds("detect --cloud awz --color never")));
    assert!(!colored(imds("detect --cloud awz")), "a pipe is no terminal");
    assert!(!imds("detect --fake aws --explain --color always").stdout.contains('\u{1b}'));
}

#[test]
fn the_log_says_as_much_as_is_asked_for() {
    let lines = |line: &str| imds(line).stderr.lines().count();
    assert_eq!(lines("get --fake aws region"), 0);
    let (debug, trace) = (lines("get --fake aws region -vv"), lines("get --fake aws region -vvv"));
    assert!(0 < debug && debug < trace, "{debug} {trace}");
    let by_variable = Imds::new("get --fake aws region").env("IMDS_LOG", "trace").run();
    assert!(by_variable.stderr.contains("imds: trace: ["), "{}", by_variable.stderr);
    let quiet = Imds::new("get --fake aws region -q").env("IMDS_LOG", "trace").run();
    assert_eq!(quiet.stderr, "");
}
