//! Hosts that are no metadata service.

use imds_fake::{Behaviour, Stranger};

use crate::client::{Connection, ask};

#[tokio::test]
async fn strangers_treat_every_request_alike() {
    let hello = Stranger::start(Behaviour::Hello).await.unwrap();
    for (method, path) in
        [("GET", "/"), ("PUT", "/latest/api/token"), ("GET", "/metadata/instance?api-version=1")]
    {
        let reply = ask(hello.addr(), method, path, &[]).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html")), "{method} {path}");
        assert!(reply.text().contains("OK"));
        assert_eq!((reply.header("server"), reply.header("metadata-flavor")), (None, None));
    }
    assert_eq!((hello.requests().len(), hello.connections()), (3, 3));
    assert!(hello.url().starts_with("http://127.0.0.1:"));

    let refusing = Stranger::start(Behaviour::Status(403)).await.unwrap();
    assert_eq!(ask(refusing.addr(), "GET", "/", &[]).await.status, 403);
    let docker = Stranger::start(Behaviour::DockerDesktop).await.unwrap();
    for (method, path) in [("PUT", "/latest/api/token"), ("GET", "/openstack")] {
        let reply = ask(docker.addr(), method, path, &[]).await;
        assert_eq!((reply.status, reply.text()), (403, "Forbidden\n"), "{method} {path}");
    }
    let elsewhere = Stranger::start(Behaviour::Redirect("http://127.0.0.1:9/login".into())).await.unwrap();
    let reply = ask(elsewhere.addr(), "GET", "/", &[]).await;
    assert_eq!((reply.status, reply.header("location")), (302, Some("http://127.0.0.1:9/login")));
    let huge = Stranger::start(Behaviour::Huge).await.unwrap();
    assert_eq!(ask(huge.addr(), "GET", "/", &[]).await.body.len(), 64 << 20);
    let deep = Stranger::start(Behaviour::DeepJson).await.unwrap();
    assert_eq!(ask(deep.addr(), "GET", "/", &[]).await.body.len(), 200_000);
    let closing = Stranger::start(Behaviour::Close).await.unwrap();
    assert!(Connection::open(closing.addr()).await.ask("GET", "/", &[]).await.is_err());
    for behaviour in [Behaviour::TruncatedJson, Behaviour::Binary, Behaviour::Empty, Behaviour::Ok] {
        let stranger = Stranger::start(behaviour.clone()).await.unwrap();
        let reply = ask(stranger.addr(), "GET", "/", &[]).await;
        assert_eq!(reply.status, 200);
        assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).is_err(), "{behaviour:?}");
    }
}
