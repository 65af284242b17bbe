//! What goes wrong with the service.

use std::sync::Arc;
use std::time::Duration;

use imds_fake::{Fake, Fault, FaultKind};

use crate::Counts;

/// Changes the service's mood for ever: a fault or two, or none, for some seconds; and now and then what it says.
pub(crate) async fn rage(fake: Arc<Fake>, mut rng: fastrand::Rng, counts: Arc<Counts>) {
    for turn in 0_u64.. {
        fake.clear_faults();
        for _ in 0..rng.u8(..3) {
            fake.inject(fault(&mut rng));
            Counts::add(&counts.faults);
        }
        if rng.u8(..4) == 0 {
            fake.revoke_tokens();
        }
        if rng.bool() {
            // So that watchers have something to hear. The scenario has such a tag.
            let _ = fake.set("meta-data/tags/instance/Name", &format!("name-{turn}"));
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(200..4_000))).await;
    }
}

fn fault(rng: &mut fastrand::Rng) -> Fault {
    let status = |code, retry_after| FaultKind::Status { code, retry_after, body: None };
    let kind = match rng.u8(..15) {
        0 => FaultKind::Delay(Duration::from_millis(rng.u64(1..3_000))),
        1 => FaultKind::Reset,
        2 => FaultKind::Close,
        3 => FaultKind::Truncate,
        4 => FaultKind::Hang,
        5 => FaultKind::DropReplies,
        6 => FaultKind::BadJson,
        7 => FaultKind::Binary,
        8 => FaultKind::Huge(rng.u64(1..4 << 20)),
        9 => FaultKind::ConnectionClose,
        10 => FaultKind::Slow { bytes: 16, every: Duration::from_millis(rng.u64(1..50)) },
        11 => status(401, None),
        12 => status(429, Some(rng.u64(..3))),
        13 => status(503, None),
        _ => status(404, None),
    };
    let fault = Fault::new(kind);
    // Some strike everything, some one document, some a few requests.
    match rng.u8(..4) {
        0 => fault.path("/latest/meta-data"),
        1 => fault.path("/latest/dynamic"),
        2 => fault.times(rng.u32(1..6)),
        _ => fault,
    }
}
