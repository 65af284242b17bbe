//! The ways in which clouds write times.
//!
//! | written | by |
//! |---|---|
//! | `2031-05-06T07:08:09Z`, `2031-07-29T14:19:57+00:00` | AWS, Google, Alibaba |
//! | `21 Jan 2031 09:00:43 GMT`, the day without a zero | AWS's scheduled maintenance |
//! | `Tue, 06 May 2031 07:08:39 GMT` | Azure |
//! | `2031-08-18 12:05:33`, eight hours ahead of UTC, which it doesn't say | Tencent |

use std::time::{Duration, SystemTime};

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A time in any of the forms that say their zone; nothing for what is no time.
#[must_use]
pub fn parse(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    if text.ends_with("GMT") { parse_worded(text) } else { parse_rfc3339(text) }
}

/// A time that is so far ahead of UTC, and doesn't say it.
#[must_use]
pub fn parse_ahead(text: &str, ahead: Duration) -> Option<SystemTime> {
    let text = text.trim();
    // It may say its zone one day; then that counts.
    parse(text).or_else(|| humantime::parse_rfc3339_weak(text).ok()?.checked_sub(ahead))
}

fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    if text.ends_with(['Z', 'z']) {
        return humantime::parse_rfc3339(&text.to_ascii_uppercase()).ok();
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let (sign, offset) = (offset.chars().next()?, offset.get(1..)?);
    let (hours, minutes) = offset.split_once(':')?;
    let number = |digits: &str| -> Option<u64> {
        (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset = Duration::from_secs(hours * 3600 + minutes * 60);
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    match sign {
        '+' => local.checked_sub(offset),
        '-' => local.checked_add(offset),
        _ => None,
    }
}

/// `[Tue, ]6 May 2031 07:08:39 GMT`. The day of the week is passed over.
fn parse_worded(text: &str) -> Option<SystemTime> {
    let mut words = text.split_ascii_whitespace().rev();
    let [_gmt, clock, year, month, day] = std::array::from_fn(|_| words.next().unwrap_or_default());
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? + 1;
    let day: u8 = day.parse().ok()?;
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day:02}T{clock}Z")).ok()
}

/// RFC 3339, in UTC, to the second.
#[must_use]
pub fn text(time: SystemTime) -> String {
    // Beyond the year 9999, and before 1970, there are no such times.
    let first = SystemTime::UNIX_EPOCH;
    let last = first + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(time.clamp(first, last)).to_string()
}

/// Times as RFC 3339, in JSON.
pub(super) mod optional {
    use std::time::SystemTime;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(in super::super) fn serialize<S: Serializer>(
        time: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_str(&super::text(*time)),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let time = |text: String| super::parse(&text).ok_or_else(|| de::Error::custom("no time"));
        text.map(time).transpose()
    }
}

/// Durations as whole seconds, in JSON.
pub(super) mod optional_seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(in super::super) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_u64(time.as_secs()),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_secs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_s_way_is_read() {
        for (written, meant) in [
            ("2031-05-06T07:08:09Z", "2031-05-06T07:08:09Z"),
            (" 2031-05-06T07:08:09.5Z\n", "2031-05-06T07:08:09Z"),
            ("2031-07-29T14:19:57+00:00", "2031-07-29T14:19:57Z"),
            ("2031-07-29T14:19:57+02:30", "2031-07-29T11:49:57Z"),
            ("2031-07-29T14:19:57-08:00", "2031-07-29T22:19:57Z"),
            ("21 Jan 2031 09:00:43 GMT", "2031-01-21T09:00:43Z"),
            ("1 Dec 2031 09:00:43 GMT", "2031-12-01T09:00:43Z"),
            ("Tue, 06 May 2031 07:08:39 GMT", "2031-05-06T07:08:39Z"),
        ] {
            assert_eq!(parse(written).map(text).as_deref(), Some(meant), "{written}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for wrong in [
            "",
            "GMT",
            "soon",
            "2031-05-06",
            "2031-13-06T07:08:09Z",
            "2031-02-30T07:08:09Z",
            "32 Jan 2031 09:00:43 GMT",
            "1 Foo 2031 09:00:43 GMT",
            "21 Jan 2031 25:00:43 GMT",
            "2031-05-06T07:08:09",
            "2031-07-29T14:19:57+2:30",
            "2031-07-29T14:19:57+99:00",
            "2031-07-29T14:19:57+é0",
            "1970-01-01T00:00:00+23:00é",
            "21 Jan 99999999999 09:00:43 GMT",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_the_vendor_s() {
        let ahead = Duration::from_secs(8 * 3600);
        let read = |written: &str| parse_ahead(written, ahead).map(text);
        assert_eq!(read("2031-08-18 12:05:33").as_deref(), Some("2031-08-18T04:05:33Z"));
        assert_eq!(read("2031-08-18T12:05:33Z").as_deref(), Some("2031-08-18T12:05:33Z"));
        assert_eq!(read("18.8.2031"), None);
    }

    #[test]
    fn no_time_is_too_far_to_be_written() {
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::MAX / 4);
        assert_eq!(text(far), "9999-12-31T23:59:59Z");
        assert_eq!(text(SystemTime::UNIX_EPOCH - Duration::from_secs(9)), "1970-01-01T00:00:00Z");
    }
}
