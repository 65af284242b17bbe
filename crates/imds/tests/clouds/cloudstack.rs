//! Apache CloudStack: the service is whoever leased the machine its address, and nobody's business unless something speaks
//! for the cloud; names that administrators give.

use crate::harness::{client_of, fake, machine, read_all};
use imds::Field;
use imds::machine::MemoryFiles;

#[tokio::test]
async fn who_leased_the_address_is_asked_only_where_something_speaks_for_the_cloud() {
    let lease = || MemoryFiles::new().with("/run/systemd/netif/leases/2", "SERVER_ADDRESS=192.0.2.77\n");
    let asked = |files: MemoryFiles| async {
        let evidence = client_of(machine(files, &[])).detect().await.evidence;
        evidence.into_iter().map(|piece| piece.detail).collect::<Vec<_>>().join("\n")
    };
    // Nothing is reached: each address that would be asked is refused by name.
    let unmarked = asked(lease()).await;
    assert!(!unmarked.contains("192.0.2.77"), "{unmarked}");
    let marked = asked(lease().with("/sys/class/dmi/id/product_name", "CloudStack KVM Hypervisor\n")).await;
    assert!(marked.contains("192.0.2.77") && !marked.contains("8080"), "{marked}");
}

#[tokio::test]
async fn offerings_and_zones_may_be_of_several_words_and_a_page_is_neither() {
    let fake = fake("cloudstack").await;
    fake.set("meta-data/availability-zone", "Zone A").unwrap();
    let metadata = read_all(&fake).await;
    assert_eq!(metadata.text(Field::InstanceType), Some("Medium Instance"));
    assert_eq!(metadata.text(Field::Zone), Some("Zone A"));
    fake.set("meta-data/service-offering", "<b>not found</b>").unwrap();
    assert_eq!(read_all(&fake).await.text(Field::InstanceType), None);
}
