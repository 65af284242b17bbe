//! Every cloud against its fake: what all have to do alike, how each is told from the others, and what is peculiar to one.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "ready-made machines are read whole elsewhere")]
#[path = "../harness/mod.rs"]
mod harness;
#[expect(dead_code, reason = "EC2's tokens have tests of their own")]
#[path = "../scripted/mod.rs"]
mod scripted;

mod akamai;
mod alibaba;
mod cloudstack;
#[path = "../conformance/mod.rs"]
mod conformance;
mod every_cloud;
mod gcp;
mod hetzner;
mod huawei;
mod ibm;
mod look_alikes;
mod openstack;
mod oracle;
mod outscale;
mod scaleway;
mod shape;
mod tencent;
mod vultr;
mod yandex;
