//! `cloud-meta`: one value of an EC2 instance, or all that it can read of a cloud.
//!
//! `peer-cloud-meta one|aws|azure|gcp`
#![expect(clippy::unwrap_used, reason = "a failure must be seen")]

use std::time::Duration;

use cloud_meta::{Amazon, Azure, Google};
use hyper::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    match std::env::args().nth(1).unwrap().as_str() {
        "azure" => println!("{:?}", Azure::new(Client::new()).instance().await.unwrap()),
        "gcp" => println!("{:?}", Google::new(Client::new()).instance().await.unwrap()),
        what => {
            let amazon = Amazon::new(Client::new());
            let token = amazon.token(Duration::from_secs(21600)).await.unwrap();
            if what == "one" {
                println!("{}", amazon.instance(Some(&token)).await.unwrap().instance_id);
            } else {
                println!("{}", amazon.scan("meta-data/", Some(&token)).await.unwrap());
            }
        }
    }
}
