//! Whatever a web page can make a browser send to loopback is refused, and nothing in the refusal permits more.

use crate::house::House;

/// Requests as browsers send them, with the listener's own address in the place of HOST.
const BY_BROWSERS: &[(&str, &str)] = &[
    (
        "a page whose name was pointed at 127.0.0.1 (DNS rebinding)",
        "GET /v1/metadata HTTP/1.1\r\nHost: rebound.evil.example:80\r\nMetadata: true\r\nAccept: */*\r\n\r\n",
    ),
    (
        "the same with the port of the listener",
        "GET /v1/metadata HTTP/1.1\r\nHost: rebound.evil.example:PORT\r\nMetadata: true\r\n\r\n",
    ),
    (
        "a fetch from another origin",
        "GET /v1/metadata HTTP/1.1\r\nHost: HOST\r\nOrigin: https://evil.example\r\nMetadata: true\r\n\
         Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n\r\n",
    ),
    (
        "a fetch from a sandboxed frame",
        "GET /v1/metadata HTTP/1.1\r\nHost: HOST\r\nOrigin: null\r\nMetadata: true\r\n\r\n",
    ),
    (
        "a fetch without cors, which can't set headers",
        "GET /v1/metadata HTTP/1.1\r\nHost: HOST\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\
         Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: empty\r\n\
         Referer: https://evil.example/\r\n\r\n",
    ),
    (
        "an image, by a browser that says nothing of itself",
        "GET /v1/metadata/region HTTP/1.1\r\nHost: HOST\r\nUser-Agent: Mozilla/4.0\r\nAccept: image/*\r\n\r\n",
    ),
    (
        "a link that somebody clicked",
        "GET /v1/metadata HTTP/1.1\r\nHost: HOST\r\nAccept: text/html\r\nSec-Fetch-Site: none\r\n\
         Sec-Fetch-Mode: navigate\r\nUpgrade-Insecure-Requests: 1\r\n\r\n",
    ),
    (
        "a preflight for the header",
        "OPTIONS /v1/metadata HTTP/1.1\r\nHost: HOST\r\nOrigin: https://evil.example\r\n\
         Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: metadata\r\n\
         Access-Control-Request-Private-Network: true\r\n\r\n",
    ),
    (
        "a form",
        "POST /v1/metadata HTTP/1.1\r\nHost: HOST\r\nOrigin: https://evil.example\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b",
    ),
    (
        "a beacon",
        "POST /v1/metadata HTTP/1.1\r\nHost: HOST\r\nMetadata: true\r\nContent-Type: text/plain\r\n\
         Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ),
    (
        "an EventSource",
        "GET /v1/watch HTTP/1.1\r\nHost: HOST\r\nOrigin: https://evil.example\r\nAccept: text/event-stream\r\n\r\n",
    ),
    (
        "a WebSocket",
        "GET /v1/watch HTTP/1.1\r\nHost: HOST\r\nOrigin: https://evil.example\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    ),
    (
        "a browser that takes the listener for a proxy",
        "GET http://HOST/v1/metadata HTTP/1.1\r\nHost: HOST\r\nMetadata: true\r\n\r\n",
    ),
    (
        "a proxy that passes on a request",
        "GET /v1/metadata HTTP/1.1\r\nHost: HOST\r\nMetadata: true\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n",
    ),
    (
        "a proxy by the book",
        "GET /v1/metadata HTTP/1.1\r\nHost: HOST\r\nMetadata: true\r\nForwarded: for=198.51.100.7\r\n\r\n",
    ),
    (
        "a proxy by an older book",
        "GET /v1/metadata HTTP/1.1\r\nHost: HOST\r\nMetadata: true\r\nVia: 1.1 proxy\r\n\r\n",
    ),
    ("HTTP of the last century, without a host", "GET /v1/metadata HTTP/1.0\r\nMetadata: true\r\n\r\n"),
    (
        "localhost, which may be anybody's name",
        "GET /v1/metadata HTTP/1.1\r\nHost: localhost:PORT\r\nMetadata: true\r\n\r\n",
    ),
];

#[tokio::test]
async fn no_web_page_can_ask() {
    let house = House::new();
    let (host, port) = (house.api.to_string(), house.api.port().to_string());
    for (what, request) in BY_BROWSERS {
        let request = request.replace("HOST", &host).replace("PORT", &port);
        let answer = House::ask_tcp(house.api, &request).await;
        assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
        assert!(answer.closes(), "{what}: {answer:?}");
        assert!(!answer.head.to_ascii_lowercase().contains("access-control"), "{what}: {answer:?}");
        assert!(!answer.body.contains("eu-west-1") && !answer.body.contains("i-0123"), "{what}: {answer:?}");
    }
    let meant = format!("GET /v1/metadata/region HTTP/1.1\r\nHost: {host}\r\nMetadata: true\r\n\r\n");
    assert_eq!(House::ask_tcp(house.api, &meant).await.body, "eu-west-1");
}

#[tokio::test]
async fn no_web_page_can_read_the_numbers() {
    let house = House::new();
    let (host, port) = (house.metrics.to_string(), house.metrics.port().to_string());
    for (what, request) in BY_BROWSERS.iter().filter(|(what, _)| !what.contains("image")) {
        let request =
            request.replace("/v1/metadata", "/metrics").replace("HOST", &host).replace("PORT", &port);
        let answer = House::ask_tcp(house.metrics, &request).await;
        assert!((400..500).contains(&answer.status) && !answer.body.contains("imds_"), "{what}: {answer:?}");
    }
    let scraped = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Prometheus/3.0\r\n\r\n");
    let answer = House::ask_tcp(house.metrics, &scraped).await;
    assert!(answer.status == 200 && answer.body.contains("imds_metadata_ready 1"), "{answer:?}");
    assert!(!answer.body.contains("i-0123") && !answer.body.contains("eu-west-1"));
    let head = House::ask_tcp(house.metrics, &scraped.replace("GET", "HEAD")).await;
    assert_eq!((head.status, &*head.body), (200, ""));
    let elsewhere = House::ask_tcp(house.metrics, &scraped.replace("/metrics", "/v1/metadata")).await;
    assert_eq!(elsewhere.status, 404);
}
