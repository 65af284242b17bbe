//! Help, manual pages and completions.

use crate::harness::imds;

const COMMANDS: [&str; 10] =
    ["detect", "show", "get", "tags", "raw", "wait", "fake", "clouds", "completions", "man"];

#[test]
fn help_names_every_command_and_exit_code() {
    let ran = imds("--help");
    assert_eq!(ran.code, 0);
    for command in COMMANDS {
        assert!(ran.stdout.contains(&format!("\n  {command} ")), "{command}");
    }
    for code in 0..=6 {
        assert!(ran.stdout.contains(&format!("\n  {code}  ")), "{code}");
    }
    assert!(ran.stdout.contains("imds get region instance_id"), "{}", ran.stdout);
}

#[test]
fn every_command_has_a_manual_page() {
    let page = imds("man");
    assert_eq!(page.code, 0);
    assert!(page.stdout.contains(".TH IMDS 1"), "{}", page.stdout);
    assert!(page.stdout.contains("Exit codes"), "{}", page.stdout);
    for command in COMMANDS {
        let page = imds(&format!("man {command}"));
        assert_eq!(page.code, 0, "{command}");
        assert!(page.stdout.contains(&format!(".TH IMDS-{} 1", command.to_uppercase())), "{}", page.stdout);
    }
    let ran = imds("man shwo");
    assert_eq!(ran.result(), (2, ""));
    assert!(ran.stderr.contains("did you mean show?"), "{}", ran.stderr);
}

#[test]
fn every_shell_completes_commands_and_names() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = imds(&format!("completions {shell}"));
        assert_eq!(ran.code, 0, "{shell}");
        assert!(ran.stdout.contains("detect") && ran.stdout.contains("probe-timeout"), "{shell}");
    }
    let bash = imds("completions bash").stdout;
    assert!(bash.contains("instance_id") && bash.contains("digitalocean") && bash.contains("azure:aks"));
    assert_eq!(imds("completions tcsh").code, 2);
}

#[test]
fn a_package_gets_all_pages_and_scripts_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (pages, scripts) = (folder.path().join("man"), folder.path().join("completions"));
    let ran = imds(&format!("man --directory {}", pages.display()));
    assert_eq!(ran.result(), (0, ""), "{}", ran.stderr);
    for command in COMMANDS {
        assert!(pages.join(format!("imds-{command}.1")).exists(), "{command}");
    }
    assert_eq!(std::fs::read_to_string(pages.join("imds-show.1")).unwrap(), imds("man show").stdout);
    assert_eq!(std::fs::read_to_string(pages.join("imds.1")).unwrap(), imds("man").stdout);
    let ran = imds(&format!("completions --directory {}", scripts.display()));
    assert_eq!(ran.result(), (0, ""), "{}", ran.stderr);
    assert!(scripts.join("_imds").exists() && scripts.join("imds.fish").exists());
    let bash = std::fs::read_to_string(scripts.join("imds.bash")).unwrap();
    assert_eq!(bash, imds("completions bash").stdout);
    assert_eq!(imds("completions").code, 2, "a shell or a directory");
    let ran = imds("man --directory /dev/null/man");
    assert_eq!(ran.result(), (2, ""));
    assert!(ran.stderr.contains("/dev/null/man/imds.1: can't be written: Not a directory"), "{}", ran.stderr);
}
