//! Pages of a list that runs from the newest to the oldest. A cursor names the last row seen, so that rows added
//! meanwhile move nothing.

use crate::interface::schema::{self, written_as};
use crate::problem::{Fields, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;
/// What is said of a cursor that is none.
pub const NO_CURSOR: &str = "must be the `next` of an earlier page";

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The `next` of the page before
    #[param(value_type = Option<Cursor>, inline)]
    before: Option<String>,
    /// How many at most
    #[param(value_type = Option<Limit>, inline)]
    limit: Option<String>,
}

/// Opaque to clients, so that what a list is ordered by may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub u64);

/// Eight bytes, as base64url writes them.
const CURSOR: &str = "^[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$";

written_as!(
    Cursor,
    schema::text(11..=11).pattern(Some(CURSOR)).examples(["AAAAAAAAAGQ"])
);

#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    before: Option<Cursor>,
    limit: u32,
}

impl Cursor {
    pub fn parse(value: &str) -> Result<Cursor, String> {
        URL_SAFE_NO_PAD
            .decode(value)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(|bytes| Cursor(u64::from_be_bytes(bytes)))
            .ok_or_else(|| NO_CURSOR.to_owned())
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0.to_be_bytes()))
    }
}

impl Page {
    pub fn parse(query: &PageQuery) -> Result<Page, Problem> {
        let mut fields = Fields::default();
        let before = fields.check("before", query.before.as_deref().map(Cursor::parse).transpose());
        let limit = fields.check("limit", limit(query.limit.as_deref()));
        match (before, limit) {
            (Some(before), Some(limit)) => Ok(Page { before, limit }),
            _ => Err(fields.into_problem()),
        }
    }

    pub fn before(&self) -> u64 {
        self.before.map_or(u64::MAX, |cursor| cursor.0)
    }

    /// One more than the page holds: it tells whether another page follows.
    pub fn rows_to_fetch(&self) -> u32 {
        self.limit + 1
    }

    /// Cuts the extra row off and says where the next page starts.
    pub fn cut<T>(&self, rows: &mut Vec<T>, id: impl Fn(&T) -> u64) -> Option<Cursor> {
        let has_more = rows.len() > self.limit as usize;
        rows.truncate(self.limit as usize);
        rows.last().filter(|_| has_more).map(|last| Cursor(id(last)))
    }
}

/// How many items a page may hold.
pub struct Limit;

written_as!(Limit, {
    let range = schema::number(1..=LIMIT_MAX as usize);
    range.default(Some(LIMIT_DEFAULT.into()))
});

pub fn limit(value: Option<&str>) -> Result<u32, String> {
    match value.map(str::parse) {
        None => Ok(LIMIT_DEFAULT),
        Some(Ok(limit)) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(format!("must be a number from 1 to {LIMIT_MAX}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(before: Option<&str>, limit: Option<&str>) -> Option<Page> {
        Page::parse(&PageQuery {
            before: before.map(str::to_owned),
            limit: limit.map(str::to_owned),
        })
        .ok()
    }

    #[test]
    fn a_cursor_survives_its_trip_through_the_client() {
        for id in [0, 1, 255, u64::MAX] {
            let text = serde_json::to_value(Cursor(id)).expect("a string");
            assert_eq!(Cursor::parse(text.as_str().expect("a string")), Ok(Cursor(id)));
        }
        for bad in ["", "1", "AAAAAAAAAAE=", "' OR 1=1", "AAAAAAAAAAAAAAAAAAAA"] {
            assert!(Cursor::parse(bad).is_err(), "accepted {bad:?}");
        }
    }

    #[test]
    fn a_limit_is_within_bounds_or_refused() {
        assert_eq!(
            page(None, None),
            Some(Page {
                before: None,
                limit: LIMIT_DEFAULT
            })
        );
        assert_eq!(
            page(None, Some("50")),
            Some(Page {
                before: None,
                limit: 50
            })
        );
        for bad in ["0", "101", "-1", "1.5", "", "99999999999999999999"] {
            assert_eq!(page(None, Some(bad)), None, "{bad:?}");
        }
    }

    #[test]
    fn the_last_page_has_no_next() {
        let page = Page { before: None, limit: 2 };
        let mut full = vec![9, 8, 7];
        assert_eq!(page.cut(&mut full, |id| *id), Some(Cursor(8)));
        assert_eq!(full, [9, 8]);
        let mut last = vec![9, 8];
        assert_eq!(page.cut(&mut last, |id| *id), None);
    }
}
