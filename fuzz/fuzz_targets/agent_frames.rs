//! Frames between worker and executor: whatever comes, a frame is understood whole or not at all, what is understood says
//! the same when it is sent again, and nothing behind it is lost.
#![no_main]

use std::io;

use imds_agent::executor::protocol::{LIMIT, Reply, Request, receive, send};
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
}

fuzz_target!(|data: &[u8]| {
    let [which, bytes @ ..] = data else { return };
    // Lengths are hard to come by, so that most inputs are given theirs.
    let framed = [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            match which % 4 {
                0 => all::<Request>(bytes).await,
                1 => all::<Reply>(bytes).await,
                2 => all::<Request>(&framed).await,
                _ => all::<Reply>(&framed).await,
            }
        });
    });
});

async fn all<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let mut rest = bytes;
    loop {
        let before = rest;
        match receive::<T>(&mut rest).await {
            Ok(Some(frame)) => {
                let taken = before.len() - rest.len();
                let length = u32::from_be_bytes(before[..4].try_into().unwrap());
                assert_eq!(taken, 4 + length as usize, "a frame is taken whole");
                again(&frame).await;
            }
            Ok(None) => {
                let missing = before.len() < 4
                    || before.len() - 4 < u32::from_be_bytes(before[..4].try_into().unwrap()) as usize;
                assert!(missing, "there was a frame: {before:?}");
                return;
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
                let length = u32::from_be_bytes(before[..4].try_into().unwrap());
                assert!(length > LIMIT || before.len() - 4 >= length as usize, "too early to say: {error}");
                return;
            }
        }
    }
}

async fn again<T: Serialize + DeserializeOwned>(frame: &T) {
    let mut sent = Vec::new();
    send(&mut sent, frame).await.expect("what was received can be sent");
    let received: T =
        receive(&mut &sent[..]).await.expect("what is sent is understood").expect("and is there");
    let mut twice = Vec::new();
    send(&mut twice, &received).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&sent), String::from_utf8_lossy(&twice));
}
