//! AWS Signature Version 4: in the headers of a request, or in the query of an address that someone else may use.

use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

// No `Debug`: it holds a secret.
pub struct Signer {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub region: String,
}

/// What of a request is signed.
pub struct Signed<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// In the order of their names, which are in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The payload's hash in hexadecimal.
    pub payload: &'a str,
}

/// A second in UTC as the signature writes it: `20130524T000000Z`.
pub struct Moment(String);

impl Signer {
    /// The `Authorization` of a request.
    pub fn authorization(&self, request: &Signed<'_>, moment: &Moment) -> String {
        let (scope, names) = (self.scope(moment), request.header_names());
        let signature = self.signature(&request.canonical(""), moment);
        format!(
            "{ALGORITHM} Credential={}/{scope},SignedHeaders={names},Signature={signature}",
            self.access_key_id
        )
    }

    /// The path and query with which anyone may make the request until it expires.
    pub fn presigned(&self, request: &Signed<'_>, moment: &Moment, lifetime: Duration) -> String {
        let credential = format!("{}/{}", self.access_key_id, self.scope(moment));
        let query = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={}&X-Amz-SignedHeaders={}",
            encoded(&credential),
            moment.0,
            lifetime.as_secs(),
            encoded(&request.header_names()),
        );
        let signature = self.signature(&request.canonical(&query), moment);
        format!("{}?{query}&X-Amz-Signature={signature}", request.path)
    }

    fn scope(&self, moment: &Moment) -> String {
        format!("{}/{}/s3/aws4_request", moment.day(), self.region)
    }

    fn signature(&self, canonical: &str, moment: &Moment) -> String {
        let scope = self.scope(moment);
        let message = format!("{ALGORITHM}\n{}\n{scope}\n{}", moment.0, sha256(canonical.as_bytes()));
        let secret = format!("AWS4{}", self.secret_access_key).into_bytes();
        let key = scope.split('/').fold(secret, |key, part| hmac(&key, part));
        hex(&hmac(&key, &message))
    }
}

impl Signed<'_> {
    fn header_names(&self) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        names.join(";")
    }

    fn canonical(&self, query: &str) -> String {
        let headers: String = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        format!(
            "{}\n{}\n{query}\n{headers}\n{}\n{}",
            self.method,
            self.path,
            self.header_names(),
            self.payload
        )
    }
}

impl Moment {
    pub fn now() -> Moment {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment::at(since_1970.as_secs())
    }

    fn at(secs: u64) -> Moment {
        let (days, rest) = (secs / 86_400, secs % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
        Moment(format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn day(&self) -> &str {
        &self.0[..8]
    }
}

/// Year, month and day of a number of days since 1970, by way of years that begin in March and eras of 400 of them.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    sign(&Key::new(HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(byte.into()),
            _ => write!(text, "%{byte:02X}").unwrap_or_default(),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAY_24TH_2013: u64 = 1_369_353_600;

    fn signer() -> Signer {
        Signer {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            region: "us-east-1".to_owned(),
        }
    }

    /// The examples in the vendor's manual.
    #[test]
    fn the_manuals_examples_get_the_manuals_signatures() {
        let (moment, empty) = (Moment::at(MAY_24TH_2013), sha256(b""));
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", &empty),
            ("x-amz-date", moment.as_str()),
        ];
        let get = Signed {
            method: "GET",
            path: "/test.txt",
            headers: &headers,
            payload: &empty,
        };
        assert_eq!(
            signer().authorization(&get, &moment),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let get = Signed {
            headers: &headers[..1],
            payload: UNSIGNED_PAYLOAD,
            ..get
        };
        assert_eq!(
            signer().presigned(&get, &moment, Duration::from_secs(86_400)),
            "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    #[test]
    fn a_moment_is_written_in_utc() {
        for (secs, written) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(Moment::at(secs).as_str(), written);
        }
    }
}
