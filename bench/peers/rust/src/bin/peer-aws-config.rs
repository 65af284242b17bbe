//! One value of an EC2 instance, by the client of AWS's own SDK, with its defaults.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let client = aws_config::imds::Client::builder().build();
    match client.get("/latest/meta-data/instance-id").await {
        Ok(value) => println!("{}", value.as_ref()),
        Err(error) => {
            eprintln!("{error:?}");
            std::process::exit(1);
        }
    }
}
