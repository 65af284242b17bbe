//! Nodes that aren't plain machines, as `--fake` lends them: with what their platform tells its programs.

use crate::harness::{Imds, imds};

#[test]
fn a_task_on_fargate_is_shown_by_its_own_endpoint() {
    let shown = imds("show --fake aws:fargate --json").json();
    assert_eq!(shown["platform"], "fargate");
    assert_eq!(shown["cluster_name"], "shop");
    assert_eq!(shown["private_ipv4"], "10.20.40.72");
    assert_eq!(shown.get("instance_id"), None);
    assert_eq!(imds("get zone --fake aws:fargate").result(), (0, "eu-west-1b\n"));
    assert_eq!(imds("detect --fake aws:fargate").result(), (0, "aws\n"));
}

#[test]
fn the_program_that_exec_runs_is_told_what_the_platform_tells() {
    let script = "echo $AWS_EXECUTION_ENV in $IMDS_CLUSTER_NAME";
    let ran = Imds::with(&["exec", "--fake", "aws:fargate", "--", "sh", "-c", script]).run();
    assert_eq!(ran.result(), (0, "AWS_ECS_FARGATE in shop\n"));
}

#[test]
fn a_service_of_cloud_run_and_a_pod_of_gke_are_shown() {
    let shown = imds("show --fake gcp:cloud-run --json").json();
    assert_eq!((&shown["platform"], &shown["region"]), (&"cloud_run".into(), &"europe-west4".into()));
    let shown = imds("show --fake gcp:gke-concealed --json").json();
    assert_eq!((&shown["platform"], &shown["cluster_name"]), (&"gke".into(), &"shop".into()));
    assert_eq!(shown.get("errors"), None);
}

#[test]
fn a_server_registered_with_arc_is_in_no_cloud_and_can_be_read_all_the_same() {
    assert_eq!(imds("detect --fake azure:arc").result(), (3, "none\n"));
    let ran = imds("show --fake azure:arc");
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("--cloud azure reads Azure Arc's local service"), "{}", ran.stderr);
    let shown = imds("show --fake azure:arc --cloud azure --json").json();
    assert_eq!((&shown["platform"], &shown["resource_group"]), (&"arc".into(), &"rg-plant".into()));
}

#[test]
fn an_endpoint_over_tls_is_refused_by_the_name_of_the_feature_where_it_is_off() {
    let ran = imds("get region --cloud ibm --endpoint https://127.0.0.1:1");
    if cfg!(feature = "tls") {
        assert_eq!(ran.code, 6, "{}", ran.stderr);
    } else {
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("feature `tls`"), "{}", ran.stderr);
    }
}
