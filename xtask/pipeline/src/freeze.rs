//! Times in which production is left alone.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use serde::{Serialize, Serializer};
use std::fmt;

/// `Fri 18:00 – Mon 09:00 Asia/Seoul`, every week, or `2026-12-24 18:00 – 2026-12-27 09:00 Asia/Seoul`, once.
#[derive(Debug, Clone, PartialEq)]
pub struct Freeze {
    span: Span,
    zone: TimeZone,
    /// As it was written.
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Span {
    Weekly { from: (Weekday, Time), to: (Weekday, Time) },
    Once { from: DateTime, to: DateTime },
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

impl Freeze {
    pub fn parse(text: &str) -> Option<Self> {
        let (span, zone) = text.rsplit_once(' ')?;
        let zone = TimeZone::get(zone).ok()?;
        let (from, to) = span.split_once(" – ").or_else(|| span.split_once(" - "))?;
        let span = match (weekly(from), weekly(to)) {
            (Some(from), Some(to)) if from != to => Span::Weekly { from, to },
            _ => {
                let (from, to) = (once(from)?, once(to)?);
                (from < to).then_some(Span::Once { from, to })?
            }
        };
        let text = text.to_owned();
        Some(Self { span, zone, text })
    }

    /// When it ends, if `now` lies within.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let local = now.to_zoned(self.zone.clone());
        match self.span {
            Span::Once { from, to } => {
                let (from, to) = (self.instant(from)?, self.instant(to)?);
                (from <= now && now < to).then_some(to)
            }
            Span::Weekly { from, to } => {
                let ends = self.next(&local, to)?;
                // Within it, its end comes before its next beginning.
                (ends < self.next(&local, from)?).then_some(ends)
            }
        }
    }

    /// The first time after `now` that the week comes to this point.
    fn next(&self, now: &Zoned, (day, time): (Weekday, Time)) -> Option<Timestamp> {
        let days = now.weekday().until(day);
        let at = now.date().checked_add(i64::from(days).days()).ok()?.to_datetime(time);
        let instant = self.instant(at)?;
        if instant > now.timestamp() {
            return Some(instant);
        }
        self.instant(at.checked_add(7.days()).ok()?)
    }

    fn instant(&self, at: DateTime) -> Option<Timestamp> {
        at.to_zoned(self.zone.clone()).ok().map(|zoned| zoned.timestamp())
    }
}

fn weekly(text: &str) -> Option<(Weekday, Time)> {
    let (day, time) = text.trim().split_once(' ')?;
    let (_, day) = WEEKDAYS.into_iter().find(|(name, _)| *name == day)?;
    Some((day, of_day(time)?))
}

fn once(text: &str) -> Option<DateTime> {
    let (date, time) = text.trim().split_once(' ')?;
    let date = Date::strptime("%Y-%m-%d", date).ok()?;
    Some(date.to_datetime(of_day(time)?))
}

fn of_day(text: &str) -> Option<Time> {
    Time::strptime("%H:%M", text).ok()
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Freeze {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(freeze: &str, now: &str) -> Option<String> {
        let freeze = Freeze::parse(freeze).unwrap_or_else(|| panic!("`{freeze}` is not read"));
        freeze.until(now.parse().unwrap()).map(|end| end.to_string())
    }

    #[test]
    fn a_weekly_freeze_covers_its_span_of_each_week_across_its_end() {
        let weekend = "Fri 18:00 – Mon 09:00 Asia/Seoul";
        // In Seoul it is nine hours later.
        for (now, end) in [
            ("2026-11-20T08:59:59Z", None),
            ("2026-11-20T09:00:00Z", Some("2026-11-23T00:00:00Z")),
            ("2026-11-22T12:00:00Z", Some("2026-11-23T00:00:00Z")),
            ("2026-11-22T23:59:59Z", Some("2026-11-23T00:00:00Z")),
            ("2026-11-23T00:00:00Z", None),
            ("2026-11-25T12:00:00Z", None),
        ] {
            assert_eq!(until(weekend, now).as_deref(), end, "{now}");
        }
        let almost_always = "Mon 09:00 – Mon 08:00 UTC";
        assert_eq!(until(almost_always, "2026-11-23T08:30:00Z"), None);
        assert!(until(almost_always, "2026-11-23T09:00:00Z").is_some());
        let within_a_day = "Wed 10:00 - Wed 12:00 UTC";
        assert_eq!(
            until(within_a_day, "2026-11-25T11:00:00Z").as_deref(),
            Some("2026-11-25T12:00:00Z")
        );
        assert_eq!(until(within_a_day, "2026-11-25T12:00:00Z"), None);
    }

    #[test]
    fn an_hour_that_the_clocks_skip_or_repeat_ends_no_freeze_early() {
        // Clocks in Berlin go from 2:00 to 3:00 on 28 March 2027, and from 3:00 to 2:00 on 31 October.
        let night = "Sat 22:00 – Sun 02:30 Europe/Berlin";
        assert_eq!(
            until(night, "2027-03-28T00:59:00Z").as_deref(),
            Some("2027-03-28T01:30:00Z")
        );
        assert!(until(night, "2027-10-31T00:29:00Z").is_some());
    }

    #[test]
    fn a_single_freeze_covers_its_span_once() {
        let holidays = "2026-12-24 18:00 – 2026-12-27 09:00 Asia/Seoul";
        assert_eq!(until(holidays, "2026-12-24T08:59:59Z"), None);
        assert_eq!(
            until(holidays, "2026-12-25T00:00:00Z").as_deref(),
            Some("2026-12-27T00:00:00Z")
        );
        assert_eq!(until(holidays, "2027-12-25T00:00:00Z"), None);
    }

    #[test]
    fn what_is_no_freeze_is_not_read() {
        for bad in [
            "",
            "Fri 18:00",
            "Fri 18:00 – Mon 09:00",
            "Fri 18:00 – Mon 09:00 Asia/Soul",
            "Fri 25:00 – Mon 09:00 UTC",
            "Fri 18:00 – Fri 18:00 UTC",
            "Friday 18:00 – Mon 09:00 UTC",
            "2026-12-27 09:00 – 2026-12-24 18:00 UTC",
            "2026-02-30 09:00 – 2026-12-24 18:00 UTC",
            "Fri 18:00 – 2026-12-24 18:00 UTC",
        ] {
            assert!(Freeze::parse(bad).is_none(), "{bad}");
        }
    }
}
