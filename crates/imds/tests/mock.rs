//! The provider for other people's tests.
#![cfg(feature = "testing")]

use imds::testing::MockProvider;
use imds::{Error, ErrorKind, Field, Provider, Value};

#[tokio::test]
async fn everything_is_as_the_test_set_it() {
    let provider = MockProvider::new("azure")
        .with(Field::InstanceId, "c0ffee00")
        .with_tag("Name", "web")
        .with_tag("env", "")
        .with_volume("/dev/sdc", "/subscriptions/…/disks/data0");
    assert_eq!(provider.cloud().as_str(), "azure");
    assert_eq!(provider.get("instance_id").unwrap(), "c0ffee00");
    assert_eq!(provider.tag("env").as_deref(), Some(""));
    assert_eq!(provider.volume_id("/dev/sdc").unwrap(), "/subscriptions/…/disks/data0");
    assert_eq!(provider.volume_id("/dev/sdd").unwrap_err().kind(), ErrorKind::Absent);

    let mut changes = provider.subscribe();
    provider.set(Field::Region, Value::Text("westeurope".to_owned()));
    assert_eq!(changes.next().await.unwrap().fields, [Field::Region]);
    provider.remove(Field::Region);
    assert_eq!(changes.next().await.unwrap().fields, [Field::Region]);
    provider.fail(Field::Zone, Error::new(ErrorKind::TimedOut, "no answer"));
    assert_eq!(provider.value(Field::Zone).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(provider.value(Field::Region).unwrap_err().kind(), ErrorKind::Absent);

    assert!(provider.refresh().await.is_ok() && provider.is_available());
    provider.fail_refresh(Some(Error::new(ErrorKind::Throttled, "too many requests")));
    assert_eq!(provider.refresh().await.unwrap_err().kind(), ErrorKind::Throttled);
    assert!(!provider.is_available());
    assert_eq!(provider.get("instance_id").unwrap(), "c0ffee00", "a failed refresh takes nothing away");
    assert_eq!(provider.refreshes(), 2);
}
