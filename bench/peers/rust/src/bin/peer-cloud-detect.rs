//! Which cloud is it? By `cloud-detect`, with its default time-out.

#[tokio::main]
async fn main() {
    println!("{}", cloud_detect::detect(None).await);
}
